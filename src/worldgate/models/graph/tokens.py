"""A delta as tokens, and back: the grammar of the deltas of a schema.

A delta is its net edits, by relation, and `END`; an edit is its relation, the cells of its key, and what the fact
becomes: a value, or `ABSENT`. A record is `PRESENT` and its fields, each of which may be the `SAME` as before. A cell
is a known token, or (where the decoder points) a node of the graph. A number is one that was seen to be set there or,
where fewer steps than values were seen, a step from the old one. What a fact without a key becomes, if such a fact
ever changed, is always said: so that an exit status need not be learned as a change.

Edits of one relation have no order. Before each token the grammar knows a slot, and which tokens are legal there; in an
example of a delta, `choices` are all tokens that lead on to edits of the relation not said yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ...facts import Address, Delta, Edit, State, Value
from .layout import Cell, Columns, Layout

END, ABSENT, PRESENT, SAME = 0, 1, 2, 3
FIRST: Final = 0
"""The slot of a relation, or of the end."""

Net = Mapping[Address, tuple[Value | None, Value | None]]
Names = Mapping[str, Mapping[Value, int]]
"""The nodes that may be pointed at for a kind of cell, by what they then mean."""


class Token(NamedTuple):
    """What a known token says: `sort` is relation, value, step or the name of a mark."""

    sort: str
    kind: str
    value: Any


class Slot(NamedTuple):
    """A place in an edit. `legal` are known tokens; `kind` is that of the nodes to point at, or ""."""

    relation: str
    at: int
    legal: frozenset[int]
    kind: str
    following: int


class Point(NamedTuple):
    """One token of an example: its slot, all right answers, and the one that is said. Codes from `len(tokens)` on are
    nodes."""

    slot: int
    choices: frozenset[int]
    said: int


class Tokens:
    """The known tokens and the slots of a layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.pointing = layout.config.identity == "pointer"
        self.tokens: list[Token] = [Token(mark, "", None) for mark in ("end", "absent", "present", "same")]
        self.number: dict[Token, int] = {token: at for at, token in enumerate(self.tokens)}
        self.first: dict[int, int] = {}
        self.slots = [Slot("", 0, frozenset(), "", FIRST)]
        for name in layout.columns:
            self.first[self._token("relation", "", name)] = len(self.slots)
            self._add(name)
        self.slots[FIRST] = Slot("", 0, frozenset({END, *self.first}), "", FIRST)
        self.kinds = tuple(sorted({slot.kind for slot in self.slots} - {""}))
        self.relation = {self.tokens[token].value: token for token in self.first}

    # --- the grammar ------------------------------------------------------------------------------

    def _token(self, sort: str, kind: str, value: Any) -> int:
        token = Token(sort, kind, value)
        if token not in self.number:
            self.number[token] = len(self.tokens)
            self.tokens.append(token)
        return self.number[token]

    def _add(self, name: str) -> None:
        columns = self.layout.columns[name]
        is_record = bool(columns.relation.value.fields)
        for at, cell in enumerate(columns.cells):
            legal, kind = self._legal(cell)
            if at == columns.keys and is_record:
                here = len(self.slots)
                self.slots.append(Slot(name, -1, frozenset({ABSENT, PRESENT}), "", here + 1))
            if at >= columns.keys:
                legal |= {SAME if is_record else ABSENT}
            last = at == len(columns.cells) - 1
            self.slots.append(Slot(name, at, frozenset(legal), kind, FIRST if last else len(self.slots) + 1))

    def _legal(self, cell: Cell) -> tuple[set[int], str]:
        """Known tokens for a cell, and the kind of node to point at."""
        kind = cell.kind if self.pointing and cell.role != "label" else ""
        known = self.layout.said(cell)
        if cell.role == "number" or (kind and not cell.type.entity):
            known = self.layout.constants(cell)
            steps = self.layout.seen.steps.get(cell.place, ())
            if steps and len(steps) < len(known):
                return {self._token("step", "", step) for step in (0, *steps)}, kind
        elif kind:
            known = ()
        return {self._token("value", cell.kind, value) for value in known}, kind

    def feasible(self, kinds: Iterable[str]) -> frozenset[int]:
        """The tokens of `FIRST` whose edits can be said where there are nodes of these kinds to point at."""
        there = set(kinds)
        poor = {slot.relation for slot in self.slots if not slot.legal and slot.kind not in there}
        return frozenset({END, *(token for name, token in self.relation.items() if name not in poor)})

    # --- from deltas ------------------------------------------------------------------------------

    def every(self, state: State, net: Net) -> Net:
        """What is said of a delta: its edits, and what is always said."""
        whole = {name: state.get(name, ()) for name in self.layout.seen.whole}
        return {(name, ()): (value, value) for name, value in whole.items()} | dict(net)

    def example(
        self, state: State, net: Net, names: Names, turned: bool = False, decided: Collection[Address] = ()
    ) -> list[Point]:
        """The tokens of a delta, as many as fit the block. Pairs are said in one order or, if `turned`, in the other;
        either is right. What is `decided` is said, without right answers."""
        every = self.every(state, net)
        said = {address: ways for address in sorted(every) if (ways := self._ways(address, every[address], names))}
        points: list[Point] = []
        for number, (address, ways) in enumerate(said.items()):
            rest = [way for some in [*said.values()][number:] for way in some if way[0] == ways[0][0]]
            slot = FIRST
            for at, right in enumerate(ways[turned and len(ways) > 1]):
                code = min(right)
                choices = () if address in decided else (one[at] for one in rest)
                points.append(Point(slot, frozenset().union(*choices), code))
                rest = [one for one in rest if code in one[at]]
                slot = self.after(slot, code)
        points.append(Point(FIRST, frozenset({END}), END))
        return points[: self.layout.config.block]

    def _ways(self, address: Address, change: tuple[Any, Any], names: Names) -> list[list[frozenset[int]]]:
        """The ways to say an edit, none where it cannot be said: for each token the right answers."""
        relation, key = address
        columns = self.layout.columns.get(relation)
        if columns is None:
            return []
        keys = [key, key[::-1]] if columns.unordered else [key]
        return [path for one in keys if all(path := self._path(columns, one, change, names))]

    def after(self, slot: int, said: int) -> int:
        """The next slot."""
        if slot == FIRST:
            return self.first.get(said, FIRST)
        return FIRST if said == ABSENT else self.slots[slot].following

    def _path(
        self, columns: Columns, key: tuple[Any, ...], change: tuple[Any, Any], names: Names
    ) -> list[frozenset[int]]:
        before, after = change
        token = self.relation[columns.relation.name]
        path, slot = [frozenset({token})], self.first[token]
        row = key if after is None else columns.relation.row(key, after)
        old = (None,) * len(columns.cells) if before is None else columns.relation.row(key, before)
        for part, was in zip(row, old, strict=False):
            if self.slots[slot].at < 0:
                path.append(frozenset({PRESENT}))
                slot += 1
            is_key = self.slots[slot].at < columns.keys
            path.append(self._codes(slot, part, None if is_key else was, names))
            slot += 1
        return path if after is not None else [*path, frozenset({ABSENT})]

    def _codes(self, slot: int, value: Any, was: Any, names: Names) -> frozenset[int]:
        here = self.slots[slot]
        cell = self.layout.columns[here.relation].cells[here.at]
        found = {self.number.get(Token("value", cell.kind, value), -1)}
        if type(value) is int and type(was) is int:
            found.add(self.number.get(Token("step", "", value - was), -1))
        if value == was:
            found.add(SAME)
        codes = here.legal & found
        node = names.get(here.kind, {}).get(value) if here.kind else None
        return codes if node is None else codes | {len(self.tokens) + node}

    # --- to deltas --------------------------------------------------------------------------------

    def delta(self, state: State, codes: Sequence[int], pointed: Mapping[str, Mapping[int, Value]]) -> Delta:
        """The edits that a sequence of legal codes says: each fact once, whole, well-typed and changed."""
        edits: dict[Address, Edit] = {}
        slot, cells = FIRST, list[tuple[int, int]]()
        for code in codes:
            if slot == FIRST:
                cells = []
            else:
                cells.append((slot, code))
            started, slot = slot, self.after(slot, code)
            if slot == FIRST and started != FIRST:
                edit = self._edit(state, cells, pointed)
                if edit is not None:
                    edits.setdefault(edit[:2], edit)
        return tuple(edits[address] for address in sorted(edits))

    def _edit(
        self, state: State, cells: list[tuple[int, int]], pointed: Mapping[str, Mapping[int, Value]]
    ) -> Edit | None:
        columns = self.layout.columns[self.slots[cells[0][0]].relation]
        relation = columns.relation
        key = tuple(self._value(slot, code, None, pointed) for slot, code in cells[: columns.keys])
        if any(part is None or type_.problem(part) for part, (_, type_) in zip(key, relation.key, strict=True)):
            return None
        key = tuple(sorted(key)) if columns.unordered else key
        before = state.get(relation.name, key)
        after: Any = None
        if cells[-1][1] != ABSENT:
            fields = bool(relation.value.fields)
            rest = cells[columns.keys + fields :]
            old = relation.row((), before) if before is not None else (None,) * len(rest)
            row = [self._value(slot, code, was, pointed) for (slot, code), was in zip(rest, old, strict=True)]
            if None in row:
                return None
            after = relation.value.python(*row) if fields else row[0]
            if relation.value.problem(after):
                return None
        return None if before == after else Edit(relation.name, key, before, after)

    def _value(self, slot: int, code: int, was: Any, pointed: Mapping[str, Mapping[int, Value]]) -> Any:
        """What a code means in a slot; None where it means nothing, such as a step from no number."""
        if code >= len(self.tokens):
            return pointed[self.slots[slot].kind].get(code - len(self.tokens))
        token = self.tokens[code]
        if token.sort == "same":
            return was
        if token.sort == "step":
            return was + token.value if type(was) in (int, Decimal) else None
        return token.value
