"""What the tools of a host print about it, read and checked.

A folder has a folder for each host, named as it: `addr.json` (`ip -j addr`), and where they are given `route.json`
(`ip -j route`), `route6.json` (`ip -j -6 route`), `nft.json` (`nft -j list ruleset`), `sysctl.txt` (`sysctl
net.ipv4.ip_forward net.ipv6.conf.all.forwarding`) and `ss.txt` (`ss -Hltun`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from ....facts import Error
from ...contract import Outside
from ..actions import parse

_T = TypeVar("_T")
_FORWARDING = {"net.ipv4.ip_forward": 4, "net.ipv6.conf.all.forwarding": 6}


class BadDocuments(Error):
    """Something is missing, unreadable or not what the tool prints."""

    number, title = "WG290", "a host's documents cannot be read"


class Inexact(Error):
    """With `strict`: the network has something that this world cannot say."""

    number, title = "WG291", "the network cannot be said exactly"


class Left(NamedTuple):
    """Something of a host that is not in the state, and why."""

    host: str
    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.host}: {self.what}: {self.reason}"


class Address(msgspec.Struct):
    """An entry of `addr_info`. `address` is the peer's, of a point-to-point interface."""

    local: str = ""
    prefixlen: int = 0
    scope: str = "global"
    address: str = ""


class Device(msgspec.Struct):
    ifname: str
    flags: list[str] = []
    link_type: str = ""
    master: str = ""
    addr_info: list[Address] = []


class Hop(msgspec.Struct):
    """A route as `ip` lists it."""

    dst: str
    gateway: str = ""
    dev: str = ""
    type: str = "unicast"
    metric: int = 0
    prefsrc: str = ""
    flags: list[str] = []
    nexthops: list[Any] = []
    via: Any = None


class Socket(NamedTuple):
    """A socket that listens. `address` is a text: `*`, `0.0.0.0`, `[::]` or one address."""

    protocol: str
    address: str
    port: int


class Host(NamedTuple):
    """The documents of one host; what was not given is None. Forwarding and routes are by version of IP."""

    name: str
    devices: list[Device]
    routes: dict[int, list[Hop] | None]
    ruleset: list[Any] | None
    forwarding: dict[int, bool]
    sockets: list[Socket] | None


class _Ruleset(msgspec.Struct):
    nftables: list[dict[str, Any]]


def read(folder: Path) -> list[Host]:
    """The hosts of a folder, by name."""
    try:
        folders = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise BadDocuments(f"{folder}: {error.strerror}", "a folder with a folder for each host") from error
    if not folders:
        raise BadDocuments(f"no folder in {folder}", "a folder for each host")
    return [_host(path) for path in folders]


def _host(path: Path) -> Host:
    try:
        parse(f"host_up {path.name}")
    except Outside:
        expected = "a host's name: letters, digits and _.:-, at most 63"
        raise BadDocuments(f"a folder named {path.name!r}", expected) from None
    devices = _given(path / "addr.json", _json(list[Device]))
    if devices is None:
        raise BadDocuments(f"no {path / 'addr.json'}", "what `ip -j addr` prints")
    routes = {4: _given(path / "route.json", _json(list[Hop])), 6: _given(path / "route6.json", _json(list[Hop]))}
    rules = _given(path / "nft.json", _json(_Ruleset))
    forwarding = _given(path / "sysctl.txt", _sysctl) or {}
    sockets = _given(path / "ss.txt", _sockets)
    return Host(path.name, devices, routes, None if rules is None else rules.nftables, forwarding, sockets)


def _given(path: Path, read: Callable[[bytes], _T]) -> _T | None:
    try:
        return read(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadDocuments(f"{path}: {error.strerror}", "a file that can be read") from error
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BadDocuments(f"{path}: {error}", "what the tool prints, unchanged") from error


def _json(kind: type[_T]) -> Callable[[bytes], _T]:
    def decode(data: bytes) -> _T:
        return msgspec.json.decode(data, type=kind)

    return decode


def _sysctl(data: bytes) -> dict[int, bool]:
    said = (line.partition("=") for line in data.decode().splitlines())
    return {_FORWARDING[name.strip()]: int(value) != 0 for name, _, value in said if name.strip() in _FORWARDING}


def _sockets(data: bytes) -> list[Socket]:
    found = []
    for line in data.decode().splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) < 6:
            raise ValueError(f"the line {line[:80]!r}")
        address, _, port = words[4].rpartition(":")
        found.append(Socket(words[0], address, int(port)))
    return found
