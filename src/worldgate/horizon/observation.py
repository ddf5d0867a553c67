"""What can be known of a state from where one looks: the decidable split, probes, and the belief they correct.

Of a next state, a fact is decidable iff every entity it refers to is observed; the rest is residual. Global facts are
decidable always. The same holds for the edits of a delta.

A probe of an entity shows every fact that refers to it; a probe of None shows the global facts. A belief that takes in
such a view has exactly these facts of that entity, and what it had of everything else. Probing every entity that belief
or truth refers to, and the global facts, restores the truth.

The published probe of a host differs in two ways: it shows the host's own deny list and not those that name the host,
and nothing ever corrects the global facts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple, TypeVar

from ..facts import SYMBOL_BITS, Delta, Edit, Entity, Fact, Schema, State, facts_about, references, symbols

_Row = TypeVar("_Row", Fact, Edit)


class LocalView(NamedTuple):
    """What a probe shows: all facts that refer to `entity` (to none, for None), in canonical order.

    It costs `len(facts)` facts, or `bits`: what it takes to say them.
    """

    entity: Entity | None
    facts: tuple[Fact, ...]
    bits: int


def split(
    schema: Schema, rows: Iterable[_Row], observed: Collection[Entity], kinds: frozenset[str] | None = None
) -> tuple[list[_Row], list[_Row]]:
    """(decidable, residual) facts or edits, in the order they came in; O(rows).

    `kinds` are the kinds of entity that can go unobserved (unless given, all): with `frozenset({"host"})` ports need no
    observing, as published. An edit refers to what stood before as well as to what stands after.
    """
    refs = references(schema, kinds)
    decidable: list[_Row] = []
    residual: list[_Row] = []
    for row in rows:
        (decidable if all(entity in observed for entity in refs.of(row)) else residual).append(row)
    return decidable, residual


def probe(state: State, entity: Entity | None) -> LocalView:
    """The local view of an entity, empty for an unknown id; `BadKey` for a kind that the schema does not have.

    O(answer) and the edits since the state's history was last probed; the first time, O(state).
    """
    facts = tuple(facts_about(state, entity))
    return LocalView(entity, facts, SYMBOL_BITS * symbols(state.schema, facts))


def correction(belief: State, view: LocalView) -> Delta:
    """The edits that give the belief exactly the view's facts of its entity; costs what a probe of the belief does.

    A fact shown replaces what the belief has at the same key, be it about another entity (a file's other content).
    """
    shown = {(relation, key) for relation, key, _ in view.facts}
    gone = (Edit(*fact, None) for fact in facts_about(belief, view.entity) if fact[:2] not in shown)
    seen = (Edit(relation, key, belief.get(relation, key), value) for relation, key, value in view.facts)
    return (*gone, *(edit for edit in seen if edit.before != edit.after))


def assimilate(belief: State, view: LocalView) -> State:
    """The belief after `correction`; the belief itself when there is nothing to correct."""
    return belief.apply(correction(belief, view))
