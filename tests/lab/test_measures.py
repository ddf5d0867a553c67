"""Each measure of the lab on one record whose numbers can be counted by hand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.horizon.test_measures import record
from worldgate.horizon import Cost, Edits, Look
from worldgate.lab.measures import MEASURES


def look(step: int, *, calls: int = 0, entries: int = 2, bits: int = 0, by: str | None = "reach") -> Look:
    return Look(step, step, Cost(calls=calls, entries=entries, bits=bits), 0.0, 0, by=by, full=calls > 0)


HAND = replace(
    record(
        0, 0.1, 0, 0.3, 0.02,
        proposed=(0.0, 0.1, 0.4, 0.3, 0.02),
        signals=(0.05, 0.09, 0.1, 0.1, None),
        bits=(0, 6, 0, 12, 7),
        edits={"up": Edits(true=3, found=2, false=1), "flow": Edits(true=5, found=1, false=3)},
        derived={"reach": (1.0, 1 - 1 / 20, 0.5, 1.0, 1.0), "routes": (1.0, 1.0, 0.75, 1 - 2 / 20, 1.0)},
    ),
    looks=(
        look(0),  # it agreed, and the state was the true one
        look(1),  # it agreed, though the state was not
        look(2, calls=1, bits=300),  # it disagreed
        look(3, bits=2),  # it disagreed, and the budget refused the rest
        look(4, calls=1, entries=0, bits=98, by=None),  # it was not asked
    ),
    spent=Cost(calls=2, entries=8, bits=400),
)  # fmt: skip
EXPECTED = {
    "horizon": (1, 1),
    "median horizon": (1, 1),
    "faithful": (3, 1),
    "area": (1 - 0.42 / 5, 1),
    "calls": (2, 1),
    "entries": (8, 1),
    "bits": (400, 1),
    "horizon per kilobit": (1, 0.4),
    "faithful per kilobit": (3, 0.4),
    "exact": (2, 5),
    "right": (1, 5),
    "uncertainty": (0.05 + 0.09 + 0.1 + 0.1, 4),
    "coverage": (2, 4),
    "selective risk": (1, 2),
    "ranked": (1 + 1 + 1 / 2, 4),  # 0.09 and one 0.1 are wrong, 0.05 and the other 0.1 right
    "recall": (3, 8),
    "precision": (3, 7),
    "bits to correct": (5, 1),
    "settled": (2, 4),
    "blind": (1, 2),
    "judged": ((1 + 0.95 + 0.5 + 0.9 + 1) / 5, 1),
    "judged horizon": (2, 1),
}


def test_there_is_a_number_for_every_measure() -> None:
    assert EXPECTED.keys() == MEASURES.keys()


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_is_what_is_counted_by_hand(name: str) -> None:
    assert MEASURES[name].of(HAND, 0.05) == pytest.approx(EXPECTED[name])


def test_what_depends_on_epsilon_is_marked_so() -> None:
    for name, measure in MEASURES.items():
        assert (measure.of(HAND, 0.0) != measure.of(HAND, 0.35)) == measure.epsilon, name


def test_there_is_no_judged_horizon_without_a_judge() -> None:
    for name in ("judged", "judged horizon"):
        assert MEASURES[name].of(record(0, 0), 0.0) is None
