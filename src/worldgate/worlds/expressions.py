"""Expressions in CEL (the Common Expression Language), compiled once and type-checked at load.

One module stands between the project and its CEL binding. An `Environment` declares typed variables
and typed functions; `compile` raises `BadExpression` for an unknown name or a type error; a compiled
`Expression` is called with the variables' values. Evaluation has no side effects, cannot loop
without bound and fails closed: any run-time error is `ExpressionFailed`.

Types: "bool", "int", "string", "list(int)", "list(string)". Functions close over whatever they
answer about (a state, say), so that evaluating costs nothing that grows with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cel

from ..facts import Error

_TYPES: dict[str, Callable[[], Any]] = {
    "bool": cel.BoolType,
    "int": cel.IntType,
    "string": cel.StringType,
    "list(int)": lambda: cel.ListType(cel.IntType()),
    "list(string)": lambda: cel.ListType(cel.StringType()),
}
INT_RANGE = range(-(2**63), 2**63)


class BadExpression(Error):
    number, title = "WG221", "expression does not compile"


class ExpressionFailed(Error):
    number, title = "WG222", "expression could not be evaluated"


Function = tuple[Callable[..., Any], str, tuple[str, ...]]
"""(implementation, result type, argument types)."""


class Expression:
    """A compiled expression. Call it with the values of its variables."""

    __slots__ = ("_environment", "_plan", "text")

    def __init__(self, environment: Environment, plan: Any, text: str) -> None:
        self._environment, self._plan, self.text = environment, plan, text

    def __call__(self, **values: Any) -> Any:
        for name, value in values.items():
            if type(value) is int and value not in INT_RANGE:
                raise ExpressionFailed(f"{name} = {value}", "an integer of 64 bits")
        try:
            return self._environment.interpreter.evaluate(self._plan, values)
        except Exception as error:  # the binding raises RuntimeError, ValueError and what functions raise
            raise ExpressionFailed(f"{_first_line(error)} in {self.text!r}", "a value") from error


class Environment:
    """Typed variables and functions in which expressions are compiled."""

    def __init__(self, variables: Mapping[str, str], functions: Mapping[str, Function] | None = None) -> None:
        context = {name: _type(kind) for name, kind in variables.items()}
        registry = cel.FunctionRegistry()
        for name, (implementation, result, arguments) in (functions or {}).items():
            registry.add_function(name, implementation, _type(result), [_type(kind) for kind in arguments])
        pool = cel.DescriptorPool()
        self._compiler = cel.Compiler(pool, context, registry)
        self.interpreter = cel.Interpreter(pool, context, registry)

    def compile(self, text: str, expected: str = "bool") -> Expression:
        """The expression, checked to be of type `expected`."""
        if not isinstance(text, str) or not text.strip():
            raise BadExpression(repr(text), f"an expression of type {expected}")
        # `cond ? x : x` pins the type: the checker refuses branches of two types
        probe = f"true ? ({text}) : {_ZERO[expected]}"
        try:
            self._compiler.compile_to_checked_expr(probe)
            checked = self._compiler.compile_to_checked_expr(text)
        except Exception as error:
            raise BadExpression(f"{text!r}: {_first_line(error)}", f"an expression of type {expected}") from error
        return Expression(self, self.interpreter.build_expression_plan(checked), text)


_ZERO = {"bool": "false", "int": "0", "string": '""', "list(int)": "[0]", "list(string)": '[""]'}


def _type(kind: str) -> Any:
    try:
        return _TYPES[kind]()
    except KeyError:
        raise BadExpression(f"type {kind!r}", f"one of {', '.join(_TYPES)}") from None


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]
