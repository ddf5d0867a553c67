"""What a look at the truth costs, what it is priced at, and how much may be spent.

Six currencies: `calls` of the oracle, `steps` it computed (a call that checks a window computes several), `facts` it
showed, `entries` of a derived relation it showed, `bits` that the correction takes, and `money`, in millionths of a
unit.
"""

from __future__ import annotations

from fractions import Fraction

import msgspec

from .errors import BadSettings


class Cost(msgspec.Struct, frozen=True):
    """What was spent, by currency."""

    calls: int = 0
    steps: int = 0
    facts: int = 0
    entries: int = 0
    bits: int = 0
    money: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, name) + getattr(other, name) for name in CURRENCIES))


CURRENCIES = Cost.__struct_fields__


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money for one of each other currency, in millionths."""

    calls: int = 0
    steps: int = 0
    facts: int = 0
    entries: int = 0
    bits: int = 0

    def __post_init__(self) -> None:
        if any(getattr(self, name) < 0 for name in self.__struct_fields__):
            raise BadSettings(f"{self}", "prices of 0 or more")

    def of(self, cost: Cost) -> Cost:
        """The same cost with its price."""
        money = sum(getattr(self, name) * getattr(cost, name) for name in self.__struct_fields__)
        return msgspec.structs.replace(cost, money=money)


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most that may be spent, by currency; None: any amount."""

    calls: int | None = None
    steps: int | None = None
    facts: int | None = None
    entries: int | None = None
    bits: int | None = None
    money: int | None = None

    def __post_init__(self) -> None:
        if any((getattr(self, name) or 0) < 0 for name in CURRENCIES):
            raise BadSettings(f"{self}", "limits of 0 or more")

    def allows(self, spent: Cost) -> bool:
        """Whether that much may be spent altogether."""
        limits = ((getattr(self, name), getattr(spent, name)) for name in CURRENCIES)
        return all(limit is None or amount <= limit for limit, amount in limits)


def calls_at(rho: float, steps: int) -> int:
    """floor(rho * steps), for the fraction that `rho` stands for: 29 for 0.29 of 100, not 28, and 1 for 1/24 of 24."""
    return int(Fraction(rho).limit_denominator(10**6) * steps)
