"""Strategy files are read exactly and strictly; what is refused is refused at its path."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.planners.strategy import (
    BadNumber,
    BadStrategy,
    ConflictingRules,
    Contradiction,
    OutsideUniverse,
    RepeatedSymbol,
    json_schema,
    load_strategy,
    make_strategy,
)
from worldgate.worlds.market.units import ONE

from .markets import BAND, BELOW, CROSS, SMA, Z, document, strategy

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT / "docs" / "schemas" / "strategy.json"
EXAMPLES = sorted((ROOT / "examples" / "strategies").glob("*.json"))
GOOD = document(BAND, CROSS, Z, symbols=["A", "B", "C"])


def changed(*path: object, to: object) -> str:
    """A good file with one value at a path; `to` is JSON text."""
    data = json.loads(json.dumps(GOOD))
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "<here>"
    return json.dumps(data).replace('"<here>"', str(to))


def fits(text: str) -> bool:
    """Whether the published schema takes a file, whose numbers must not be read as binary floats."""
    validator = jsonschema.Draft202012Validator(json.loads(PUBLISHED.read_text(encoding="utf-8")))
    return validator.is_valid(json.loads(text, parse_float=Decimal))


def refused(text: str) -> BadStrategy:
    with pytest.raises(BadStrategy) as caught:
        load_strategy(text)
    return caught.value


# --- what is read ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", ONE // 10),
        ('"0.1"', ONE // 10),
        ("0.10", ONE // 10),
        ("1e-1", ONE // 10),
        ("0.00000001", 1),
        ("12345678901.12345678", 1234567890112345678),  # as a binary float it would end in 2
        ('"12345678901.12345678"', 1234567890112345678),
        ("3", 3 * ONE),
        ("1E2", 100 * ONE),
    ],
)
def test_numbers_are_those_of_the_literal_text(text, value):
    found = load_strategy(changed("sizing", "max_new_exposure", to=text))
    assert found.sizing.max_new_exposure == value
    assert fits(changed("sizing", "max_new_exposure", to=text))


@settings(max_examples=50)
@given(st.integers(1, 10**20), st.booleans())
def test_every_number_of_eight_places_is_kept(value, quoted):
    text = f"{value // ONE}.{value % ONE:08}"
    found = load_strategy(changed("sizing", "max_new_exposure", to=f'"{text}"' if quoted else text))
    assert found.sizing.max_new_exposure == value


def test_defaults():
    found = strategy(BELOW)
    assert (found.timing.evaluate_every, found.timing.start) == (1, 1)
    assert (found.sizing.max_new_exposure, found.sizing.allow_short, found.combine) == (None, False, None)


def test_the_digest_is_of_the_content():
    written = load_strategy(changed("sizing", "order_quantity", to='"1.0"')).digest
    assert written == load_strategy(changed("sizing", "order_quantity", to="1e0")).digest
    assert written == load_strategy(changed("timing", to='{"start": 1}')).digest
    assert written != load_strategy(changed("sizing", "order_quantity", to="2")).digest
    assert written != load_strategy(changed("rules", 0, "buy_below", to="100.00000001")).digest


# --- what is refused ---------------------------------------------------------------------------------

FIELDS = [
    ((), "universes", "{}", "$.universes"),
    (("metadata",), "author", '"me"', "$.metadata.author"),
    (("universe",), "all", "true", "$.universe.all"),
    (("sizing",), "leverage", "2", "$.sizing.leverage"),
    (("rules", 1), "window", "3", "$.rules[1].window"),
    (("metadata",), "name", '""', "$.metadata.name"),
    (("metadata",), "version", "1", "$.metadata.version"),
    (("metadata",), "description", '"\\ud800"', "$.metadata"),
    (("universe",), "symbols", "[]", "$.universe.symbols"),
    (("universe",), "symbols", '["A", ""]', "$.universe.symbols[1]"),
    (("universe",), "symbols", '["A B"]', "$.universe.symbols[0]"),
    (("universe",), "symbols", '["A\\n"]', "$.universe.symbols[0]"),
    ((), "timing", '{"evaluate_every": 0}', "$.timing.evaluate_every"),
    ((), "timing", '{"evaluate_every": 1.5}', "$.timing.evaluate_every"),
    ((), "timing", '{"evaluate_every": true}', "$.timing.evaluate_every"),
    ((), "timing", '{"start": -1}', "$.timing.start"),
    ((), "combine", '"all"', "$.combine"),
    (("sizing",), "allow_short", "1", "$.sizing.allow_short"),
    ((), "rules", "[]", "$.rules"),
    ((), "rules", '[{"symbol": "A"}]', "$.rules[0].type"),
    (("rules", 2), "type", '"oracle"', "$.rules[2].type"),
    (("rules", 1), "mode", '"levels"', "$.rules[1].mode"),
    (("rules", 1), "short_window", "0", "$.rules[1].short_window"),
    (("rules", 1), "short_window", '"2"', "$.rules[1].short_window"),
    (("rules", 1), "short_window", "1000000", "$.rules[1].short_window"),
    (("rules", 2), "window", "1", "$.rules[2].window"),
]


@pytest.mark.parametrize(("where", "field", "to", "path"), FIELDS)
def test_what_is_not_understood_is_refused_at_its_path(where, field, to, path):
    text = changed(*where, field, to=to)
    error = refused(text)
    assert (error.number, error.path) == ("WG340", path)
    assert path in str(error)
    assert not fits(text) or "\\" in to  # that a text is Unicode and ends where it ends is not for the schema to say


@pytest.mark.parametrize("section", ["metadata", "universe", "sizing", "rules"])
def test_a_missing_section_is_named(section):
    error = refused(json.dumps({name: part for name, part in GOOD.items() if name != section}))
    assert error.path == f"$.{section}"


@pytest.mark.parametrize("field", ["symbol", "window", "z_buy_below", "z_sell_above"])
def test_a_missing_field_of_a_rule_is_named(field):
    rule = {name: value for name, value in GOOD["rules"][2].items() if name != field}
    assert refused(changed("rules", 2, to=json.dumps(rule))).path == f"$.rules[2].{field}"


@pytest.mark.parametrize(
    "to",
    ["NaN", "Infinity", "-Infinity", '"NaN"', '"inf"', "true", "null", "1e400", "1e-9", '"1e3"', '" 1"', '"1_0"', '"١"',
     '"0x1"', '""', "[1]", "{}", '"0.000000001"', "9" * 40],
)  # fmt: skip
@pytest.mark.parametrize("place", [("sizing", "order_quantity"), ("rules", 2, "z_buy_below")])
def test_what_is_no_exact_number_is_refused(to, place):
    path = "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    error = refused(changed(*place, to=to))
    assert isinstance(error, BadNumber)
    assert error.path == path


@pytest.mark.parametrize("to", ["0", "-1", '"-0.5"'])
@pytest.mark.parametrize("field", ["order_quantity", "max_position", "max_new_exposure"])
def test_sizes_are_above_zero(to, field):
    error = refused(changed("sizing", field, to=to))
    assert (error.number, error.path) == ("WG341", f"$.sizing.{field}")


def test_a_number_in_the_map_is_refused_at_its_symbol():
    error = refused(changed("sizing", "max_position_by_symbol", to='{"A": 1, "B": NaN}'))
    assert (error.number, error.path) == ("WG341", "$.sizing.max_position_by_symbol.B")


@pytest.mark.parametrize("given", [0.1, float("nan"), True, None, b"1"])
def test_numbers_given_as_data_are_exact_too(given):
    with pytest.raises(BadNumber, match="order_quantity"):
        make_strategy(document(BELOW, sizing={"order_quantity": given}))


CONTRADICTIONS = [
    (("rules", 0, "buy_below"), "110", "$.rules[0].buy_below"),
    (("rules", 0, "buy_below"), '"110.00000001"', "$.rules[0].buy_below"),
    (("rules", 0), '{"type": "threshold_price", "symbol": "A"}', "$.rules[0].buy_below"),
    (("rules", 1, "short_window"), "3", "$.rules[1].short_window"),
    (("rules", 1, "short_window"), "4", "$.rules[1].short_window"),
    (("rules", 2, "z_buy_below"), "1.5", "$.rules[2].z_buy_below"),
    (("rules", 2, "z_buy_below"), "-1.74", "$.rules[2].z_buy_below"),  # four closes reach the root of three
    (("rules", 2, "z_sell_above"), "1.74", "$.rules[2].z_sell_above"),
    (("sizing", "max_position"), "0.5", "$.sizing.max_position"),
    (("sizing", "max_position_by_symbol"), '{"B": 2, "C": 0.5}', "$.sizing.max_position_by_symbol.C"),
]


@pytest.mark.parametrize(("place", "to", "path"), CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused(place, to, path):
    error = refused(changed(*place, to=to))
    assert isinstance(error, Contradiction)
    assert error.path == path


@pytest.mark.parametrize(
    ("place", "to"), [(("rules", 2, "z_buy_below"), "-1.73"), (("rules", 0, "buy_below"), "109.99999999")]
)
def test_settings_that_only_just_agree_are_taken(place, to):
    load_strategy(changed(*place, to=to))


def test_rules_and_limits_are_about_the_universe():
    for place, to, path in (
        (("rules", 1, "symbol"), '"Z"', "$.rules[1].symbol"),
        (("sizing", "max_position_by_symbol"), '{"Z": 1}', "$.sizing.max_position_by_symbol.Z"),
    ):
        error = refused(changed(*place, to=to))
        assert isinstance(error, OutsideUniverse)
        assert error.path == path


def test_a_symbol_is_in_the_universe_once():
    error = refused(changed("universe", "symbols", to='["A", "B", "A", "C"]'))
    assert isinstance(error, RepeatedSymbol)
    assert error.path == "$.universe.symbols[2]"


def test_two_rules_of_a_symbol_need_a_word_on_which_holds():
    data = document(BAND, SMA)
    with pytest.raises(ConflictingRules) as caught:
        make_strategy(data)
    assert caught.value.path == "$.rules[1]"
    for combine in ("agree", "first"):
        make_strategy({**data, "combine": combine})


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"metadata": {"name": "a", "name": "b"}}', "$.metadata.name (again)"),
        (
            changed("sizing", "max_position_by_symbol", to='{"A": 2, "A": 3}'),
            "$.sizing.max_position_by_symbol.A (again)",
        ),
        ("", "$"),
        ("{", "$"),
        ("[]", "$"),
        ("null", "$"),
        ("[" * 100_000, "$"),
        ("1" * 5000, "$"),
        (json.dumps(GOOD) + " " * 4_000_000, "$"),
    ],
)
def test_what_is_no_document_is_refused(text, path):
    assert refused(text).path == path


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda part: (
            st.lists(part, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "symbol", "type"]), part, max_size=4)
        ),
        max_leaves=8,
    ),
    st.sampled_from(
        [(), *((name,) for name in GOOD), ("rules", 0), ("sizing", "order_quantity"), ("rules", 2, "window")]
    ),
)
def test_nothing_but_a_numbered_error_comes_of_any_data(part, place):
    with suppress(BadStrategy):
        load_strategy(changed(*place, to=json.dumps(part)) if place else json.dumps(part))


# --- what is published -------------------------------------------------------------------------------


def test_the_published_schema_is_the_code_s():
    """`python bench/schemas.py` writes it anew."""
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == json.loads(json.dumps(json_schema()))


def test_the_schema_is_closed_everywhere():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    objects = [part for part in json_schema()["$defs"].values() if part["type"] == "object"]
    assert len(objects) == 8
    assert all(part["additionalProperties"] is False for part in objects)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_load_and_fit_the_schema(path):
    text = path.read_text(encoding="utf-8")
    found = load_strategy(text)
    assert found.metadata.name == path.stem
    assert make_strategy(found.to_json()) == found == load_strategy(json.dumps(found.to_json()))
    assert fits(text)
    assert fits(json.dumps(found.to_json()))


def test_there_are_examples_of_every_rule():
    said = {type(rule).__name__ for path in EXAMPLES for rule in load_strategy(path.read_text(encoding="utf-8")).rules}
    assert said == {"ThresholdPrice", "SmaCrossover", "MeanReversionZscore"}
