"""How the coreutils quote a name in a message, in a UTF-8 locale.

`quoted` ('x', shell syntax, always), `quoted_if_needed` (the same, bare where it can be) and `curly`
(‘x’, with C escapes). Measured against coreutils 9.1.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_PRINTED = frozenset(("Cf", "Co", "Zs"))  # what the C library prints and Python does not call printable
_SPECIAL = frozenset(" !\"$&'()*:;<=>?[\\^`|")
_APOSTROPHE_SAFE = frozenset(" %+,-./:]_'@0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PLAIN = frozenset(_APOSTROPHE_SAFE - frozenset(" :'"))


def _printable(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) in _PRINTED


def _octal(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))


def quoted(name: str) -> str:
    """`name` in shell quotes."""
    if _PLAIN.issuperset(name):
        return f"'{name}'"
    if "'" in name and all(
        char in _APOSTROPHE_SAFE or (char > "~" and _printable(char)) for char in name[name[0] in "#~" :]
    ):
        return f'"{name}"'
    return "".join(_shell(name))


def _shell(name: str) -> Iterator[str]:
    """The pieces of a name with `'` or control characters.

    The coreutils scan a name with both twice and keep one flag between: when it ends in an escape, the second scan
    begins as if after one.
    """
    escaping = "'" in name and not _printable(name[-1])
    yield "'"
    for char in name:
        if not _printable(char):
            yield ("" if escaping else "'$'") + (_ESCAPES.get(char) or _octal(char))
            escaping = True
            continue
        if char == "'":
            yield "'\\''"
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
