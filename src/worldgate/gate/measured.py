"""Limits on a world's measures: amounts that the world derives from its state, such as a leverage.

A measure belongs to a relation. After each step it is asked for the keys of that relation which the step
edited, so that judging costs what the step changes and not what the state holds. What lies beyond a limit is a
breach, unless it lay there before and is no further out now: reducing a breach is never refused. Some
measures stand (a drawdown): beyond their limit only steps that ease the risk pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from ..facts import Key, Schema, format_address
from ..worlds import Measure
from .decision import Breach
from .rules import Rule, Subject

PLACES = 8


class Bound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A measure is at most `max` and at least `min`. With `only`, keys that name anything else are allowed nothing:
    `only: {symbol: [ACME]}` makes the greatest value 0 wherever the key's symbol is another."""

    max: Decimal | None = None
    min: Decimal | None = None
    only: dict[str, tuple[str, ...]] = {}

    def problem(self, name: str, measure: Measure, schema: Schema) -> str | None:
        """Why this cannot bound that measure."""
        columns = [column for column, _ in schema.relation(measure.relation).key]
        if self.max is None and self.min is None and not self.only:
            return f"{name} without max, min or only"
        for limit in (self.max, self.min):
            if limit is not None and not (limit.is_finite() and abs(limit.adjusted()) < 40):
                return f"{name} with a limit of {limit!s:.20}, which is not finite or too far out"
        if self.max is not None and self.min is not None and self.min > self.max:
            return f"{name} with min {self.min} above max {self.max}"
        if unknown := self.only.keys() - set(columns):
            return f"{name} with only {', '.join(sorted(unknown))}, where its keys have {', '.join(columns)}"
        return None

    def __str__(self) -> str:
        said = [f"at most {self.max:f}"] if self.max is not None else []
        said += [f"at least {self.min:f}"] if self.min is not None else []
        said += [f"nothing where {column} is not {' or '.join(names)}" for column, names in self.only.items()]
        return ", ".join(said)


def measured(name: str, measure: Measure, bound: Bound, schema: Schema) -> Rule:
    """The rule that a measure keeps within its bound."""
    columns = [column for column, _ in schema.relation(measure.relation).key]
    most, least = (None if limit is None else _exact(limit, measure.scale) for limit in (bound.max, bound.min))
    only = [(columns.index(column), frozenset(names)) for column, names in bound.only.items()]

    def limit_of(found: int | Fraction, key: Key) -> int | Fraction | None:
        """The limit that a value lies beyond."""
        if only and found > 0 and any(key[place] not in names for place, names in only):
            return 0
        if most is not None and found > most:
            return most
        return least if least is not None and found < least else None

    def check(subject: Subject) -> Iterator[Breach]:
        before, after, step = subject.before, subject.after, subject.judged.step
        if not step:  # a whole run's steps were judged one by one
            return
        for key in dict.fromkeys([edit.key for edit in subject.delta if edit.relation == measure.relation]):
            found = measure.value(after, key)
            limit = None if found is None else limit_of(found, key)
            if found is None or limit is None:
                continue
            was = measure.value(before, key)
            eased = measure.eases(before, after, key) if measure.eases else _no_further(was, found, limit)
            if not eased:
                shown = [show(value, measure.scale) for value in (found, limit, abs(Fraction(found) - limit))]
                what = "less" if found < limit else "more"
                yield Breach(
                    number=measure.number,
                    rule=f"measures.{name}",
                    message=f"{name} of {', '.join(map(str, key))} is {shown[0]}, {shown[2]} {what} than {shown[1]}",
                    found=shown[0],
                    allowed=shown[1],
                    margin=shown[2],
                    fact=f"{format_address(name, key)} = {shown[0]}",
                    step=step,
                )

    return Rule(f"measures.{name}", frozenset({measure.relation}), check)


def _exact(limit: Decimal, scale: int) -> int | Fraction:
    """The limit in `scale`-ths."""
    found = Fraction(limit) * scale
    return int(found) if found.denominator == 1 else found


def _no_further(was: int | Fraction | None, found: int | Fraction, limit: int | Fraction) -> bool:
    """Whether the value was beyond the limit on that side already, and at least as far."""
    if was is None:
        return False
    return was >= found if found > limit else was <= found


def show(value: int | Fraction, scale: int = 1) -> str:
    """A value in its unit, as a decimal with at most `PLACES` digits after the point."""
    text = f"{Decimal(round(Fraction(value, scale) * 10**PLACES)).scaleb(-PLACES):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def bounds(
    limits: Mapping[str, Bound], world: Any, schema: Schema, refuse: Callable[[str, str], Exception]
) -> Iterator[Rule]:
    """The rules of a policy's `measures`; raises what `refuse(found, expected)` makes for one that cannot be."""
    measures: Mapping[str, Measure] = getattr(world, "measures", {})
    for name, bound in limits.items():
        if name not in measures:
            raise refuse(f"measure {name!r}", f"one of {', '.join(measures) or 'no measures: this world has none'}")
        if problem := bound.problem(name, measures[name], schema):
            raise refuse(problem, "a max, a min or an only that can hold")
        yield measured(name, measures[name], bound, schema)
