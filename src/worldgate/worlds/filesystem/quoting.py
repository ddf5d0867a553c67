"""How the coreutils quote a name in a message, in a UTF-8 locale.

`quoted` ('x', shell syntax, always), `quoted_if_needed` (the same, bare where it can be) and `curly`
(‘x’, with C escapes). Measured against coreutils 9.1.
"""

from __future__ import annotations

from collections.abc import Iterator

_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_SPECIAL = frozenset(" !\"$&'()*:;<=>?[\\^`|")
_APOSTROPHE_SAFE = frozenset(" %+,-./:]_'@0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PLAIN = frozenset(_APOSTROPHE_SAFE - frozenset(" :'"))


def _printable(char: str) -> bool:
    return char.isprintable() or (char.isspace() and ord(char) >= 0xA0)


def _octal(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))


def quoted(name: str) -> str:
    """`name` in shell quotes."""
    if _PLAIN.issuperset(name):
        return f"'{name}'"
    if "'" in name and all(char in _APOSTROPHE_SAFE or (char > "~" and _printable(char)) for char in name):
        return f'"{name}"'
    return "".join(_shell(name))


def _shell(name: str) -> Iterator[str]:
    yield "'"
    escaping = False
    for char in name:
        if not _printable(char):
            yield ("" if escaping else "'$'") + (_ESCAPES.get(char) or _octal(char))
            escaping = True
            continue
        if char == "'":
            yield "'\\''" if not escaping else "'\\''"
        else:
            yield ("''" if escaping else "") + char
        escaping = False
    yield "'"


def quoted_if_needed(name: str) -> str:
    """`name` as it is, or in shell quotes when it has characters special there or a colon."""
    bare = (
        bool(name)
        and _SPECIAL.isdisjoint(name)
        and name[0] not in "#~"
        and name not in ("{", "}")
        and all(map(_printable, name))
    )
    return name if bare else quoted(name)


def curly(name: str) -> str:
    """`name` in the locale's quotation marks, with C escapes inside."""
    if _PLAIN.issuperset(name):
        return f"‘{name}’"
    shown = ""
    for char in name:
        if char in "\\’":
            shown += "\\" + char
        else:
            shown += char if _printable(char) else _ESCAPES.get(char) or _octal(char)
    return f"‘{shown}’"
