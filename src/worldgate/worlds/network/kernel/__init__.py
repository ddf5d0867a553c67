"""The network world run by the real thing: namespaces, veth pairs, bridges, nftables, and real connections.

A host is a network namespace, a link a veth pair, a service a listening socket, a connection a TCP handshake or a
datagram and its echo; a host without an address is a bridge. All are in one process, in a user namespace of its own:
nothing of the machine is touched, root is not needed, and everything ends with the caller.

What the oracle says is taken from Linux here, but for what is laid out from the facts as they stand: routes that were
learned (the protocol is not run), and which links of bridges are off so that they form no loop (a spanning forest; no
protocol is run for that either). A host without an address has one of 198.18.0.0/15 for connections among such hosts.

Where it is not like a Linux machine: route metrics stand 1024 higher, so that a connected network comes first;
addresses are added so that the lowest is preferred; one of an interface that has no link, or of the loopback, is there
alone, without its network; packets are not refused for the way they came (rp_filter 0); a host answers with the
address it was spoken to; nothing of ICMP is filtered, nor what a host says to itself; rules and translations of
a host without an address are not loaded; a flow is no open connection: whether it still reaches is asked anew.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from ....facts import Error, Fact, State
from ..reachability import literal
from ..schema import SCHEMA
from .layout import PRIVATE, Ask, Layout, Node, NotReal, layout, undetermined

__all__ = ["Kernel", "NoNetworks", "NotReal", "layout", "probe", "undetermined"]

PATIENCE = 0.08
"""Seconds after which a packet is taken to be dropped. Between namespaces one takes less than a millisecond."""
_GRACE = 10.0
_RIGHT = "the right to do so"
_LIMIT = "An administrator can run: sysctl -w user.max_{}_namespaces=10000"
_ADVICE = {
    "find libnftables": ("the package nftables", "Debian and Ubuntu: apt-get install nftables."),
    "make a user namespace": (
        _RIGHT, f"{_LIMIT.format('user')} kernel.apparmor_restrict_unprivileged_userns=0 (where there is such).",
    ),
    "make a network namespace": (_RIGHT, f"{_LIMIT.format('net')}."),
}  # fmt: skip
_GENERAL = (
    "It needs Linux with user and network namespaces, veth, bridges and nftables; inside a container, one started "
    "with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined."
)


class NoNetworks(Error):
    number, title = "WG285", "this machine cannot make networks of its own"


class Kernel:
    """A real network that follows a state; `process` is the process it is in.

    Close it, or use it in `with`. It ends with the thread that made it. Raises `NoNetworks` where there can be none.
    """

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise NoNetworks(f"the system {sys.platform}", "Linux", "Run this in a Linux virtual machine.")
        here, there = socket.socketpair()
        self._connection = Connection(here.detach())
        command = [sys.executable, "-m", f"{__name__}.inside", str(there.fileno()), str(os.getpid())]
        try:
            with there:
                self._running = subprocess.Popen(command, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL)
        except OSError as error:
            self._connection.close()
            raise NoNetworks(f"that it cannot start {sys.executable}: {error.strerror}", "a Python to start") from error
        self.process = self._running.pid
        self._nodes: dict[str, Node] = {}
        self._layout = Layout({}, {}, range(0))
        self._ports: Iterator[int] = iter(())
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def realise(self, state: State) -> int:
        """Bring the network up to date; how many hosts were changed. Raises `NotReal`."""
        wanted = layout(state)
        if wanted.clients != self._layout.clients:
            self._ports = iter(())
        changed = {host: node for host, node in wanted.nodes.items() if self._nodes.get(host) != node}
        changed |= {host: Node() for host in self._nodes.keys() - wanted.nodes.keys() if self._nodes[host] != Node()}
        if changed:
            self._tell("change", changed)
        self._nodes |= changed
        self._layout = wanted
        return len(changed)

    def reaches(self, questions: Sequence[tuple[str, str, str]], patience: float = PATIENCE) -> list[bool]:
        """Of each (source, target, port), whether a connection opens before nothing happens for `patience` seconds.

        All at once, from a port of its own each. A name stands for its lowest address of a family that the source has.
        """
        asks: dict[int, Ask] = {}
        for number, (source, target, port) in enumerate(questions):
            to = self._meant(source, target)
            if to is not None:
                name, _, protocol = port.partition("/")
                asks[number] = Ask(source, self._client(), to, protocol or "tcp", int(name))
        answers = self._tell("ask", list(asks.values()), patience) if asks else []
        opened = {number for number, answer in zip(asks, answers, strict=True) if answer}
        return [number in opened for number in range(len(questions))]

    def _meant(self, source: str, target: str) -> str | None:
        speaks = self._layout.speaks
        own = speaks.get(source, ())
        if not own or target not in speaks:
            return target if own and literal(target) else None
        if PRIVATE.covers(speaks[target][0]) and not PRIVATE.covers(own[0]):
            return None  # a host without an address is nothing to one that has some
        families = {one.version for one in own}
        return next((str(one) for one in speaks[target] if one.version in families), None)

    def _client(self) -> int:
        """A port that no connection had since everything was forgotten."""
        found = next(self._ports, None)
        if found is None:
            self._tell("forget")
            self._ports = iter(self._layout.clients)
            found = next(self._ports)
        return found

    def _tell(self, verb: str, *arguments: Any) -> Any:
        try:
            self._connection.send((verb, arguments))
        except OSError as error:
            raise NoNetworks("that its process has ended", "its answers", "Report this.") from error
        return self._answer()

    def _answer(self) -> Any:
        try:
            kind, *rest = self._connection.recv()
        except (EOFError, OSError) as error:
            raise NoNetworks("that its process has ended", "its answers", "Report this.") from error
        if kind == "done":
            return rest[0]
        step, why = rest
        raise NoNetworks(f"that it cannot {step}: {why}", *_ADVICE.get(step, (_RIGHT, _GENERAL)))

    def close(self) -> None:
        """End it."""
        self._connection.close()
        try:
            self._running.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()

    def __enter__(self) -> Kernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def probe() -> str | None:
    """Why there can be no real networks here, or None when there can. Makes two hosts with a filter, and connects."""
    facts: list[Fact] = [("up", (host,), True) for host in ("a", "b")]
    facts += [("link", ("a", "b"), True), ("service", ("b", "80"), True), ("deny", ("a", "b"), True)]
    try:
        with Kernel() as kernel:
            kernel.realise(State.of(SCHEMA, facts))
            if kernel.reaches([("a", "b", "80")], 5.0) != [True]:
                return str(NoNetworks("no connection between two namespaces", "one", _GENERAL))
    except NoNetworks as error:
        return str(error)
    return None
