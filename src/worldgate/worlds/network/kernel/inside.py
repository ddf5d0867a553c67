"""The process that holds the namespaces: it lays them out and speaks in them, as it is told over a socket.

A namespace has neither a name nor a process of its own, only descriptors here; when this process ends, so do they all.
It ends with its caller. All it can do is in a user namespace of its own.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from . import netlink
from .connections import Client, Listener, converse
from .layout import Ask, Node
from .netlink import BRIDGE, FIRST, LOOPBACK, Netlink
from .ruleset import Rules, library

_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG = 1
_CARRIED = 10.0
_SETTINGS = (
    *((f"ipv4/conf/{which}/{name}", 0) for which in ("all", "default") for name in (
        "rp_filter", "send_redirects", "accept_redirects",
    )),
    ("ipv6/conf/default/accept_dad", 0),
    ("ipv6/conf/default/accept_ra", 0),
    ("ipv6/conf/default/router_solicitations", 0),
    ("ipv4/icmp_ratelimit", 0),
)  # fmt: skip
"""No packet is refused for the way it came, nobody is told of a better one, addresses are usable at once."""
_BRIDGES = ("bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables", "bridge/bridge-nf-call-arptables")
_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """(step, reason): what this machine did not do."""


def _call(step: str, function: Any, *arguments: int) -> None:
    if function(*arguments) < 0:
        raise Failed(step, os.strerror(ctypes.get_errno()))


class Namespace:
    """One host."""

    def __init__(self, number: int) -> None:
        _call("make a network namespace", _libc.unshare, _NEWNET)
        self.number, self.node = number, Node()
        self.descriptor = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        for name, value in _SETTINGS:
            _setting(name, value)
        for name in _BRIDGES:
            if os.path.exists(f"/proc/sys/net/{name}"):
                _setting(name, 0)
        self.route, self.rules = Netlink(), Rules()
        self.route.run([netlink.bridge(number)])
        self.pairs: set[int] = set()
        self.listening: dict[str, Listener] = {}

    def enter(self) -> None:
        """From here on, what this process makes is made there."""
        _call("enter a network namespace", _libc.setns, self.descriptor, _NEWNET)


def _setting(name: str, value: int) -> None:
    try:
        Path(f"/proc/sys/net/{name}").write_text(str(int(value)))
    except OSError as error:
        raise Failed(f"set net/{name}", os.strerror(error.errno or 0)) from error


class Machine:
    """All of them."""

    def __init__(self) -> None:
        self.hosts: dict[str, Namespace] = {}

    def change(self, nodes: Mapping[str, Node]) -> None:
        """Bring these hosts up to date; the others stay as they are."""
        moved = False
        for host in nodes:
            if host not in self.hosts:
                self.hosts[host] = Namespace(len(self.hosts) + 1)
        for host, node in nodes.items():
            for near in node.devices:
                self._join(host, near)
        for host, node in nodes.items():
            here, old = self.hosts[host], self.hosts[host].node
            if node[:5] != old[:5]:
                self._lay(host, old, node)
                moved = True
            if node[5:] != old[5:]:
                here.enter()
            if node.forwards != old.forwards:
                _setting("ipv4/ip_forward", node.forwards)
                _setting("ipv6/conf/all/forwarding", node.forwards)
            if node.rules != old.rules and (why := here.rules.load(node.rules)):
                raise Failed("load rules with nftables", f"{why}\n{node.rules}")
            self._listen(here, node.listens)
            here.node = node
        if moved:
            self._carry(nodes)
            for one in self.hosts.values():
                one.route.forget_neighbours()

    def _carry(self, changed: Iterable[str]) -> None:
        """Wait until the links of these hosts carry: it is by an event of its own that a device begins to."""
        wanted: dict[Namespace, set[int]] = {}
        for host in changed:
            here = self.hosts[host]
            for near in here.node.devices:
                there = self.hosts[near]
                if host in there.node.devices:
                    wanted.setdefault(here, set()).update({_index(there), *[BRIDGE] * here.node.bridge})
                    wanted.setdefault(there, set()).update({_index(here), *[BRIDGE] * there.node.bridge})
        deadline = time.monotonic() + _CARRIED
        while wanted:
            left = {one: set(one.route.idle(sorted(indices))) for one, indices in wanted.items()}
            wanted = {one: indices for one, indices in left.items() if indices}
            if wanted and time.monotonic() > deadline:
                raise Failed("see a link come up", f"it did not in {_CARRIED} s")

    def _join(self, host: str, near: str) -> None:
        here, there = self.hosts[host], self.hosts.get(near)
        if there is None:
            there = self.hosts[near] = Namespace(len(self.hosts) + 1)
        if there.number in here.pairs:
            return
        names = f"v{there.number}", f"v{here.number}"
        request = netlink.pair(_index(there), names[0], _index(here), names[1], there.descriptor)
        here.route.run([request])
        here.pairs.add(there.number)
        there.pairs.add(here.number)

    def _lay(self, host: str, old: Node, new: Node) -> None:
        """Devices, then routes, then addresses: a route over an address that has since become one's own stays."""

        def index(device: str) -> int:
            if device != host:
                return _index(self.hosts[device])
            return BRIDGE if node.bridge else LOOPBACK

        node = old
        requests = [netlink.route(False, index(one[0]), *one[1:]) for one in old.routes]
        requests += [netlink.address(False, index(near), text) for near, text in reversed(old.addresses)]
        node = new
        requests.append(netlink.device(LOOPBACK, new.up))
        requests.append(netlink.device(BRIDGE, new.bridge))
        for near in sorted({*old.devices, *new.devices}):
            on, was = near in new.devices, near in old.devices
            if on and (not was or old.bridge != new.bridge):
                requests.append(netlink.device(index(near), True, BRIDGE if new.bridge else 0))
            elif was and not on:
                requests.append(netlink.device(index(near), False, 0))
        requests += [netlink.route(True, index(one[0]), *one[1:]) for one in new.routes]
        requests += [netlink.address(True, index(near), text) for near, text in new.addresses]
        try:
            self.hosts[host].route.run(requests)
        except netlink.Refused as error:
            raise Failed(f"{error.what} on {host}", os.strerror(error.number)) from error

    def _listen(self, here: Namespace, ports: Sequence[str]) -> None:
        for port in set(here.listening) - set(ports):
            here.listening.pop(port).close()
        for port in ports:
            if port not in here.listening:
                here.enter()
                here.listening[port] = Listener(port)

    # --- connections ---------------------------------------------------------------------------------

    def ask(self, asks: Sequence[Ask], patience: float) -> list[bool]:
        """Of each connection, whether it opens."""
        clients = []
        for ask in asks:
            self.hosts[ask.host].enter()
            clients.append(Client(ask))
        listening = [one for namespace in self.hosts.values() for one in namespace.listening.values()]
        return converse(clients, listening, patience)

    def forget(self) -> None:
        """Empty every host's connection tracking."""
        for namespace in self.hosts.values():
            namespace.enter()
            netlink.forget_connections()


def _index(namespace: Namespace) -> int:
    """That of the device at whose other end it is."""
    return FIRST + namespace.number


# --- the process ---------------------------------------------------------------------------------------


def _alone(parent: int) -> None:
    """End with the caller; be root of a user namespace in which there is nothing."""
    _call("be ended with the caller", _libc.prctl, _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    user, group = os.geteuid(), os.getegid()
    _call("make a user namespace", _libc.unshare, _NEWUSER)
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    except OSError as error:
        raise Failed("map the users of a user namespace", os.strerror(error.errno or 0)) from error
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a few descriptors a host, and one a connection
    if library() is None:
        raise Failed("find libnftables", "it is not installed")


def main(descriptor: int, parent: int) -> None:
    """Answer until the caller closes: ("done", result), or ("failed", step, reason)."""
    connection = Connection(descriptor)
    machine = Machine()
    try:
        _alone(parent)
        connection.send(("done", None))
        while True:
            verb, arguments = connection.recv()
            connection.send(("done", getattr(machine, verb)(*arguments)))
    except EOFError:
        return
    except Failed as error:
        connection.send(("failed", *error.args))
    except netlink.Refused as error:
        connection.send(("failed", error.what, os.strerror(error.number)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
