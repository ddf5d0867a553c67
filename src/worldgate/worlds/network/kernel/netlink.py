"""The few netlink requests that lay out a network: devices, addresses, routes (rtnetlink(7)), and forgetting.

A socket acts in the network namespace it was made in, whatever namespace its process is in later.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import NamedTuple

LOOPBACK, BRIDGE = 1, 2
"""Indices of two devices in each namespace; others are numbered from `FIRST`."""
FIRST = 16

_ROUTE, _NETFILTER = 0, 12
_REQUEST, _ACK, _DUMP, _EXCL, _CREATE, _APPEND = 1, 4, 0x300, 0x200, 0x400, 0x800
_NEW = _CREATE | _EXCL
_ERROR, _DONE = 2, 3
_NEWLINK, _GETLINK, _NEWADDR, _DELADDR, _NEWROUTE, _DELROUTE, _DELNEIGH, _GETNEIGH = 16, 18, 20, 21, 24, 25, 29, 30
_OPERSTATE, _OPERSTATE_UP = 16, 6
_CONNTRACK_DELETE = 1 << 8 | 2
_UP = 1
_NOARP_OR_PERMANENT = 0x40 | 0x80
_NODAD, _NOPREFIXROUTE = 2, 0x200
_MAIN, _STATIC, _UNICAST, _ONLINK = 254, 4, 1, 4


class Refused(Exception):
    """A request that the kernel refused."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(number, what)
        self.number, self.what = number, what


class Request(NamedTuple):
    """`absent`: that there is nothing to take away is no failure."""

    what: str
    kind: int
    flags: int
    body: bytes
    absent: bool = False


_ABSENT = (errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENOENT, errno.ENODEV)


class Netlink:
    """A socket of one namespace, made by a thread that is in it."""

    def __init__(self, protocol: int = _ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._number = 0

    def run(self, requests: Sequence[Request]) -> None:
        """Do them in order; raises `Refused` for the first that failed. Later ones have been done all the same."""
        failed: Refused | None = None
        for start in range(0, len(requests), 64):  # as many answers as a socket's buffer is sure to hold
            some = requests[start : start + 64]
            self._send(some, _ACK)
            answered = 0
            while answered < len(some):
                for kind, data in _messages(self._socket.recv(1 << 16)):
                    if kind != _ERROR:
                        continue
                    code = -int(struct.unpack_from("=i", data)[0])
                    request, answered = some[answered], answered + 1
                    if code and failed is None and not (request.absent and code in _ABSENT):
                        failed = Refused(code, request.what)
        if failed is not None:
            raise failed

    def idle(self, indices: Sequence[int]) -> list[int]:
        """Which of these devices carry nothing yet. To be asked is what makes a recent kernel bring them up at once."""
        self._send([Request("look at a device", _GETLINK, 0, _link(index)) for index in indices], 0)
        answers: list[int] = []
        while len(answers) < len(indices):
            for kind, data in _messages(self._socket.recv(1 << 16)):
                state = dict(_attributes(data[16:])).get(_OPERSTATE, b"\0") if kind == _NEWLINK else b"\0"
                answers.append(state[0])
        return [index for index, state in zip(indices, answers, strict=True) if state != _OPERSTATE_UP]

    def forget_neighbours(self) -> None:
        """Whoever was found to own an address must be asked for again."""
        self._send([Request("list the neighbours", _GETNEIGH, _DUMP, bytes(12))], 0)
        found: list[Request] = []
        done = False
        while not done:
            for kind, data in _messages(self._socket.recv(1 << 16)):
                done = done or kind in (_DONE, _ERROR)
                if kind in (_DONE, _ERROR):
                    continue
                family, index, state = struct.unpack_from("=B3xiH", data)
                address = dict(_attributes(data[12:])).get(1)
                if address is not None and not state & _NOARP_OR_PERMANENT:
                    body = struct.pack("=B3xiHBB", family, index, 0, 0, 0) + _attribute(1, address)
                    found.append(Request("forget a neighbour", _DELNEIGH, 0, body, absent=True))
        self.run(found)

    def _send(self, requests: Sequence[Request], flags: int) -> None:
        packed = []
        for one in requests:
            self._number += 1
            head = struct.pack("=IHHII", 16 + len(one.body), one.kind, _REQUEST | flags | one.flags, self._number, 0)
            packed.append(_padded(head + one.body))
        self._socket.send(b"".join(packed))


def forget_connections() -> None:
    """Empty the connection tracking of the namespace that this thread is in."""
    Netlink(_NETFILTER).run([Request("forget the connections", _CONNTRACK_DELETE, 0, bytes(4))])


# --- requests ----------------------------------------------------------------------------------------


def pair(index: int, name: str, far_index: int, far_name: str, far: int) -> Request:
    """A veth whose other end is in the namespace of the descriptor `far`."""
    other = _link(far_index) + _text(3, far_name) + _attribute(28, struct.pack("=I", far))
    body = _link(index) + _text(3, name) + _kind("veth", _attribute(1, other))
    return Request(f"make the link {name}", _NEWLINK, _NEW, body)


def bridge(number: int) -> Request:
    """A bridge that hands every frame on to every port: no learning, no spanning tree, no snooping."""
    options = _attribute(4, struct.pack("=I", 0)) + _attribute(5, struct.pack("=I", 0)) + _attribute(23, b"\0")
    card = struct.pack(">HI", 0x0200, number)  # else it is that of the lowest port, and changes
    body = _link(BRIDGE) + _text(3, "bridge") + _attribute(1, card) + _kind("bridge", options)
    return Request("make a bridge", _NEWLINK, _NEW, body)


def device(index: int, up: bool, master: int | None = None) -> Request:
    """Turn a device on or off; `master` is the bridge that it is a port of, 0 for none, None to leave it."""
    body = struct.pack("=BxHiII", 0, 0, index, _UP if up else 0, _UP)
    body += b"" if master is None else _attribute(10, struct.pack("=i", master))
    return Request(f"turn device {index} {'on' if up else 'off'}", _NEWLINK, 0, body)


def address(add: bool, index: int, text: str) -> Request:
    """An address with its prefix on a device. An IPv6 one brings no route with it."""
    found = ip_interface(text)
    body = struct.pack("=BBBBi", _family(found.version), found.network.prefixlen, 0, 0, index)
    body += _attribute(2, found.ip.packed) + _attribute(1, found.ip.packed)
    if found.version == 6:
        body += _attribute(8, struct.pack("=I", _NODAD | _NOPREFIXROUTE))
    return Request(f"{'add' if add else 'remove'} {text}", _NEWADDR if add else _DELADDR, add * _NEW, body, not add)


def route(add: bool, index: int, prefix: str, via: str, metric: int) -> Request:
    """A route over a next hop that is taken to be on the device's link, or without one to what is on it itself."""
    to = ip_network(prefix)
    flags = _ONLINK if add and via else 0
    body = struct.pack("=BBBBBBBBI", _family(to.version), to.prefixlen, 0, 0, _MAIN, _STATIC, 0, _UNICAST, flags)
    body += _attribute(1, to.network_address.packed) + (_attribute(5, ip_address(via).packed) if via else b"")
    body += _attribute(4, struct.pack("=i", index)) + _attribute(6, struct.pack("=I", metric))
    what = f"{'add' if add else 'remove'} the route {prefix} via {via or 'a link'}"
    return Request(what, _NEWROUTE if add else _DELROUTE, add * (_CREATE | _APPEND), body, not add)


def _family(version: int) -> int:
    return socket.AF_INET if version == 4 else socket.AF_INET6


def _link(index: int) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, 0, 0)


def _kind(name: str, options: bytes) -> bytes:
    return _attribute(18, _text(1, name) + _attribute(2, options))


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, os.fsencode(text) + b"\0")


def _attribute(kind: int, data: bytes) -> bytes:
    return _padded(struct.pack("=HH", 4 + len(data), kind) + data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind, data[4:length]
        data = data[(length + 3) & ~3 :]


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[(length + 3) & ~3 :]
