"""What is asked about the futures of a plan, as data: a YAML or JSON file such as

max_probability: 0.05       # approved only if the upper end of the interval is at most that
confidence: 0.95            # of the interval around each probability
futures: 10000
steps: 50                   # bars that pass at the end of a plan that has no `tick`
seed: 1
sampler: bootstrap          # or generator
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from ...facts import State
from ...worlds.documents import load_document
from ...worlds.market.properties import facts_of
from .errors import BadRisk

MOST_FUTURES, MOST_BARS = 1_000_000, 50_000_000
"""Of futures, and of futures times steps: some ten seconds of computing."""


class Risk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The question. `level` is that of value at risk and expected shortfall, `block` the mean length of the
    bootstrap's blocks (0: from the history's length); `account` and `currency` say whose profit and loss is told
    (the currency may be left out where the account has one)."""

    max_probability: Decimal = Decimal("0.05")
    confidence: Decimal = Decimal("0.95")
    futures: int = 10_000
    steps: int = 50
    seed: int = 1
    sampler: Literal["bootstrap", "generator"] = "bootstrap"
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
                raise BadRisk(f"{name} {getattr(self, name)}", allowed)

    def purse(self, state: State) -> tuple[str, str]:
        """The account and currency whose profit and loss is told."""
        (cash,) = facts_of(state, "cash")
        owned = [currency for account, currency in cash if account == self.account]
        if self.currency not in owned and (self.currency or len(owned) != 1):
            found = f"account {self.account}, currency {self.currency or 'left out'}"
            raise BadRisk(found, ", ".join(" in ".join(purse) for purse in cash) or "an account with cash")
        return self.account, self.currency or owned[0]


def load_risk(text: str, name: str = "risk") -> Risk:
    """The settings of a YAML or JSON text; raises `BadRisk`."""
    try:
        found = msgspec.convert(load_document(text, name, BadRisk), Risk)
    except msgspec.ValidationError as error:
        raise BadRisk(f"{name}: {error}", f"the fields {', '.join(Risk.__struct_fields__)}") from error
    found.check()
    return found


def _within(value: Decimal, least: int | str, most: int | str) -> bool:
    return value.is_finite() and Decimal(least) <= value <= Decimal(most)
