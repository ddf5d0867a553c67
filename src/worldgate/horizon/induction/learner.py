"""The rule learner as a predictor: it collects transitions and has rules for them when they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ...facts import Address, Delta, Edit, Key, Schema, State, Value
from ...system import uncollected
from ..predictor import Prediction
from .beside import NOTHING
from .common import Common, common
from .effects import Effect
from .language import Beyond, Language
from .reading import known_ids
from .records import Said, said, with_tables, words_of
from .stages import Rules, learned
from .study import Seen, sampled
from .terms import Argument
from .told import Told
from .tree import Leaf

LIMIT = 20_000


class _Shape:
    """What is known about the actions of one name and number of words."""

    def __init__(self, schema: Schema, limit: int, paths: bool, records: bool) -> None:
        self.schema, self.paths, self.records = schema, paths, records
        self.seen: deque[Seen] = deque(maxlen=max(1, limit))
        self.typed: list[Argument] = []
        self.rules = Rules([], 0, frozenset())
        self.beyond = 0.0
        self._fresh = 0

    def add(self, one: Seen) -> None:
        self.seen.append(one)
        self._fresh += 1

    def fitted(self, common: Common, *, now: bool) -> _Shape:
        """Rules for what was seen: `now` for all of it, else for two thirds of it at least."""
        if self._fresh and (now or 3 * self._fresh > len(self.seen)):
            self._fit(common)
        return self

    @uncollected()
    def _fit(self, common: Common) -> None:
        seen = list(self.seen)
        known = known_ids((told.state for told in sampled(seen)), (one.delta for one in seen))
        words, beside = [one.words for one in seen], NOTHING
        self.typed = words_of(self.schema, words, known)
        schema = with_tables(self.schema, [one.state.tables for one in seen], known)
        if self.records:
            schema, beside = common.schema(schema), common.beside(seen)
            if beside.walks:
                self.typed = beside.walks.typed(self.typed, schema, len(words[0]))
            seen = [Seen(*beside.told(one.state, one.words), one.delta) for one in seen]
        more = Beyond(common.named, beside.ways, common.endings)
        language = Language(schema, self.typed, paths=self.paths, records=self.records, more=more)
        self.rules = learned(language, seen)._replace(beside=beside)
        self.beyond = self.rules.beyond / len(seen)
        self._fresh = 0


class Induction:
    """Learns lifted rules, one tree for each fact that a shape of action changes.

    Deterministic: the same transitions in the same order give the same rules. `learn` costs next to nothing; rules are
    made again when they are asked for and a third of what a shape was seen doing is new. Of each shape the last
    `limit` transitions (at least one) are kept, with their states. Without `paths`, rules cannot ask what leads where;
    without `records`, they know neither fields nor arithmetic, and an action is only the words of its text.
    """

    def __init__(self, schema: Schema, *, limit: int = LIMIT, paths: bool = True, records: bool = True) -> None:
        self.name = "induction" if paths else "induction without paths"
        self._schema, self._limit = schema, limit
        self._paths, self._records = paths, records
        self._shapes: dict[tuple[str, int], _Shape] = {}
        self._common, self._fresh = Common(), 0

    def learn(self, state: State, action: Any, delta: Delta) -> None:
        """Take in the truth of one step. Edits that the schema does not know are a numbered error."""
        for relation, key, _, after in delta:
            self._schema.check(relation, key, after)
        call = self._said(action)
        shape = self._shapes.setdefault(call.shape, _Shape(self._schema, self._limit, self._paths, self._records))
        shape.add(Seen(Told(state, call.tables), call.words, delta))
        self._fresh += 1

    def _said(self, action: Any) -> Said:
        return said(action, records=self._records)

    @property
    def shapes(self) -> dict[tuple[str, int], tuple[list[Argument], list[Effect]]]:
        """The typed words and the effects of each shape of action, fitted to all that was learned."""
        return {name: (shape.typed, shape.rules.effects) for name, shape in sorted(self._fitted().items())}

    @property
    def rules(self) -> dict[tuple[str, int], Rules]:
        """The rules of each shape of action, fitted to all that was learned."""
        return {name: shape.rules for name, shape in sorted(self._fitted().items())}

    def fit(self) -> None:
        """Make the rules of all that was learned now."""
        self._fitted()

    def _fitted(self) -> dict[tuple[str, int], _Shape]:
        return {name: shape.fitted(self._shared(now=True), now=True) for name, shape in self._shapes.items()}

    def _shared(self, *, now: bool) -> Common:
        """What is found out from actions of all shapes."""
        count = sum(len(shape.seen) for shape in self._shapes.values())
        if self._records and self._fresh and (now or 3 * self._fresh > count):
            seen = [list(shape.seen) for _, shape in sorted(self._shapes.items())]
            self._common, self._fresh = common(self._schema, seen), 0
        return self._common

    def predict(self, state: State, action: Any) -> Prediction:
        """What the rules say. Uncertainty: the probability (Laplace) that one of the rules applied is wrong; 1.0 for a
        shape of action never seen."""
        call = self._said(action)
        shape = self._shapes.get(call.shape)
        if shape is None:
            return Prediction((), 1.0)
        shape.fitted(self._shared(now=False), now=False)
        right = 1.0 - shape.beyond
        after: dict[tuple[str, Key], Value | None] = {}
        used: dict[int, Leaf] = {}
        passed = shape.rules.passed(Told(state, call.tables), call.words)
        for effect, key, value, leaf in shape.rules.predict(Told(state, call.tables), call.words):
            used[id(leaf)] = leaf
            address = effect.relation, key
            if value != passed.get(address, state.get(*address)):
                after.setdefault(address, value)
        for leaf in used.values():
            right *= 1.0 - leaf.doubt
        return Prediction(tuple(fitting(state, after, passed)), 1.0 - right)

    def shape_of(self, action: Any) -> str:
        """The name of the action's shape, and how many words it has."""
        name, arity = self._said(action).shape
        return f"{name} {arity}"

    def reached(self, state: State, action: Any) -> set[tuple[str, Key]]:
        """The facts that rules speak of in this step, changed or not."""
        call = self._said(action)
        if call.shape not in self._shapes:
            return set()
        told = self._fitted()[call.shape].rules.predict(Told(state, call.tables), call.words)
        return {(effect.relation, key) for effect, key, _, _ in told}

    def explain(self) -> str:
        """All rules as text: for each shape and fact the branches of its tree, with support and errors."""
        fitted = sorted(self._fitted().items())
        return "\n".join(line for name, shape in fitted for line in self._explained(name, shape))

    def _explained(self, name: tuple[str, int], shape: _Shape) -> Iterator[str]:
        words = "".join(f" ?{index}" for index in range(name[1]))
        beyond = f", {shape.beyond:.1%} with changes beyond the rules" if shape.beyond else ""
        yield f"{name[0]}{words}  [{len(shape.seen)} seen{beyond}]"
        for effect in shape.rules.effects:
            yield f"  {effect}"
            for rule, leaf in effect.rules():
                yield f"    {rule}  [{leaf.support}, {leaf.errors} wrong]"


def fitting(
    state: State, after: Mapping[Address, Value | None], passed: Mapping[Address, Value | None] = MappingProxyType({})
) -> Iterator[Edit]:
    """The edits that come to these values, in two where something is passed on the way, and that the schema allows: a
    rule may say a number that is out of bounds."""
    for (name, key), value in after.items():
        relation = state.schema.relations[name]
        before = state.get(name, key)
        if any(type_.problem(part) for (_, type_), part in zip(relation.key, key, strict=True)):
            continue
        for one in (passed.get((name, key), before), value):
            if one != before and (one is None or not relation.value.problem(one)):
                yield Edit(name, key, before, one)
                before = one
