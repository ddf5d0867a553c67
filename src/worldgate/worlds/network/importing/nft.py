"""Filter rules and translations from `nft -j list ruleset`.

A rule is imported when every part of it can be said here, as one rule or as several; otherwise the whole rule is left
out. What concerns only packets that this world does not have (ICMP, loopback) says nothing here and is not missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ....facts import Fact
from ..schema import Rule, Translation
from .documents import Left
from .matches import FAMILIES, Cannot, Said, narrowed, statements, translated

_IGNORED = ("counter", "log", "comment")
_VERDICTS = {"accept": "accept", "drop": "drop", "reject": "drop"}


class Ruleset:
    """The ruleset of a host; `facts` may be asked for once."""

    def __init__(self, host: str, objects: Iterable[dict[str, Any]], left: list[Left]) -> None:
        self._host, self._left = host, left
        self._sets: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._rules: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        self._chains: list[dict[str, Any]] = []
        for entry in objects:
            match entry:
                case {"set": {"family": str(family), "table": str(table), "name": str(name)} as found}:
                    self._sets[family, table, name] = found
                case {"rule": {"family": str(family), "table": str(table), "chain": str(name)} as found}:
                    self._rules.setdefault((family, table, name), []).append(found)
                case {"chain": {"family": str(), "table": str(), "name": str(), "hook": str(), "prio": int()} as found}:
                    self._chains.append(found)
                case {"rule": found} | {"chain": {"hook": _} as found}:
                    self._leave(f"{next(iter(entry))} {found!r:.60}", "it is not in the form that nft prints")

    def facts(self) -> Iterator[Fact]:
        """Rules, fallbacks and translations, in the order in which chains are met."""
        judged: dict[str, set[int]] = {}
        numbers = {"input": 0, "forward": 0, "output": 0, "nat": 0}
        for chain in sorted(self._chains, key=lambda chain: (chain["hook"], chain["prio"])):
            family, hook, kind = chain["family"], chain["hook"], chain.get("type")
            rules = self._rules.get((family, chain["table"], chain["name"]), [])
            drops = chain.get("policy") == "drop"
            versions = FAMILIES.get(family, frozenset())
            where = f"{family} {chain['table']} {chain['name']}"
            if not rules and not drops:
                continue
            if versions and kind == "filter" and hook in ("input", "forward", "output"):
                if versions & judged.setdefault(hook, set()):
                    self._leave(f"chain {where}", "another chain judges the same packets before it")
                    continue
                judged[hook] |= versions
                for rule in self._filters(rules, versions, where):
                    numbers[hook] += 10
                    yield "rule", (self._host, hook, numbers[hook]), rule
                if drops and len(versions) == 2:
                    yield "fallback", (self._host, hook), "drop"
                elif drops:
                    numbers[hook] += 10
                    (match,) = Said(versions).matches()
                    yield "rule", (self._host, hook, numbers[hook]), Rule(*match, verdict="drop")
            elif versions and kind == "nat" and hook in ("prerouting", "postrouting") and not drops:
                for translation in self._translations(rules, versions, where):
                    numbers["nat"] += 10
                    yield "nat", (self._host, numbers["nat"]), translation
            else:
                self._leave(f"chain {where}", f"a {kind} chain of the hook {hook} is not of this world")

    def _leave(self, what: str, reason: str) -> None:
        self._left.append(Left(self._host, what, reason))

    # --- rules -----------------------------------------------------------------------------------

    def _filters(self, rules: list[dict[str, Any]], versions: frozenset[int], where: str) -> Iterator[Rule]:
        for rule, name, expression in _each(rules, where):
            try:
                said, rest = self._said(rule, expression, versions)
                match rest:
                    case []:
                        continue
                    case [{"accept": _} | {"drop": _} | {"reject": _} as verdict]:
                        found = [Rule(*match, verdict=_VERDICTS[next(iter(verdict))]) for match in said.matches()]
                    case _:
                        raise Cannot(f"what it does: {statements(rest)}")
            except Cannot as reason:
                self._leave(name, str(reason))
            else:
                yield from found

    def _translations(self, rules: list[dict[str, Any]], versions: frozenset[int], where: str) -> Iterator[Translation]:
        for rule, name, expression in _each(rules, where):
            try:
                said, rest = self._said(rule, expression, versions)
                if not rest:
                    continue
                kind, to, port = translated(rest)
                if to:
                    said = said._replace(versions=said.versions & {to.version})
                new = said.states is None or "new" in said.states  # only what begins a connection comes here
                found = [
                    Translation(*match[:-1], kind, str(to or ""), port)
                    for match in (said._replace(states=None).matches() if new and said.versions else ())
                ]
            except Cannot as reason:
                self._leave(name, str(reason))
            else:
                yield from found

    def _said(
        self, rule: dict[str, Any], expression: list[Any], versions: frozenset[int]
    ) -> tuple[Said, list[dict[str, Any]]]:
        """(what it matches, the statements that are left); none are where it concerns no packet of this world."""
        said, rest, problems = Said(versions), list[dict[str, Any]](), list[Cannot]()
        for part in expression:
            match part:
                case {"match": {"op": "==" | "in" as op, "left": dict(left), "right": right}}:
                    try:
                        said = narrowed(said, left, self._values(rule, op, right))
                    except Cannot as problem:
                        problems.append(problem)
                case {"match": {"op": str(op)}}:
                    problems.append(Cannot(f"a match with {op}"))
                case dict() if len(part) == 1:
                    if next(iter(part)) not in _IGNORED:
                        rest.append(part)
                case _:
                    problems.append(Cannot(f"a part of it: {part!r:.40}"))
        if not said.protocols:
            return said, []
        if problems:
            raise problems[0]
        return said, rest

    def _values(self, rule: dict[str, Any], op: str, right: Any) -> list[Any]:
        """What a match compares with: one value, or those of a set."""
        match right:
            case str() if right.startswith("@"):
                named = self._sets.get((rule["family"], rule["table"], right[1:]))
                match named:
                    case {"flags": list(flags)} if "dynamic" in flags or "timeout" in flags:
                        pass
                    case {"elem": list(elements)}:
                        return elements
                raise Cannot(f"the set {right}, whose elements are not given or come and go")
            case {"set": list(elements)}:
                return elements
            case list(elements) if op == "in":
                return elements
        return [right]


def _each(rules: list[dict[str, Any]], where: str) -> Iterator[tuple[dict[str, Any], str, list[Any]]]:
    """(rule, its name, its expression); a verdict map is a rule for each of its elements."""
    for rule in rules:
        name = f"rule {rule.get('handle', '?')} of {where}"
        match rule.get("expr", []):
            case [*before, {"vmap": {"key": dict(key), "data": {"set": list(elements)}}}]:
                for element in elements:
                    match element:
                        case [value, dict(verdict)]:
                            single = {"match": {"op": "==", "left": key, "right": value}}
                            yield rule, f"{name}, at {value}", [*before, single, verdict]
                        case _:
                            yield rule, name, [element]
            case list(expression):
                yield rule, name, expression
            case other:
                yield rule, name, [other]
