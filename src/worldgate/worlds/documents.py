"""YAML and JSON documents, read strictly: one document, plain data, no key twice, bounded size; then as a type."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from typing import Any, TypeVar

import msgspec
import yaml

from ..facts import Error

MAX_BYTES = 4_000_000
_T = TypeVar("_T")
_Loader: Any = yaml.SafeLoader  # the C parser does not call compose_node


class _Strict(_Loader):  # type: ignore[misc]
    """A safe loader that refuses a repeated key: the last one would silently win."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                raise yaml.YAMLError(f"a key that is no plain text on line {key_node.start_mark.line + 1}")
            if key_node.value in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"key {key_node.value!r} a second time on line {line}")
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias; write the value out")
        return super().compose_node(parent, index)


# 1e-3 is a number in JSON and in YAML 1.2, and a text in the YAML 1.1 of the library
_EXPONENT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")
_Strict.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def load_document(text: str, name: str, error: type[Error]) -> Any:
    """The data of a YAML (or JSON) text; raises `error`, with `name` and the line, when it is not one."""
    if len(text) > MAX_BYTES:
        raise error(f"{name}: {len(text)} characters", f"at most {MAX_BYTES}")
    try:
        return yaml.load(text, Loader=_Strict)
    except yaml.YAMLError as found:
        mark = getattr(found, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(found, "problem", None) or str(found)
        raise error(f"{name}: {problem}{where}", "one YAML or JSON document") from found
    except (ValueError, RecursionError) as found:
        raise error(f"{name}: {found}", "one YAML or JSON document") from found


def converted(data: Any, kind: type[_T], at: str = "$") -> _T:
    """The data as that type, or msgspec's `ValidationError`: with a path that begins with `at`, and, of a field or word
    that is not known, those that are."""
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at ")
        if said.startswith(("Object contains unknown field", "Invalid enum value")):
            known = _known(msgspec.inspect.type_info(kind), re.findall(r"\.([^.\[`]+)|\[([^\]]+)\]", where))
            said += f", not one of {', '.join(known)}"
        where = where.replace("`$", f"`{at}") or (f"`{at}`" if at != "$" else "")
        raise msgspec.ValidationError(f"{said} - at {where}" if where else said) from error


def _known(node: Any, path: list[tuple[str, str]]) -> Iterator[str]:
    """The fields or words that a type has at a path: of field names, and of places in lists (`...`: in mappings)."""
    for one in getattr(node, "types", (node,)):
        fields = {field.encode_name: field.type for field in getattr(one, "fields", ())}
        if not path:
            yield from fields or map(str, getattr(one, "values", ()))
            continue
        (name, place), *rest = path
        inner = fields.get(name) if name else getattr(one, "value_type" if place == "..." else "item_type", None)
        if inner is not None:
            yield from _known(inner, rest)
