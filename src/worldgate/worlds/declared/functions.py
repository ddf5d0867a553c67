"""What expressions can ask of the state, and how they are evaluated.

Each relation is a function; the functions answer about the draft that is current in `evaluate`, so
an expression is compiled once for all states, and what it looks at is in the step's read set.

    orders()                    the ids, sorted
    order_exists(id)            whether there is one
    order_amount(id)            a field; asking for an absent one fails the rule that asked
    has_order_note(id)          whether an optional field is there
    sum_order_amount(ids)       the sum of a whole-number field over these ids
    day()                       a value;  arm_in_use(), battery_left() the level of a resource
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from ...facts import Draft, State, format_address
from ..expressions import INT_RANGE, Expression, ExpressionFailed, Function
from .errors import NotEvaluated
from .schema import Slot, Vocabulary

CEL_TYPES = {"int": "int", "bool": "bool", "text": "string", "enum": "string", "ref": "string"}


class _Evaluation:
    """The draft an expression is about, and what went wrong in it."""

    __slots__ = ("draft", "problem")

    def __init__(self, draft: Draft) -> None:
        self.draft, self.problem = draft, ""


_current: ContextVar[_Evaluation] = ContextVar("evaluation")


def evaluate(expression: Expression, draft: Draft, values: Mapping[str, Any], rule: str) -> Any:
    """The value over `draft`; `NotEvaluated` when there is none."""
    evaluation = _Evaluation(draft)
    token = _current.set(evaluation)
    try:
        return expression(**values)
    except ExpressionFailed as error:
        raise NotEvaluated(rule, evaluation.problem or error.found, f"a value of {expression.text}") from error
    finally:
        _current.reset(token)


def functions(words: Vocabulary) -> Mapping[str, Function]:
    """Every function of a world's expressions, for `expressions.Environment`."""
    table: dict[str, Function] = {}
    for each, collection in words.things.items():
        table[collection] = (_ids(each), "list(string)", ())
        table[f"{each}_exists"] = (_present(each), "bool", ("string",))
    for slot in words.slots.values():
        columns = ("string",) if slot.each else ()
        table[slot.relation] = (_value(slot), CEL_TYPES[slot.type.kind], columns)
        if slot.optional:
            table[f"has_{slot.relation}"] = (_present(slot.relation), "bool", columns)
        if slot.each and slot.type.kind == "int":
            table[f"sum_{slot.relation}"] = (_sum(slot), "int", ("list(string)",))
    return table


def _ids(each: str) -> Callable[[], list[str]]:
    return lambda: ids(_current.get().draft, each)


def ids(facts: Draft | State, each: str) -> list[str]:
    """The ids of all things of one kind, sorted."""
    return sorted(str(one) for (one,) in facts.select(each, ()))


def _present(relation: str) -> Callable[..., bool]:
    return lambda *key: _current.get().draft.get(relation, key) is not None


def _value(slot: Slot) -> Callable[..., Any]:
    def read(*key: str) -> Any:
        evaluation = _current.get()
        value = evaluation.draft.get(slot.relation, key)
        if value is None:
            evaluation.problem = f"{format_address(slot.relation, key)}, which is absent"
            raise LookupError(evaluation.problem)
        return value

    return read


def _sum(slot: Slot) -> Callable[[Iterable[str]], int]:
    read = _value(slot)

    def total(listed: Iterable[str]) -> int:
        found: int = sum(read(one) for one in listed)
        if found not in INT_RANGE:
            _current.get().problem = f"sum_{slot.relation} = {found}, beyond 64 bits"
            raise OverflowError(found)
        return found

    return total
