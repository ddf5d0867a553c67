"""Expressions: typed at load, bounded and closed at run time."""

from __future__ import annotations

import pytest

from worldgate.worlds.expressions import BadExpression, Environment, ExpressionFailed

STOCK = {"apples": 3, "pears": 0}
ENVIRONMENT = Environment(
    {"item": "string", "n": "int", "ready": "bool"},
    {
        "stock": (lambda item: STOCK[item], "int", ("string",)),
        "items": (lambda: sorted(STOCK), "list(string)", ()),
    },
)


def test_expressions_read_variables_and_functions():
    enough = ENVIRONMENT.compile("ready && stock(item) >= n")
    assert enough(ready=True, item="apples", n=2) is True
    assert enough(ready=True, item="pears", n=2) is False
    assert enough(ready=False, item="no such item", n=2) is False, "nothing is asked that is not needed"
    assert ENVIRONMENT.compile("items().filter(i, stock(i) > 0).size()", "int")() == 1
    assert ENVIRONMENT.compile("item + '!'", "string")(item="a") == "a!"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stok(item) > 1", "undeclared reference to 'stok'"),
        ("count > 1", "undeclared reference to 'count'"),
        ("stock(n) > 1", "no matching overload"),
        ("stock(item) > '1'", "no matching overload"),
        ("stock(item)", "no matching overload"),
        ("items()", "no matching overload"),
        ("n >", "Syntax error"),
        ("", "''"),
        (None, "None"),
        ("1.5 > n", "no matching overload"),
    ],
)
def test_unknown_names_and_types_are_errors_at_load(text, says):
    with pytest.raises(BadExpression) as caught:
        ENVIRONMENT.compile(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("n / 0 > 1", {"n": 3}),
        ("n * 9223372036854775807 > 1", {"n": 3}),
        ("n > 1", {"n": 2**63}),
        ("n > 1", {"n": "3"}),
        ("n > 1", {}),
        ("stock(item) > 1", {"item": "plums"}),
    ],
)
def test_what_cannot_be_evaluated_fails_closed(text, values):
    with pytest.raises(ExpressionFailed):
        ENVIRONMENT.compile(text)(**values)


def test_a_hostile_value_stays_data():
    same = ENVIRONMENT.compile("item == 'x'")
    assert same(item="x' || true || '") is False


def test_unknown_types_are_refused():
    with pytest.raises(BadExpression):
        Environment({"x": "float"})
