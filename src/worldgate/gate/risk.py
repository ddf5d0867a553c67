"""What a policy may ask about the futures of a plan: how likely it leads beyond the policy's limits, as data.

    risk:
      max_probability: 0.05       # approved only if the upper end of the interval around P(breach) is at most that
      confidence: 0.95            # of that interval
      futures: 10000
      steps: 50                   # that pass after the plan
      sampler: filtered           # or bootstrap, generator

The gate knows the question and no futures: whoever verifies a plan under such a policy brings an `Assess` that
answers, or the plan is refused. A workspace is given `Answers`: what they rest on is recorded with the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from ..facts import Error, State

if TYPE_CHECKING:
    from .decision import Breach
    from .plan import Plan
    from .policy import Policy

MOST_FUTURES = 1_000_000

Assess = Callable[[State, "Plan", "Policy"], "Iterable[Breach]"]
"""Answers the policy's question about a plan from a state: the breaches, none if what may come is rare enough."""


class Answers(Protocol):
    """An `Assess` whose answers can be given again: `rests` is a digest of what they rest on besides the state."""

    def __call__(self, state: State, plan: Plan, policy: Policy) -> Iterable[Breach]: ...

    def rests(self, state: State) -> str: ...


class BadRisk(Error):
    """A setting of a risk assessment is out of range, or contradicts another."""

    number, title = "WG390", "risk settings are not well-formed"


class Risk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The question. `level` is that of value at risk and expected shortfall, `block` the mean length of the
    bootstrap's blocks (0: from the history's length); `account` and `currency` say whose profit and loss is told
    (the currency may be left out where the account has one)."""

    max_probability: Decimal = Decimal("0.05")
    confidence: Decimal = Decimal("0.95")
    futures: int = 10_000
    steps: int = 50
    seed: int = 1
    sampler: Literal["filtered", "bootstrap", "generator"] = "filtered"
    level: Decimal = Decimal("0.95")
    block: int = 0
    account: str = "main"
    currency: str = ""

    def check(self) -> None:
        """Raise `BadRisk` where a setting is out of range."""
        ranges: tuple[tuple[str, bool, str], ...] = (
            ("max_probability", _within(self.max_probability, 0, 1), "from 0 to 1"),
            ("confidence", _within(self.confidence, "0.5", "0.999999"), "from 0.5 to 0.999999"),
            ("level", _within(self.level, "0.5", "0.999999"), "from 0.5 to 0.999999"),
            ("futures", 1 <= self.futures <= MOST_FUTURES, f"from 1 to {MOST_FUTURES}"),
            ("steps", 1 <= self.steps <= 10_000, "from 1 to 10000"),
            ("seed", 0 <= self.seed < 2**63, "from 0 to 2**63 - 1"),
            ("block", 0 <= self.block <= 10**6, "from 0 to 1000000"),
        )
        for name, within, allowed in ranges:
            if not within:
                raise BadRisk(f"{getattr(self, name)!s:.40} at `$.risk.{name}`", allowed)

    def __str__(self) -> str:
        return (
            f"P(breach) at most {self.max_probability:f} at confidence {self.confidence:f}, "
            f"over {self.futures} futures of {self.steps} steps ({self.sampler}, seed {self.seed})"
        )


def _within(value: Decimal, least: int | str, most: int | str) -> bool:
    return value.is_finite() and Decimal(least) <= value <= Decimal(most)
