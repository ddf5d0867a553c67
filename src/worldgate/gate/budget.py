"""Budgets: how much of each resource a run may use, reserved before the work and settled after it.

Guarantees: used + reserved never passes a limit, at any moment, under any number of threads; a reservation is
settled or cancelled exactly once; amounts are exact (counts, thousandths of a second, millionths of a unit of
money), never floats. A resource that a budget does not mention has the finite limit of the table below; only
the word "unlimited" lifts it. A ceiling only ever lowers.

Does not cover: measuring. Who does the work says what it used; more than was reserved is recorded and raised.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from itertools import count
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from ..facts import Error, canonical_json
from ..worlds.documents import load_document

LIMIT = 10**18
"""No amount has more than 18 digits before the point."""
UNLIMITED = "unlimited"


class Resource(NamedTuple):
    """One thing that can be used up. Amounts are counted in 10**-places; `default` is the limit, in whole units."""

    meaning: str
    default: int
    places: int = 0
    currency: bool = False


RESOURCES: Mapping[str, Resource] = MappingProxyType(
    {
        "steps": Resource("actions simulated or committed", 10_000),
        "tool_calls": Resource("calls of tools", 1_000),
        "model_calls": Resource("calls of language models", 100),
        "memory_operations": Resource("reads and writes of an agent's memory", 1_000),
        "memory_bytes": Resource("bytes written to an agent's memory", 16 * 2**20),
        "tokens": Resource("tokens read and written by language models", 1_000_000),
        "oracle_consultations": Resource("questions to the oracle during a rollout", 10_000),
        "files": Resource("files created, changed or deleted", 10_000),
        "bytes": Resource("bytes written", 2**30),
        "seconds": Resource("seconds of work, to the millisecond", 300, places=3),
        "money": Resource("an amount and its currency, such as 0.25 EUR", 0, places=6, currency=True),
    }
)


class BudgetExceeded(Error):
    """A reservation that does not fit. `to_json` has the shape that agents and services expect."""

    number, title = "WG501", "budget exceeded"

    def __init__(self, limiter: str, amount: int, budget: Budget, used: Mapping[str, int], reserved: int) -> None:
        shown = [_show(limiter, units, budget.currency) for units in (amount, used[limiter], reserved)]
        limit = budget.to_json()[limiter]
        super().__init__(
            f"{shown[0]} more {limiter}, {shown[1]} used and {shown[2]} reserved",
            f"at most {limit} in all",
            "Ask for less, or for a larger budget",
        )
        self.limiter = limiter
        state = {name: _show(name, units, budget.currency) for name, units in used.items()}
        self._budgets = {"budget": budget.to_json(), "budget_state": state}

    def to_json(self) -> dict[str, Any]:
        """{"code": "budget_exceeded", "limiter", "budgets": {"budget": limits, "budget_state": used}}."""
        return {"code": "budget_exceeded", "limiter": self.limiter, "budgets": self._budgets}


class Overrun(Error):
    """More was used than was reserved. It is on the meter before this is raised."""

    number, title = "WG502", "more was used than was reserved"


class NotOpen(Error):
    number, title = "WG503", "reservation is not open"


class BadBudget(Error):
    number, title = "WG504", "budget is not well-formed"


class UnknownResource(BadBudget):
    number, title = "WG505", "unknown resource"


class BadAmount(BadBudget):
    number, title = "WG506", "not an amount"


class Budget(msgspec.Struct, frozen=True, dict=True):
    """A limit for every resource, in units of 10**-places (None: unlimited), and the currency of money."""

    limits: dict[str, int | None]
    currency: str = ""

    @classmethod
    def of(cls, limits: Mapping[str, Any]) -> Budget:
        """A budget from whole numbers, decimals as text, "0.25 EUR" for money, or "unlimited"; else `BadBudget`."""
        if not isinstance(limits, Mapping):
            raise BadBudget(type(limits).__name__, "a mapping of resources to limits")
        for name in limits:
            resource(name)
        table: dict[str, int | None] = {}
        currency = ""
        for name, row in RESOURCES.items():
            units, unit = _limit(name, limits.get(name, row.default))
            table[name], currency = units, unit or currency
        return cls(table, currency)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return sha256(canonical_json(self.to_json())).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """What `of` takes: counts as numbers, the rest as text."""
        return {name: _show(name, units, self.currency) for name, units in self.limits.items()}

    def under(self, ceiling: Budget) -> tuple[Budget, tuple[str, ...]]:
        """The smaller limit of each resource, and the names of those that the ceiling lowered."""
        if self.currency and ceiling.currency and self.currency != ceiling.currency:
            raise BadBudget(f"money in {self.currency}", f"money in {ceiling.currency}, as the ceiling has it")
        lowered = tuple(name for name, limit in self.limits.items() if _above(limit, ceiling.limits[name]))
        limits = {name: ceiling.limits[name] if name in lowered else limit for name, limit in self.limits.items()}
        return Budget(limits, self.currency or ceiling.currency), lowered


def load_budget(text: str, *, name: str = "budget") -> Budget:
    """The budget of a YAML or JSON text: a mapping of resources to limits."""
    return Budget.of(load_document(text, name, BadBudget))


def resource(name: Any) -> Resource:
    """The table's row for a name; raises `UnknownResource`."""
    if not isinstance(name, str) or name not in RESOURCES:
        raise UnknownResource(f"{name!r:.60}", f"one of {', '.join(RESOURCES)}")
    return RESOURCES[name]


_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_AMOUNT = re.compile(r"(\d{1,18})(?:\.(\d{1,6}))?(?: ([A-Z]{3}))?", re.ASCII)


def _limit(name: str, given: Any) -> tuple[int | None, str]:
    words = given.split(" ") if isinstance(given, str) else []
    if words[:1] != [UNLIMITED]:
        return parse_amount(name, given)
    if RESOURCES[name].currency != (len(words) == 2 and bool(_CURRENCY.fullmatch(words[1]))) or len(words) > 2:
        raise BadAmount(f"{name}: {given!r:.60}", '"unlimited", and for money its currency: "unlimited EUR"')
    return None, "".join(words[1:])


def parse_amount(name: str, given: Any) -> tuple[int, str]:
    """(units of 10**-places, currency or "") of an amount of that resource; raises `BadAmount`.

    Whole numbers and `Decimal`s, or their text. Money other than 0 is text with its currency. Floats are refused.
    """
    row = resource(name)
    wanted = 'its currency too, such as "0.25 EUR"' if row.currency else "a number of 0 or more, no float"
    match = _AMOUNT.fullmatch(_digits(given))
    if not match:
        huge = isinstance(given, int) and abs(given) >= LIMIT
        raise BadAmount(f"{name}: {'a number too large' if huge else repr(given)[:60]}", wanted)
    whole, fraction, currency = match[1], (match[2] or "").rstrip("0"), match[3] or ""
    if len(fraction) > row.places:
        raise BadAmount(f"{name}: {match[0]}", f"at most {row.places} decimal places")
    units = int(whole + fraction.ljust(row.places, "0"))
    if (currency and not row.currency) or (row.currency and units and not currency):
        raise BadAmount(f"{name}: {match[0]}", wanted)
    return units, currency


def _digits(given: Any) -> str:
    """An amount as text; nothing for what is none (a float, a truth value, a number out of range)."""
    if isinstance(given, str):
        return given
    if isinstance(given, bool) or not isinstance(given, int | Decimal):
        return ""
    if isinstance(given, Decimal):
        return format(given, "f") if given.is_finite() and -20 < given.adjusted() < 20 else ""
    return str(given) if 0 <= given < LIMIT else ""


class Reservation(NamedTuple):
    """What was set aside: its number on its meter, the resource, and the units."""

    number: int
    resource: str
    units: int


class Meter:
    """Counts one run's use of one budget. Threads may share it."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._used = dict.fromkeys(budget.limits, 0)
        self._reserved = dict.fromkeys(budget.limits, 0)
        self._open: dict[int, Reservation] = {}
        self._numbers: Iterator[int] = count(1)
        self._overruns: list[Overrun] = []
        self._lock = threading.Lock()

    def reserve(self, name: str, amount: Any = 1) -> Reservation:
        """Set an amount aside before using it; raises `BudgetExceeded`, with nothing changed, when it does not fit."""
        units = self._units(name, amount)
        with self._lock:
            limit = self.budget.limits[name]
            if limit is not None and self._used[name] + self._reserved[name] + units > limit:
                raise BudgetExceeded(name, units, self.budget, self._used, self._reserved[name])
            reservation = Reservation(next(self._numbers), name, units)
            self._open[reservation.number] = reservation
            self._reserved[name] += units
        return reservation

    def settle(self, reservation: Reservation, actual: Any = None) -> None:
        """Say what was used of a reservation (default: all of it); the rest is free again.

        More than was reserved is taken from what is left, as far as that goes, and raised as `Overrun`.
        """
        name = reservation.resource
        units = reservation.units if actual is None else self._units(name, actual)
        with self._lock:
            self._close(reservation)
            limit = self.budget.limits[name]
            free = units if limit is None else limit - self._used[name] - self._reserved[name]
            counted = min(units, free)
            self._used[name] += counted
            if units <= reservation.units:
                return
            shown = [_show(name, part, self.budget.currency) for part in (units, reservation.units, units - counted)]
            overrun = Overrun(f"{shown[0]} {name}", f"at most {shown[1]}", f"{shown[2]} of it is beyond the budget")
            self._overruns.append(overrun)
        raise overrun

    def cancel(self, reservation: Reservation) -> None:
        """Give a reservation back unused."""
        with self._lock:
            self._close(reservation)

    def used(self, name: str) -> Any:
        """What was used of a resource: a number, or text as in `Budget.to_json`."""
        return self._read(self._used, name)

    def reserved(self, name: str) -> Any:
        """What is set aside and not settled yet."""
        return self._read(self._reserved, name)

    def left(self, name: str) -> Any:
        """What can still be reserved, or "unlimited"."""
        resource(name)
        with self._lock:
            limit = self.budget.limits[name]
            left = None if limit is None else limit - self._used[name] - self._reserved[name]
            return _show(name, left, self.budget.currency)

    def overruns(self) -> tuple[Overrun, ...]:
        """Every time that more was used than was reserved."""
        with self._lock:
            return tuple(self._overruns)

    def to_json(self) -> dict[str, Any]:
        """What was used of each resource."""
        with self._lock:
            return {name: _show(name, units, self.budget.currency) for name, units in self._used.items()}

    def _units(self, name: str, amount: Any) -> int:
        row = RESOURCES.get(name)
        if type(amount) is int and 0 <= amount < LIMIT and row and not (row.places or row.currency):
            return amount  # a count, as nearly every amount is
        units, currency = parse_amount(name, amount)
        if currency and self.budget.currency and currency != self.budget.currency:
            raise BadAmount(f"money in {currency}", f"money in {self.budget.currency}")
        return units

    def _close(self, reservation: Reservation) -> None:
        if self._open.get(reservation.number) != reservation:
            raise NotOpen(f"reservation {reservation.number}", "one of this meter, settled or cancelled once")
        del self._open[reservation.number]
        self._reserved[reservation.resource] -= reservation.units

    def _read(self, table: Mapping[str, int], name: str) -> Any:
        resource(name)
        with self._lock:
            return _show(name, table[name], self.budget.currency)


def _above(limit: int | None, ceiling: int | None) -> bool:
    return ceiling is not None and (limit is None or limit > ceiling)


def _show(name: str, units: int | None, currency: str) -> Any:
    """Units as they are written: a number for counts, else text; None is "unlimited"."""
    row = RESOURCES[name]
    if units is None:
        return f"{UNLIMITED} {currency}" if row.currency else UNLIMITED
    if not row.places:
        return units
    text = format(Decimal(units).scaleb(-row.places), "f").rstrip("0").rstrip(".") or "0"
    return f"{text} {currency}" if row.currency and units else text
