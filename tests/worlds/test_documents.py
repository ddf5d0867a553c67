"""Documents are read strictly: one, plain, no key twice, of bounded size."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from worldgate.facts import Error
from worldgate.worlds.documents import MAX_BYTES, converted, load_document


class Bad(Error):
    title = "bad"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: 1", {"a": 1}),
        ('{"a": [1, null]}', {"a": [1, None]}),
        ("- x\n- y", ["x", "y"]),
        ("", None),
        ("a: {b: 1}", {"a": {"b": 1}}),
        ("[1e-3, 2.E6, -.5e+1, 1e, e3, 0x1e3]", [0.001, 2e6, -5.0, "1e", "e3", 0x1E3]),
    ],
)
def test_plain_data_is_read(text: str, data: object) -> None:
    assert load_document(text, "it", Bad) == data


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2", "line 2"),
        ("x: {b: 1, b: 2}", "a second time"),
        ("a: &x 1\nb: *x", "alias"),
        ("a: [", "line"),
        ("a: 1\n---\nb: 2", "document"),
        ("!!python/object/apply:os.system ['true']", "it: "),
        ("? [a]\n: 1", "it: "),
        ("a: \x00", "it: "),
        ("[" * 5000, "it: "),
        ("a: 2026-99-99", "it: "),
        ("{[1]: 2}", "no plain text"),
        ("{<<: {a: 1}, b: 2}", "line 1"),
    ],
)
def test_anything_else_is_the_caller_s_error_with_the_name_of_the_document(text: str, says: str) -> None:
    with pytest.raises(Bad) as found:
        load_document(text, "it", Bad)
    assert "it: " in found.value.found
    assert says in str(found.value)


class Part(msgspec.Struct, forbid_unknown_fields=True):
    given: int = msgspec.field(default=0, name="size")
    colour: Literal["red", "blue"] = "red"


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    parts: tuple[Part, ...] = ()
    named: dict[str, Part] = {}
    one: Part | None = None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"part": 1}, "`part`, not one of parts, named, one - at `$.it`"),
        ({"parts": [{}, {"length": 1}]}, "`length`, not one of size, colour - at `$.it.parts[1]`"),
        ({"named": {"a": {"length": 1}}}, "`length`, not one of size, colour - at `$.it.named[...]`"),
        ({"one": {"colour": "green"}}, "'green', not one of blue, red - at `$.it.one.colour`"),
        ({"one": {"size": "big"}}, "Expected `int`, got `str` - at `$.it.one.size`"),
        ({"named": {1: {}}}, "Expected `str`, got `int` - at `key` in `$.it.named`"),
        (3, "Expected `object`, got `int` - at `$.it`"),
    ],
)
def test_data_of_another_type_is_told_with_its_place_and_what_is_known_there(data: object, says: str) -> None:
    with pytest.raises(msgspec.ValidationError) as found:
        converted(data, Whole, "$.it")
    assert str(found.value).endswith(says)


def test_size_is_bounded_before_anything_is_parsed() -> None:
    assert load_document("#" * MAX_BYTES, "it", Bad) is None
    with pytest.raises(Bad, match="at most"):
        load_document("#" * (MAX_BYTES + 1), "it", Bad)
