"""The answer as data, and as lines for people. Amounts and probabilities are decimal texts."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ...gate.decision import TOLD, Decision
from ...gate.risk import Risk


class Chance(msgspec.Struct, frozen=True, kw_only=True):
    """In how many futures something happened; its probability with the interval's ends, to six places."""

    name: str
    bound: str
    breaches: int
    probability: str
    low: str
    high: str


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles of the equity after bar `step`, counted from 1."""

    step: int
    time: str
    quantiles: dict[str, str]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The profit and loss at the end, in money; `value_at_risk` and `shortfall` are losses, at `level`."""

    mean: str
    quantiles: dict[str, str]
    level: str
    value_at_risk: str
    shortfall: str
    largest_loss: str


class Worst(msgspec.Struct, frozen=True, kw_only=True):
    """The future that ends worst among those that breach (among all, when none does). `script` is a plan file that
    leads there, `digest` its SHA-256."""

    future: int
    profit: str
    breached: tuple[str, ...]
    digest: str
    script: str


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How one future ended that was written out with its bars: the equity after each of them, and what was breached."""

    profit: str
    account: str
    currency: str
    equity: tuple[str, ...]
    breached: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"profit and loss {self.profit} {self.currency} of {self.account} after {len(self.equity)} bars, "
            f"breaches {', '.join(self.breached) or 'nothing'}"
        )


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """The decision and all that it rests on. The same inputs give the same bytes."""

    decision: Decision
    plan: str
    policy: str
    enforced: bool
    sampler: str
    settings: Risk
    steps: int
    account: str
    currency: str
    equity: str
    overall: Chance
    limits: tuple[Chance, ...]
    profit: Outcome
    spread: tuple[Spread, ...]
    worst: Worst

    def lines(self) -> Iterator[str]:
        """For people."""
        one, settings = self.overall, self.settings
        yield f"{TOLD[self.decision.verdict]}: P(breach) {_told(one)}, at most {settings.max_probability:f} allowed"
        yield (
            f"  {settings.futures} futures of {self.steps} bars ({self.sampler}, seed {settings.seed}), "
            f"intervals at {settings.confidence:f}"
        )
        width = max(len(row.name) for row in self.limits)
        for row in self.limits:
            yield f"  {row.name:{width}}  {_told(row)}  {row.bound}"
        profit, ends = self.profit, " ".join(f"{q}: {value}" for q, value in self.profit.quantiles.items())
        yield f"  profit and loss of {self.account} in {self.currency}: mean {profit.mean}; {ends}"
        yield (
            f"  losses at {profit.level}: value at risk {profit.value_at_risk}, expected shortfall {profit.shortfall}, "
            f"largest {profit.largest_loss}"
        )
        beyond = f", breaches {', '.join(self.worst.breached)}" if self.worst.breached else ""
        yield f"  worst future: number {self.worst.future}, profit and loss {self.worst.profit}{beyond}"


def _told(row: Chance) -> str:
    return f"{row.probability} ({row.low} to {row.high})"
