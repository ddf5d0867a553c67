"""Words to fields: variables, field splitting, globs and quote removal, as dash does them.

Splitting is by the default IFS (space, tab, line break). Patterns match bytes, not characters, and
a name's leading dot only literally; what matches nothing stays as it was written. A result is refused
(`Unmodelled`) where dash would read a value as a pattern that the grammar leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from .actions import GLOB, Simple, Text, Variable, Word
from .errno import Unmodelled
from .paths import READ, Tree, octets

_SPACE = " \t\n"
_MARK = "\0"  # before a character that stands for itself; NUL is in no word


Lookup = Callable[[str], str | None]


def value_of(word: Word, lookup: Lookup) -> str:
    """The word as one text: no splitting, no globbing (an assignment's value, a redirection's file)."""
    return "".join(part.text if isinstance(part, Text) else lookup(part.name) or "" for part in word)


def fields_of(command: Simple, tree: Tree, lookup: Lookup) -> list[str]:
    """The command's name and arguments."""
    fields: list[str] = []
    for word in command.words:
        for pattern in _split(word, lookup):
            fields += _glob(tree, pattern)
    return fields


def _split(word: Word, lookup: Lookup) -> Iterator[str]:
    """The word's fields, each as a pattern: `_MARK` stands before what was quoted."""
    field: str | None = None
    for part in word:
        text = part.text if isinstance(part, Text) else lookup(part.name) or ""
        if part.quoted:
            field = (field or "") + "".join(_MARK + char if char in GLOB else char for char in text)
        elif isinstance(part, Text):
            field = (field or "") + text
        else:
            if "\\" in text:
                raise Unmodelled(f"a backslash in ${part.name}, unquoted", "a quoted variable")
            pieces = re.split(f"[{_SPACE}]+", text)
            for number, piece in enumerate(pieces):
                if number and field is not None:
                    yield field
                    field = None
                if piece:
                    field = (field or "") + piece
    if field is not None:
        yield field


def _glob(tree: Tree, pattern: str) -> list[str]:
    """The names that match, in the order of their bytes, or the text itself."""
    if GLOB.isdisjoint(pattern):
        return [pattern]
    plain = pattern.replace(_MARK, "")
    parts = re.split("(/+)", pattern)
    if not any(_is_pattern(part) for part in parts):
        return [plain]
    found = sorted(_matches(tree, "", parts), key=octets)
    return found or [plain]


def _matches(tree: Tree, before: str, parts: list[str]) -> Iterator[str]:
    """Existing paths that begin with `before` and go on as `parts` (names and slashes in turn) say."""
    for number, part in enumerate(parts):
        if not _is_pattern(part):
            before += part.replace(_MARK, "")
            continue
        for name in _names(tree, before, part):
            rest = parts[number + 1 :]
            if not any(rest):
                yield before + name
            else:
                yield from _matches(tree, before + name, rest)
        return
    if tree.look(before, follow=False) is not None:
        yield before


def _names(tree: Tree, before: str, part: str) -> list[str]:
    """The names in the directory `before` that match one pattern."""
    directory = tree.look(before or ".")
    if directory is None or not tree.is_dir(directory) or not tree.may(directory, READ):
        return []
    hidden = part.replace(_MARK, "")[:1] == "."
    names = [*([".", ".."] if hidden and not tree.is_detached(directory) else []), *tree.names(directory)]
    match = _compiled(part)
    return [name for name in names if (hidden or name[0] != ".") and match(octets(name))]


def _is_pattern(part: str) -> bool:
    return bool(re.search(f"(?<!{_MARK})[*?]|(?<!{_MARK})\\[.+?\\]", part))


@lru_cache(1024)
def _compiled(part: str) -> Callable[[bytes], object]:
    """A matcher of bytes for one name's pattern."""
    regex, at = "", 0
    text = octets(part).decode("latin-1")
    while at < len(text):
        char = text[at]
        at += 1
        if char == _MARK:
            regex += re.escape(text[at])
            at += 1
        elif char == "*":
            regex += ".*"
        elif char == "?":
            regex += "."
        elif char == "[" and (end := text.find("]", at + 1)) > 0:
            regex += _bracket(text[at:end])
            at = end + 1
        else:
            regex += re.escape(char)
    return re.compile(regex.encode("latin-1"), re.DOTALL).fullmatch


def _bracket(body: str) -> str:
    """A set of characters and ranges; `!` in front turns it around."""
    if re.search(r"[\^\[:.=\0/]", body) or not body.isascii():
        raise Unmodelled(f"the bracket pattern [{body}]", "plain characters and ranges")
    negated = body[0] == "!"
    items = body[negated:]
    shown, at = "", 0
    while at < len(items):
        if items[at + 1 : at + 2] == "-" and at + 2 < len(items):
            low, high = items[at], items[at + 2]
            if low <= high:
                shown += f"{re.escape(low)}-{re.escape(high)}"
            at += 3
        else:
            shown += re.escape(items[at])
            at += 1
    if not shown:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{shown}]"


def has_variable(word: Word) -> bool:
    return any(isinstance(part, Variable) for part in word)
