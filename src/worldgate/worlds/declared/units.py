"""Units and exact conversion between them.

A unit has a base and a rational factor: `cm` is 10 `mm`. The usual physical units are known; a world
file may declare more (`units: {cents: base, eur: 100 cents}`). A quantity converts exactly or not at
all: 2.5 cm is 25 mm, 2.55 cm is no whole number of mm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from .errors import BadWorldFile, DuplicateName, OutOfRange, UnknownName, WrongType, WrongUnit

Units = Mapping[str, tuple[str, Fraction]]
"""Unit to (base unit, how many of the base)."""

KNOWN: Units = {
    unit: (base, Fraction(factor))
    for base, table in {
        "um": {"um": 1, "mm": 1000, "cm": 10_000, "m": 1_000_000},
        "ms": {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000},
        "mN": {"mN": 1, "N": 1000, "kN": 1_000_000},
        "mg": {"mg": 1, "g": 1000, "kg": 1_000_000},
        "mV": {"mV": 1, "V": 1000},
        "mA": {"mA": 1, "A": 1000},
        "permille": {"permille": 1, "percent": 10, "%": 10},
        "B": {"B": 1, "kB": 1000, "MB": 10**6, "GB": 10**9, "KiB": 1024, "MiB": 2**20, "GiB": 2**30},
        "deg": {"deg": 1, "turn": 360},
    }.items()
    for unit, factor in table.items()
}
_NUMBER = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_QUANTITY = re.compile(r"(-?[0-9]{1,40}(?:\.[0-9]{1,40})?)(?:\s*([A-Za-z%][A-Za-z0-9_%]*))?")


def declared(units: Mapping[str, str]) -> Units:
    """The known units and those of a world file: a name, and `base` or `<number> <unit>`."""
    table = dict(KNOWN)
    for unit, meaning in units.items():
        path = f"units.{unit}"
        if unit in table:
            raise DuplicateName(f"{path}: a unit that is known already", "a new name")
        number, _, other = meaning.partition(" ")
        if meaning == "base":
            table[unit] = (unit, Fraction(1))
        elif not _NUMBER.fullmatch(number) or Fraction(number) <= 0:
            raise BadWorldFile(f"{path}: {meaning!r}", "`base`, or a positive number and a unit declared before")
        elif other not in table:
            raise UnknownName(f"{path}: unit {other!r}", "a unit declared before")
        else:
            base, factor = table[other]
            table[unit] = (base, factor * Fraction(number))
    return table


def whole(text: str, unit: str, units: Units, path: str) -> int:
    """The whole number of `unit` that a quantity such as `20`, `20 mm` or `2.5cm` stands for."""
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise WrongType(f"{path}: {text!r}", "a whole number" + (f" of {unit}" if unit else ""))
    amount, given = Fraction(match[1]), match[2] or unit
    if given != unit:
        if not unit or given not in units or units[given][0] != units[unit][0]:
            raise WrongUnit(f"{path}: {text!r}", f"a quantity in {unit}" if unit else "a plain number")
        amount *= units[given][1] / units[unit][1]
    if amount.denominator != 1:
        kind = WrongUnit if match[2] else WrongType
        raise kind(f"{path}: {text!r}, {amount} of {unit or 'one'}", "a whole number" + (f" of {unit}" if unit else ""))
    if not -(2**63) < amount.numerator < 2**63:
        raise OutOfRange(f"{path}: {text}", "an integer of 64 bits")
    return amount.numerator
