"""The text of actions: canonical form, units, and the number of each thing that can be wrong."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldgate.worlds import Outside, get
from worldgate.worlds.declared import world_from_text
from worldgate.worlds.declared.actions import Action

WORLD = world_from_text(
    """
world: post
version: "1"
units: {cents: base, eur: 100 cents, dozen: 12 pieces, pieces: base}
collections: {boxes: {each: box, fields: {label: text}}}
actions:
  send:
    params:
      box: {ref: box}
      width: {type: int, unit: mm, min: -500, max: 2000}
      label: text
      fragile: {type: bool, default: false}
      speed: {enum: [slow, fast], default: slow}
      price: {type: int, unit: cents, default: 2.5 eur}
      count: {type: int, default: 1}
""".replace("dozen: 12 pieces, pieces: base", "pieces: base, dozen: 12 pieces")
)


def send(**parameters: str) -> str:
    given = {"box": '"b"', "width": "5", "label": '"x"', **parameters}
    return f"send({', '.join(f'{name}: {text}' for name, text in given.items())})"


def test_the_canonical_text_has_every_parameter_in_the_declared_unit() -> None:
    action = WORLD.parse(' send( label:"a, b)" , width : 2.5cm, box: "b" ) ')
    assert str(action) == (
        'send(box: "b", width: 25, label: "a, b)", fragile: false, speed: "slow", price: 250, count: 1)'
    )
    assert WORLD.parse(str(action)) == action


def test_the_json_form_stands_for_the_same_action() -> None:
    assert WORLD.parse('{"send": {"box": "b", "label": "x", "width": 5}}') == WORLD.parse(send())


@pytest.mark.parametrize(
    ("text", "width"), [("20", 20), ("20 mm", 20), ("2cm", 20), ("2.0 cm", 20), ("0.002 m", 2), ("-3 mm", -3)]
)
def test_units_convert_exactly(text: str, width: int) -> None:
    assert WORLD.parse(send(width=text)).values["width"] == width


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", "WG256"),
        ("send", "WG256"),
        ("send(", "WG256"),
        ("send(box)", "WG256"),
        (send() + ")", "WG256"),
        (send() + "; " + send(), "WG256"),
        (send(box="b"), "WG256"),
        (send(label="'x'"), "WG256"),
        (send(count="9" * 30), "WG261"),
        (send(label='"\\x41"'), "WG256"),
        (send(width="1e3"), "WG262"),
        (send(width="²"), "WG256"),
        (send(width="500 um * 2"), "WG256"),
        (send(width="NaN"), "WG256"),
        ("[1]", "WG256"),
        ('{"send": 1}', "WG256"),
        ('{"a": {}, "b": {}}', "WG256"),
        ('{"send": {"box": NaN}}', "WG260"),
        ("a" * 10_001, "WG256"),
        ("post()", "WG257"),
        ("Send()", "WG256"),
        ("send()", "WG258"),
        ('{"send": {"box": null, "width": 1, "label": ""}}', "WG258"),
        (send(colour='"red"'), "WG259"),
        (send(width='"5"'), "WG260"),
        (send(width="true"), "WG260"),
        (send(width="2.5"), "WG260"),
        (send(label="5"), "WG260"),
        (send(label="5 mm"), "WG260"),
        (send(label='"\\ud800"'), "WG260"),
        (send(box="true"), "WG260"),
        (send(box='""'), "WG260"),
        (send(fragile="1"), "WG260"),
        (send(fragile='"true"'), "WG260"),
        ('{"send": {"box": "b", "label": "x", "width": "5 mm"}}', "WG260"),
        ('{"send": {"box": "b", "label": "x", "width": [5]}}', "WG260"),
        ('{"send": {"box": "b", "label": "x", "width": 1.5}}', "WG260"),
        (send(width="2001"), "WG261"),
        (send(width="2.001 m"), "WG261"),
        (send(width="-501"), "WG261"),
        (send(speed='"warp"'), "WG261"),
        (send(count="9223372036854775808"), "WG261"),
        (send(label='"' + "x" * 9_960 + '"'), "ok"),
        (send(box='"' + "x" * 201 + '"'), "WG261"),
        (send(width="5 kg"), "WG262"),
        (send(width="5 eur"), "WG262"),
        (send(width="2.55 cm"), "WG262"),
        (send(width="5 furlong"), "WG262"),
        (send(count="1 dozen"), "WG262"),
        (send() [:-1] + ', box: "c")', "WG263"),
        ('{"send": {"box": "b", "box": "c"}}', "WG263"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_own_number(text: str, number: str) -> None:
    if number == "ok":
        assert WORLD.parse(text)
        return
    with pytest.raises(Outside) as caught:
        WORLD.parse(text)
    assert caught.value.number == number


@given(
    st.fixed_dictionaries(
        {
            "box": st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
            "width": st.integers(-500, 2000),
            "label": st.text(st.characters(codec="utf-8"), max_size=50),
            "fragile": st.booleans(),
            "speed": st.sampled_from(["slow", "fast"]),
            "price": st.integers(-(2**63) + 1, 2**63 - 1),
            "count": st.integers(-5, 5),
        }
    )
)
def test_the_canonical_text_parses_to_an_equal_action(values: dict[str, Any]) -> None:
    action = Action("send", tuple((name, values[name]) for name in WORLD.model.signatures["send"]))
    assert WORLD.parse(str(action)) == action


@given(st.integers(-500_000, 2_000_000), st.sampled_from([("um", 1), ("mm", 1000), ("cm", 10_000), ("m", 1_000_000)]))
def test_a_quantity_converts_exactly_or_not_at_all(amount: int, unit: tuple[str, int]) -> None:
    text, exact = f"{amount / 1000:.3f} {unit[0]}", Fraction(amount, 1000) * unit[1] / 1000
    if exact.denominator == 1 and -500 <= exact <= 2000:
        assert WORLD.parse(send(width=text)).values["width"] == exact
    else:
        with pytest.raises(Outside):
            WORLD.parse(send(width=text))


@given(st.text(max_size=60))
def test_any_text_is_an_action_or_outside(text: str) -> None:
    for candidate in (text, f"send({text})", send(label=text), send(width=text)):
        with suppress(Outside):
            assert WORLD.parse(str(WORLD.parse(candidate)))


def test_a_deeply_nested_json_form_is_outside() -> None:
    with pytest.raises(Outside):
        WORLD.parse('{"send":' * 2_000 + "1" + "}" * 2_000)


@pytest.mark.parametrize("name", ["support-desk", "robot-cell"])
def test_what_drivers_say_is_canonical(name: str) -> None:
    world, random = get(name), Random(3)
    for driver in world.drivers.values():
        text = driver(world.initial(0), random)
        assert str(world.parse(text)) == text
