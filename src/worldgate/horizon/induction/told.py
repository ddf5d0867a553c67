"""A state and, beside its facts, the tables of an action, so that rules speak of both alike.

A table is a relation of its own, named after the action's shape and its field (`tick_bars(symbol)`); no world has it.
What is known of the state to come stands in tables, too: `new_order(account, id)` is what `order(account, id)` becomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ...facts import Key, Schema, State

Tables = Mapping[str, Mapping[Key, Any]]
NEW = "new_"
"""What the name of a relation begins with where its facts are those of the state to come."""


class Told:
    """What is asked of a state, answered from the tables where they have the relation."""

    def __init__(self, state: State, tables: Tables) -> None:
        self.state, self.tables = state, tables

    def with_new(self, relation: str, changes: Iterable[tuple[Key, Any]]) -> Told:
        """The same and what the facts of a relation become. O(facts of the relation)."""
        facts = dict(self.facts_of(relation)) | dict(changes)
        kept = {key: value for key, value in facts.items() if value is not None}
        return Told(self.state, {**self.tables, f"{NEW}{relation}": kept})

    def with_table(self, relation: str, facts: Mapping[Key, Any]) -> Told:
        """The same and the facts of a relation that it does not have."""
        return Told(self.state, {**self.tables, relation: facts})

    @property
    def schema(self) -> Schema:
        """That of the state alone."""
        return self.state.schema

    def get(self, relation: str, key: Key) -> Any:
        """The value of a fact, or None."""
        table = self.tables.get(relation)
        return self.state.get(relation, key) if table is None else table.get(key)

    def fetcher(self) -> Callable[[tuple[str, Key]], Any]:
        """`get` of an address, faster."""
        fetch, tables = self.state.fetcher(), self.tables
        if not tables:
            return fetch
        return lambda address: tables[address[0]].get(address[1]) if address[0] in tables else fetch(address)

    def facts_of(self, relation: str) -> Iterator[tuple[Key, Any]]:
        """Keys and values of one relation: by its index where there is one, else O(state)."""
        if relation in self.tables:
            yield from self.tables[relation].items()
        elif 0 in self.schema.relations[relation].index:
            yield from self.state.select(relation).items()
        else:
            yield from ((key, value) for _, key, value in self.state.facts(relation))
