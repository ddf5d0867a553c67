"""The rules of one host in the language of nftables, and the library that takes them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ctypes.util import find_library
from functools import cache
from typing import Any

from .. import addresses
from ..addresses import Address
from ..schema import Rule, Translation

_HOOKS = ("input", "forward", "output")
_TABLE = "add table inet w\ndelete table inet w\n"
_ALWAYS = {hook: f"{side} lo accept" for hook, side in (
    ("input", "iifname"), ("output", "oifname"), ("destination", "iifname"), ("source", "oifname"),
)}  # fmt: skip
"""What a host says to itself is neither filtered nor translated."""
_CONTROL = "meta l4proto { icmp, icmpv6 } accept"


def ruleset(facts: Mapping[str, Sequence[tuple[Any, Any]]], denied: Iterable[Address]) -> str:
    """What to load: filters in three hooks, translation before and after routing, and whom the host denies."""
    chains = list(_chains(facts))
    for version, family in ((4, "ip"), (6, "ip6")):
        if texts := [str(one) for one in sorted(denied) if one.version == version]:
            drop = f"ct state new {family} saddr {{ {', '.join(texts)} }} drop"
            lines = [_ALWAYS["input"], drop]
            chains.append(_chain(f"deny{version}", "filter hook input priority 10", "accept", lines))
    return "table inet w {\n" + "\n".join(chains) + "\n}\n" if chains else ""


def _chains(facts: Mapping[str, Sequence[tuple[Any, Any]]]) -> Iterator[str]:
    fallbacks = {hook: verdict for (hook,), verdict in facts.get("fallback", ())}
    for hook in _HOOKS:
        rules = [
            f"{match}{_state(rule)}{rule.verdict}"
            for (where, _), rule in facts.get("rule", ())
            if where == hook and (match := _match(rule)) is not None
        ]
        if rules or hook in fallbacks:
            policy = fallbacks.get(hook, "accept")
            yield _chain(hook, f"filter hook {hook} priority 0", policy, [_ALWAYS.get(hook, ""), _CONTROL, *rules])
    for kind, hook in (("destination", "prerouting priority -100"), ("source", "postrouting priority 100")):
        told = [_translation(one) for _, one in facts.get("nat", ()) if one.kind == kind]
        if some := [one for one in told if one]:
            yield _chain(kind, f"nat hook {hook}", "accept", [_ALWAYS[kind], *some])


def _chain(name: str, hook: str, policy: str, rules: Iterable[str]) -> str:
    lines = [f"type {hook}; policy {policy};", *filter(None, rules)]
    return f"chain {name} {{\n" + "\n".join(lines) + "\n}"


def _match(rule: Rule | Translation, *more: str) -> str | None:
    """The condition, or None where nothing can meet it, as of an IPv4 source and an IPv6 one; `more`: addresses."""
    words = []
    versions = {addresses.address(text).version for text in more}
    for side, text in (("saddr", rule.source), ("daddr", rule.destination)):
        if text:
            found = addresses.prefix(text)
            versions.add(found.version)
            family = "ip" if found.version == 4 else "ip6"
            words.append(f"{family} {side} {text}" if found.length else f"meta nfproto ipv{found.version}")
    if len(versions) > 1:
        return None
    words.append(f"meta l4proto {rule.protocol}" if rule.protocol != "any" else "meta l4proto { tcp, udp }")
    if rule.low:
        words.append(f"th dport {rule.low}" + (f"-{rule.high}" if rule.high > rule.low else ""))
    return " ".join(words) + " "


def _state(rule: Rule) -> str:
    return "" if rule.state == "any" else f"ct state {rule.state} "


def _translation(one: Translation) -> str | None:
    match = _match(one, *filter(None, [one.to]))
    if match is None or not one.to:
        return None if match is None else match + "masquerade"
    family = "ip" if addresses.address(one.to).version == 4 else "ip6"
    to = f"[{one.to}]" if family == "ip6" and one.port else one.to
    verb = "dnat" if one.kind == "destination" else "snat"
    return f"{match}{verb} {family} to {to}" + (f":{one.port}" if one.port else "")


# --- loading -------------------------------------------------------------------------------------------


@cache
def library() -> Any:
    """libnftables, or None where it is not installed."""
    name = find_library("nftables") or "libnftables.so.1"
    try:
        found = ctypes.CDLL(name)
    except OSError:
        return None
    found.nft_ctx_new.restype = ctypes.c_void_p
    found.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    return found


class Rules:
    """The rules of one namespace, made by a thread that is in it."""

    def __init__(self) -> None:
        self._context = ctypes.c_void_p(library().nft_ctx_new(0))
        library().nft_ctx_buffer_error(self._context)

    def load(self, text: str) -> str:
        """Put these in the place of those before, at once; why not, or nothing."""
        if library().nft_run_cmd_from_buffer(self._context, (_TABLE + text).encode()) == 0:
            return ""
        return str(library().nft_ctx_get_error_buffer(self._context).decode(errors="replace"))
