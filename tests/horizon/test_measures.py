"""Measures on small records whose values can be counted by hand."""

from __future__ import annotations

import math
import statistics
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.horizon.drafts import Forgetful, walk
from worldgate.facts import canonical_json
from worldgate.horizon import Budget, Cost, Edits, Look, RunRecord, Settings, from_json, rollout, to_json
from worldgate.horizon import measures as of
from worldgate.horizon.errors import BadMeasure, BadRecord


def record(*divergences: float, looks: tuple[int, ...] = (), **more) -> RunRecord:
    count, divergences = len(divergences), tuple(map(float, divergences))
    given = {
        "proposed": divergences,
        "signals": (None,) * count,
        "bits": (0,) * count,
        "drift": {},
        "edits": {},
        "events": {},
        "derived": {},
    }
    return RunRecord(
        "world", "1", "driver", 0, "predictor", Settings(), divergences,
        looks=tuple(Look(at, at, Cost(calls=1), 0.0, 0) for at in looks), spent=Cost(calls=len(looks)),
        predictions=count, declined=0, learned=0, **(given | more),
    )  # fmt: skip


ROUND = record(0, 0.1, 0.3, 0, 0.2, 0.2, 0.2, 0.05, looks=(3, 6))


def test_the_horizon_is_the_first_step_beyond() -> None:
    assert [of.horizon(ROUND, epsilon) for epsilon in (0, 0.05, 0.1, 0.2, 0.3)] == [1, 1, 2, 2, 8]
    assert of.horizon(record(), 0) == 0


def test_recovery_counts_the_ways_back() -> None:
    assert of.recovery(ROUND, 0.1) == of.Recovery(faithful=4, strays=2, returns=2, mean_return=2.0)
    assert of.recovery(ROUND, 0.0) == of.Recovery(faithful=2, strays=2, returns=1, mean_return=2.0)
    assert of.recovery(ROUND, 1.0) == of.Recovery(faithful=8, strays=0, returns=0, mean_return=None)
    assert of.recovery(record(1.0, 1.0), 0) == of.Recovery(faithful=0, strays=1, returns=0, mean_return=None)
    assert of.recovery(record(), 0) == of.Recovery(0, 0, 0, None)


def test_windows_are_the_stretches_between_looks() -> None:
    # 0, .1, .3 | 0, .2, .2 | .2, .05
    assert of.windowed(ROUND, 0.1) == of.Windowed(longest=2, mean_between=(2 + 1 + 0) / 3)
    assert of.windowed(ROUND, 0.2) == of.Windowed(longest=5, mean_between=(2 + 3 + 2) / 3)
    assert of.windowed(record(), 0.1) == of.Windowed(0, None)
    glanced = msgspec.structs.replace(
        ROUND, looks=tuple(msgspec.structs.replace(one, full=False) for one in ROUND.looks)
    )
    assert of.windowed(glanced, 0.2).mean_between == 2


def test_the_area_under_what_agrees() -> None:
    assert of.area(ROUND) == pytest.approx(1 - 1.05 / 8)
    assert of.area(record()) is None


def test_drift_is_a_mean_over_all_steps() -> None:
    rows = [record(0, 0, drift={"up": (0.5, 1.0)}), record(0, 0, drift={"up": (0.0, 0.5), "link": (0.2, 0.2)})]
    assert of.drift(rows) == pytest.approx({"link": 0.1, "up": 0.5})
    assert of.drift([]) == {}


EVENTS = {"up: true -> false": Edits(90, 90, 3), "flow: absent -> true": Edits(10, 1, 0), "up: x": Edits(0, 0, 4)}


def test_rare_events_do_not_hide_in_the_mean() -> None:
    assert of.recall(EVENTS.values()) == 0.91
    assert of.precision(EVENTS.values()) == pytest.approx(91 / 98)
    assert of.rare(EVENTS, 0.2) == (("flow: absent -> true",), 0.1)
    assert of.rare(EVENTS, 0.05) == ((), None)
    trained = {"up: true -> false": 1, "something else": 999}
    assert of.rare(EVENTS, 0.01, trained) == (("flow: absent -> true", "up: true -> false"), 0.91)
    assert of.rare(EVENTS, 0.01, {})[0] == ("flow: absent -> true", "up: true -> false")
    assert of.recall([]) is of.precision([]) is None
    assert EVENTS["flow: absent -> true"].missed == 9
    assert of.pooled([EVENTS, EVENTS])["up: true -> false"] == Edits(180, 180, 6)


def test_correlations() -> None:
    assert of.pearson([(1, 2), (2, 4), (3, 6)]) == pytest.approx(1)
    assert of.spearman([(1, 1), (2, 10), (3, 100), (4, 50)]) == pytest.approx(0.8)
    assert of.ranks([3, 1, 3, 2]) == [3.5, 1, 3.5, 2]
    assert of.pearson([(1e-200, 1), (2e-200, 2)]) is None  # no spread that a float can tell
    for few in ([], [(1, 1)], [(1, 1), (1, 2)], [(1, 2), (3, 2)]):
        assert of.pearson(few) is of.spearman(few) is None


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=30))
@settings(max_examples=50, deadline=None)
def test_correlations_against_another_implementation(pairs) -> None:
    one, two = zip(*pairs, strict=True)
    if len(set(one)) > 1 and len(set(two)) > 1:
        assert of.pearson(pairs) == pytest.approx(statistics.correlation(one, two))
        ranked = [[(sum(a < b for a in row) + sum(a <= b for a in row) + 1) / 2 for b in row] for row in (one, two)]
        assert of.spearman(pairs) == pytest.approx(statistics.correlation(*ranked))


def test_reliability_bins_hold_every_step() -> None:
    pairs = [(0.0, 0.1), (0.1, 0.3), (0.5, 0.5), (1.0, 0.9)]
    first, second = of.reliability(pairs, 2)
    assert first == of.Bin(0.0, 0.5, 2, pytest.approx(0.05), pytest.approx(0.2))
    assert second == of.Bin(0.5, 1.0, 2, 0.75, 0.7)
    assert of.reliability([(2, 1), (2, 3)], 5) == [of.Bin(2, 2, 2, 2.0, 2.0)]
    assert of.reliability([(0, 1), (3, 1)], 3)[1] == of.Bin(1, 2, 0, None, None)
    assert of.reliability([]) == []
    with pytest.raises(BadMeasure):
        of.reliability(pairs, 0)
    assert of.signals([record(0.1, 0.2, signals=(None, 0.7))]) == [(0.7, 0.2)]


def test_the_bootstrap_of_one_is_one_and_of_none_is_none() -> None:
    assert of.bootstrap([]) is None
    assert of.bootstrap([3.0]) == of.Interval(3.0, 3.0, 3.0, 1)
    found = of.bootstrap(range(10), seed=1)
    assert found == of.bootstrap(range(10), seed=1) != of.bootstrap(range(10), seed=2)
    assert found.low < found.mean == 4.5 < found.high
    for bad in ({"resamples": 0}, {"confidence": 1.0}):
        with pytest.raises(BadMeasure):
            of.bootstrap([1.0], **bad)
    assert of.over([ROUND, record()], of.area) == of.bootstrap([of.area(ROUND)])


def test_the_bootstrap_covers_about_as_often_as_it_says() -> None:
    random = Random(7)
    hits = 0
    for seed in range(200):
        found = of.bootstrap([random.gauss(1, 1) for _ in range(40)], seed=seed, resamples=200)
        hits += found.low <= 1 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_counts_of_edits_are_those_of_the_deltas() -> None:
    """One wrong step, counted by hand: the last edit of each wrong delta is missed, and nothing is false."""
    true = walk("support-desk", "everyday")
    found = rollout(true, Forgetful(true))
    wrong = sum(bits > 0 for bits in found.bits)
    edits = of.pooled([found.edits]).values()
    assert sum(row.true for row in edits) == sum(len(step.net) for step in true.steps)
    assert 0 < sum(row.missed for row in edits) <= wrong
    events = found.events.values()
    assert sum(row.true for row in events) == sum(row.true for row in edits)
    assert sum(row.missed for row in events) == sum(row.missed for row in edits)
    assert of.bits(found) == sum(found.bits) / 24 > 0


def test_a_record_is_its_json() -> None:
    true = walk("filesystem", "adversarial")  # with names that are no Unicode
    given = Settings("conformal", {"tolerance": 0.02, "free": True}, budget=Budget(calls=5), probe="most_uncertain")
    whole = Settings("look-ahead", {"k": 4}, rho=1)  # as one writes them
    for one in (rollout(true, Forgetful(true), given), rollout(true, Forgetful(true), whole), ROUND, record()):
        assert from_json(to_json(one)) == one
        assert to_json(from_json(to_json(one))) == to_json(one)
        assert not any(isinstance(part, float) and math.isnan(part) for part in one.divergences)


def test_what_is_no_record_is_refused() -> None:
    whole = msgspec.json.decode(to_json(ROUND))
    for change in (
        {"format": 2},
        {"proposed": [0.0]},
        {"drift": {"up": [0.0]}},
        {"spent": {"calls": "many"}},
        {"settings": {"polici": "never"}},
        {"extra": 1},
    ):
        with pytest.raises(BadRecord):
            from_json(canonical_json(whole | change))
    for text in (b"", b"{}", b"[1]", b"\xff", "no record"):
        with pytest.raises(BadRecord):
            from_json(text)
