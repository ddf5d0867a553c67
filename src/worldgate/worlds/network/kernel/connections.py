"""Connections between sockets of many namespaces in one process: a TCP handshake, or a datagram and its echo."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Sequence

from .layout import Ask

_RECVPKTINFO, _PKTINFO = 49, 50
_AT_ONCE = struct.pack("ii", 1, 0)
_LOOKS = 4


class Listener:
    """A service on a port of every address, made by a thread that is in its namespace."""

    def __init__(self, port: str) -> None:
        number, _, protocol = port.partition("/")
        self.echoes = bool(protocol)
        kind = socket.SOCK_DGRAM if self.echoes else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET6, kind | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if self.echoes:
            self.socket.setsockopt(socket.IPPROTO_IPV6, _RECVPKTINFO, 1)
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("::", int(number)))
        if not self.echoes:
            self.socket.listen(256)

    def echo(self) -> None:
        """Answer from the address that was spoken to."""
        data, told, _, sender = self.socket.recvmsg(16, socket.CMSG_SPACE(20))
        own = [(level, kind, value[:16] + bytes(4)) for level, kind, value in told if kind == _PKTINFO]
        try:
            self.socket.sendmsg([data], own, 0, sender)
        except OSError:
            return  # no way back, or a filter: nobody hears of it

    def clear(self) -> None:
        """Let go of what came in."""
        while not self.echoes:
            try:
                accepted, _ = self.socket.accept()
            except OSError:
                return
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            accepted.close()

    def close(self) -> None:
        """Nobody is answered any more."""
        self.socket.close()


class Client:
    """One connection that is tried, by a thread that is in its namespace. `waits`: it may still open."""

    def __init__(self, ask: Ask) -> None:
        family = socket.AF_INET6 if ":" in ask.address else socket.AF_INET
        self.datagrams = ask.protocol == "udp"
        kind = socket.SOCK_DGRAM if self.datagrams else socket.SOCK_STREAM
        self.socket = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not self.datagrams:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.socket.bind(("", ask.client))
        self.waits = self._began(ask)
        self.opened = False

    def _began(self, ask: Ask) -> bool:
        try:
            self.socket.connect((ask.address, ask.port))
            if self.datagrams:
                self.socket.send(b"?")
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def look(self) -> None:
        """Something happened: it is open, or refused."""
        self.waits = False
        if self.datagrams:
            try:
                self.opened = self.socket.recv(1) == b"?"
            except OSError:
                return
        else:
            self.opened = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def converse(clients: Sequence[Client], listeners: Sequence[Listener], patience: float) -> list[bool]:
    """Of each client, whether it opened before nothing happened for so many seconds. Then all are closed."""
    poll = select.poll()
    echoes = {one.socket.fileno(): one for one in listeners if one.echoes}
    waiting = {one.socket.fileno(): one for one in clients if one.waits}
    for descriptor in echoes:
        poll.register(descriptor, select.POLLIN)
    for descriptor, client in waiting.items():
        poll.register(descriptor, select.POLLIN if client.datagrams else select.POLLOUT)
    silent = 0
    while waiting and silent < _LOOKS:  # several looks: at one of them this process itself may have been late
        happened = poll.poll(patience / _LOOKS * 1000)
        silent = 0 if happened else silent + 1
        for descriptor, _ in happened:
            if descriptor in echoes:
                echoes[descriptor].echo()
            else:
                waiting.pop(descriptor).look()
                poll.unregister(descriptor)
    for client in clients:
        client.socket.close()
    for listener in listeners:
        listener.clear()
    return [client.opened for client in clients]
