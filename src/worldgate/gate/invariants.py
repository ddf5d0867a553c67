"""Invariants: conditions in CEL over what is judged, compiled and type-checked when a policy loads.

In the filesystem the functions speak of paths; in every other world they are the schema's own
relations: `r(key)` after, `before_r(key)` before, `has_r(key)` and `had_r(key)` for whether there is
such a fact; and what the world offers as questions about its derived relations, whose answers show
what they found. Asking for the value of a fact that is absent is an error, and an invariant that raises
is a breach. Relations with decimals or bytes have no functions, and text that is not UTF-8 cannot
enter an expression: that too is an error, so it refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any

from ..facts import Relation, Schema, State
from ..worlds import Question
from ..worlds.expressions import Environment, Expression, ExpressionFailed, Function
from ..worlds.filesystem.effects import look
from ..worlds.filesystem.names import find
from ..worlds.filesystem.schema import SCHEMA as FILESYSTEM
from .decision import Breach
from .globs import glob
from .rules import Rule, Subject

Questions = tuple[tuple[str, Question], ...]

_subject: ContextVar[tuple[Subject, list[str]]] = ContextVar("subject")
"""What is judged now, and what its questions found to show."""
_KINDS = {"bool": "bool", "int": "int", "text": "string", "enum": "string", "ref": "string"}
TAKEN = frozenset({"all", "as", "bool", "bytes", "contains", "double", "dyn", "duration", "else", "exists", "false"})
TAKEN |= {"filter", "for", "function", "has", "if", "import", "in", "int", "let", "list", "loop", "map", "matches"}
TAKEN |= {"namespace", "null", "package", "return", "size", "string", "timestamp", "true", "type", "uint", "var"}
TAKEN |= {"void", "while", "break", "const", "continue"}
"""Words of CEL itself: a relation of that name is asked for as `after_NAME`."""


def invariant(schema: Schema, name: str, text: str, questions: Questions = ()) -> Rule:
    """The rule that a condition holds; raises `BadExpression`."""
    expression = environment(schema, questions).compile(text)

    def check(subject: Subject) -> Iterator[Breach]:
        rule = f"invariants.{name}"
        shown: list[str] = []
        try:
            holds = _evaluate(expression, subject, shown)
        except ExpressionFailed as error:
            yield subject.breach("WG441", rule, f"{name} could not be evaluated: {error.found}", 1, 0, text)
        else:
            if holds is not True:
                yield subject.breach("WG440", rule, f"{name} does not hold", 1, 0, "; ".join(shown) or text)

    return Rule(f"invariants.{name}", None, check)


def _evaluate(expression: Expression, subject: Subject, shown: list[str]) -> Any:
    token = _subject.set((subject, shown))
    try:
        return expression()
    finally:
        _subject.reset(token)


@lru_cache(maxsize=64)
def environment(schema: Schema, questions: Questions = ()) -> Environment:
    """The functions of a world's invariants."""
    asked = {name: (partial(_ask, one), one.result, one.arguments) for name, one in questions}
    return Environment({}, {**functions(schema), **asked})


def _ask(question: Question, *arguments: Any) -> Any:
    subject, shown = _subject.get()
    value, because = question.answer(subject.before, subject.after, *arguments)
    if because:
        shown.append(because)
    return value


def _now() -> Subject:
    return _subject.get()[0]


def functions(schema: Schema) -> Mapping[str, Function]:
    """The functions by name: (implementation, result type, argument types)."""
    found: dict[str, Function] = {
        "edits": (lambda relation: _now().edits[_declared(schema, relation)], "int", ("string",)),
        "network": (lambda: _now().judged.network, "bool", ()),
    }
    if schema == FILESYSTEM:
        return found | _FILESYSTEM
    for relation in schema.relations.values():
        columns = [_KINDS.get(column.kind) for _, column in relation.key]
        if relation.value.kind in _KINDS and None not in columns:
            found |= _of_relation(relation, tuple(filter(None, columns)))
    return found


def _declared(schema: Schema, relation: str) -> str:
    return schema.relation(relation).name


def _of_relation(relation: Relation, arguments: tuple[str, ...]) -> dict[str, Function]:
    name, kind = relation.name, _KINDS[relation.value.kind]
    return {
        f"after_{name}" if name in TAKEN else name: (partial(_fact, "after", name), kind, arguments),
        f"before_{name}": (partial(_fact, "before", name), kind, arguments),
        f"has_{name}": (lambda *key: _now().after.get(name, key) is not None, "bool", arguments),
        f"had_{name}": (lambda *key: _now().before.get(name, key) is not None, "bool", arguments),
    }


def _fact(when: str, relation: str, *key: Any) -> Any:
    value = getattr(_now(), when).get(relation, key)
    if value is None:
        raise LookupError(f"no fact {relation}{key}")
    return value


# --- the filesystem's functions --------------------------------------------------------------------


def _paths(op: str) -> list[str]:
    return [change.path for change in _now().changes if change.op == op]


def _moved_from() -> list[str]:
    return [change.moved_from for change in _now().changes if change.moved_from]


def _total(name: str) -> int:
    return int(getattr(_now().totals, name))


def _state(when: str) -> State:
    return getattr(_now(), when)  # type: ignore[no-any-return]


def _stands(when: str, path: str) -> bool:
    return find(_state(when), path) is not None


def _attribute(when: str, name: str, path: str) -> Any:
    inode = find(_state(when), path)
    if inode is None:
        raise LookupError(f"no path {path!r}")
    value = getattr(look(_state(when), inode), name)
    if value is None:
        raise LookupError(f"{path!r} has no {name}")
    return value


def _content(when: str, path: str) -> Any:
    inode = find(_state(when), path)
    return None if inode is None else _state(when).get("content", (inode,))


def _under(path: str, directory: str) -> bool:
    directory = directory.rstrip("/")
    return directory in ("", ".") or path == directory or path.startswith(directory + "/")


def _named(change_of: Mapping[str, str], make: Callable[..., Any], kind: str, *arguments: str) -> dict[str, Function]:
    return {name: (partial(make, value), kind, arguments) for name, value in change_of.items()}


_FILESYSTEM: dict[str, Function] = {
    **_named({op: op for op in ("created", "changed", "deleted", "moved")}, _paths, "list(string)"),
    **_named({f"count_{op}": op for op in ("created", "changed", "deleted", "moved")}, _total, "int"),
    **_named({f"bytes_{op}": f"bytes_{op}" for op in ("created", "changed", "deleted")}, _total, "int"),
    "moved_from": (_moved_from, "list(string)", ()),
    "exists": (partial(_stands, "after"), "bool", ("string",)),
    "existed": (partial(_stands, "before"), "bool", ("string",)),
    "content_changed": (lambda path: _content("before", path) != _content("after", path), "bool", ("string",)),
    "under": (_under, "bool", ("string", "string")),
    "glob": (lambda path, pattern: glob(pattern).match(path), "bool", ("string", "string")),
}
for _name, _attributed, _kind in (
    ("kind", "kind", "string"),
    ("mode", "mode", "int"),
    ("uid", "uid", "int"),
    ("gid", "gid", "int"),
    ("size_of", "size", "int"),
    ("target", "target", "string"),
):
    _FILESYSTEM[_name] = (partial(_attribute, "after", _attributed), _kind, ("string",))
    _FILESYSTEM[f"before_{_name}"] = (partial(_attribute, "before", _attributed), _kind, ("string",))
