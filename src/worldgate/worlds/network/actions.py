"""The actions of a network and their one text form; whatever else is said is `Outside`.

One table says each verb's arguments; the parser, the canonical text and the grammar shown to planners follow from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from ..contract import Outside
from . import addresses
from .schema import Match


class Command(NamedTuple):
    """A parsed action: its verb and its arguments, in the order of the table."""

    verb: str
    arguments: tuple[str, ...] = ()
    match: Match | None = None

    def __str__(self) -> str:
        return " ".join((self.verb, *filter(None, self.arguments), *_match_words(self.match)))


HOST = r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}"
_HOST = re.compile(rf"{HOST}\Z")
_PORT = re.compile(r"(0|[1-9][0-9]{0,4})(?:/udp|/tcp)?\Z")
_ORDER = re.compile(r"(?:0|[1-9][0-9]{0,8})\Z")
_RANGE = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?\Z")
_LARGEST_PORT = 65535


def _host(word: str) -> str | None:
    return word if _HOST.match(word) else None


def port(word: str) -> str | None:
    """The canonical text of a port, or None."""
    found = _PORT.match(word)
    return word.removesuffix("/tcp") if found and int(found[1]) <= _LARGEST_PORT else None


def _order(word: str) -> str | None:
    return word if _ORDER.match(word) else None


def _interface(word: str) -> str | None:
    try:
        found = addresses.interface(word)
    except ValueError:
        return None
    return f"{found.address}/{found.prefix.length}"


def _prefix(word: str) -> str | None:
    try:
        found = addresses.prefix({"default": "0.0.0.0/0", "default6": "::/0"}.get(word, word))
    except ValueError:
        return None
    return f"{addresses.Address(found.version, found.network)}/{found.length}"


def _address(word: str) -> str | None:
    try:
        return str(addresses.address(word))
    except ValueError:
        return None


def _one_of(*words: str) -> Callable[[str], str | None]:
    return lambda word: word if word in words else None


def _number(word: str) -> str | None:
    return word if _ORDER.match(word) and int(word) <= _LARGEST_PORT else None


_ARGUMENTS: dict[str, Callable[[str], str | None]] = {
    "HOST": _host,
    "OTHER": _host,
    "SOURCE": _host,
    "TO": _host,  # a host, or an address
    "INTERFACE": _host,
    "PORT": port,
    "ADDRESS/LENGTH": _interface,
    "PREFIX": _prefix,
    "VIA": _address,
    "METRIC": _number,
    "HOOK": _one_of("input", "forward", "output"),
    "ORDER": _order,
    "VERDICT": _one_of("accept", "drop"),
    "KIND": _one_of("source", "destination"),
    "NEW": lambda word: _translated(word),
    "ZONE": _host,
}

VERBS: dict[str, tuple[str, ...]] = {
    # level 0
    "host_up": ("HOST",),
    "host_down": ("HOST",),
    "link_up": ("HOST", "OTHER"),
    "link_down": ("HOST", "OTHER"),
    "svc_up": ("HOST", "PORT"),
    "svc_down": ("HOST", "PORT"),
    "fw_deny": ("HOST", "SOURCE"),
    "fw_allow": ("HOST", "SOURCE"),
    "connect": ("SOURCE", "TO", "PORT"),
    "close": ("SOURCE", "TO", "PORT"),
    "advance": (),
    # level 1
    "addr_add": ("HOST", "INTERFACE", "ADDRESS/LENGTH"),
    "addr_del": ("HOST", "INTERFACE", "ADDRESS/LENGTH"),
    "forward_on": ("HOST",),
    "forward_off": ("HOST",),
    "route_add": ("HOST", "PREFIX", "VIA", "METRIC"),
    "route_del": ("HOST", "PREFIX"),
    "dynamic_on": ("HOST",),
    "dynamic_off": ("HOST",),
    "rule_add": ("HOST", "HOOK", "ORDER", "VERDICT", "MATCH"),
    "rule_del": ("HOST", "HOOK", "ORDER"),
    "fallback": ("HOST", "HOOK", "VERDICT"),
    "nat_add": ("HOST", "ORDER", "KIND", "NEW", "MATCH"),
    "nat_del": ("HOST", "ORDER"),
    "zone": ("HOST", "ZONE"),
}
_OPTIONAL = {"METRIC": "0"}
_MATCH_FORM = "[from PREFIX] [to PREFIX] [proto tcp|udp] [port LOW[-HIGH]] [state new|established]"
GRAMMAR = (
    "\n".join(
        " ".join((verb, *(f"[{one}]" if one in _OPTIONAL else _MATCH_FORM if one == "MATCH" else one for one in form)))
        for verb, form in VERBS.items()
    )
    + "\nPORT is a number (TCP) or NUMBER/udp; an INTERFACE is named by the host at the other end of its link."
)


def _translated(word: str) -> str | None:
    """`leaving` (the address of the interface that a packet leaves by), an address, one with a port: `10.0.0.2@80`."""
    if word == "leaving":
        return word
    text, _, number = word.partition("@")
    found = _address(text)
    if found is None or ("@" in word and not (_RANGE.match(number) and "-" not in number and port(number))):
        return None
    return f"{found}@{number}" if number else found


def _match_words(match: Match | None) -> list[str]:
    if match is None:
        return []
    span = str(match.low) if match.low == match.high else f"{match.low}-{match.high}"
    pairs = (
        ("from", match.source),
        ("to", match.destination),
        ("proto", match.protocol if match.protocol != "any" else ""),
        ("port", span if match.low else ""),
        ("state", match.state if match.state != "any" else ""),
    )
    return [word for name, value in pairs if value for word in (name, value)]


def _match(words: list[str]) -> Match | None:
    """What `from 10.0.0.0/8 port 80` says, or None when it says nothing this grammar knows."""
    if len(words) % 2:
        return None
    said = dict(zip(words[::2], words[1::2], strict=True))
    if len(said) != len(words) // 2 or said.keys() - {"from", "to", "proto", "port", "state"}:
        return None
    source, destination = (_prefix(said[name]) if name in said else "" for name in ("from", "to"))
    if source is None or destination is None:
        return None
    span = _RANGE.match(said.get("port", "1"))
    if said.get("proto", "tcp") not in ("tcp", "udp") or said.get("state", "new") not in ("new", "established"):
        return None
    if span is None or not int(span[1]) <= int(span[2] or span[1]) <= _LARGEST_PORT:
        return None
    low, high = (int(span[1]), int(span[2] or span[1])) if "port" in said else (0, 0)
    return Match(source, destination, said.get("proto", "any"), low, high, said.get("state", "any"))


@lru_cache(maxsize=1 << 14)
def parse(text: str) -> Command:
    """The action of a text such as `connect h1 h2 443`."""
    words = text.split(" ") if text.isascii() and "%" not in text else []  # a % names an interface of one machine
    form = VERBS.get(words[0]) if words else None
    if form is None:
        raise _outside(text, "")
    given, arguments = words[1:], list[str]()
    matching = "MATCH" in form
    for name in form:
        if name == "MATCH":
            break
        if not given and name in _OPTIONAL:
            arguments.append(_OPTIONAL[name])
            continue
        found = _ARGUMENTS[name](given.pop(0)) if given else None
        if found is None:
            raise _outside(text, words[0])
        arguments.append(found)
    match = _match(given) if matching else None
    if (matching and match is None) or (given and not matching):
        raise _outside(text, words[0])
    return Command(words[0], tuple(arguments), match)


def _outside(text: str, verb: str) -> Outside:
    forms = [line for line in GRAMMAR.splitlines() if line.split(" ")[0] == verb]
    return Outside(repr(text[:80]), forms[0] if forms else f"one of {', '.join(VERBS)}")
