"""Globs: sets of paths written as patterns, as in ignore files. Compiled once.

    .env            a name, anywhere              *.pem       `*` is anything but a slash
    /Makefile       at the top only               src/*.py    a slash inside: from the top
    .git/           that and all beneath it       src/**      the same, written out
    docs/**/a.md    `**` is any directories       [a-c]?.txt  one of these, then one character

Paths are relative to the workspace; "." is its root. Matching is case-sensitive, `*` and `?` match
a leading dot, and a name that is not UTF-8 is matched as its surrogate-escaped text. `\\` takes the
next character literally. What would be read differently elsewhere is refused rather than guessed:
`!` at the start, `{a,b}`, an open `[`, `..`, an empty pattern. No pattern makes matching slow, so
patterns may come from someone who is not trusted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from ..facts import Error

MAX_PATTERN = 1024
DEEP = "**"


class BadGlob(Error):
    number, title = "WG403", "glob is not well-formed"


class Globs:
    """The paths that any of `patterns` matches; with `beneath`, also every path beneath those."""

    __slots__ = ("_all", "_anchored", "_last", "_parts", "beneath", "patterns")

    def __init__(self, patterns: Iterable[str], *, beneath: bool = False) -> None:
        self.patterns, self.beneath = tuple(patterns), beneath
        self._parts = tuple(_parse(pattern, beneath) for pattern in self.patterns)
        last, everywhere, anchored = _Names(), _Names(), []
        for parts in self._parts:
            if len(parts) > 1 and parts[0] == DEEP and parts[1] != DEEP and parts[2:] in ((), (DEEP,)):
                (everywhere if parts[2:] else last).add(parts[1])
            else:
                anchored.append(f"(?:{_regex(parts)})")
        self._last, self._all = last.compiled(), everywhere.compiled()
        self._anchored = re.compile("|".join(anchored), re.DOTALL).fullmatch if anchored else None

    def match(self, path: str) -> bool:
        """Whether the path is in the set."""
        if path == ".":
            return any(parts in (("",), (DEEP,)) for parts in self._parts)
        if self._anchored is not None and self._anchored(path):
            return True
        if self._all is not None and any(map(self._all.match, path.split("/"))):
            return True
        return self._last is not None and self._last.match(path.rpartition("/")[2])

    def which(self, path: str) -> str | None:
        """The first pattern that matches the path, or None."""
        found = (pattern for pattern in self.patterns if _single(pattern, self.beneath).match(path))
        return next(found, None) if self.match(path) else None

    def could_match_beneath(self, path: str) -> bool:
        """False only when no path beneath this directory is in the set."""
        names = [] if path == "." else path.split("/")
        return any(_continues(parts, names) for parts in self._parts)

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def __repr__(self) -> str:
        return f"Globs({list(self.patterns)}{', beneath=True' if self.beneath else ''})"


@lru_cache(maxsize=4096)
def _single(pattern: str, beneath: bool) -> Globs:
    return Globs((pattern,), beneath=beneath)


def glob(pattern: str) -> Globs:
    """The set of one pattern, compiled once."""
    return _single(pattern, False)


def is_literal(pattern: str) -> bool:
    """Whether a pattern names exactly one path: nothing in it is special, and a name alone counts as one."""
    return not any(mark in pattern for mark in "*?[\\") and not pattern.endswith("/")


def literal_path(pattern: str) -> str:
    """The path that a literal pattern names."""
    return pattern.removeprefix("./").removeprefix("/")


def literal_prefix(pattern: str) -> str:
    """The names with which every matching path begins; empty for a pattern that floats."""
    parts = _parse(pattern, False)
    plain = []
    for part in parts:
        if _MAGIC.search(part):
            break
        plain.append(part)
    return "/".join(plain)


def escape(path: str) -> str:
    """The pattern text that stands for exactly this path."""
    return re.sub(r"([*?\[\\{}!])", r"\\\1", path)


class _Names:
    """Patterns over one name, sorted by how cheaply they are matched."""

    __slots__ = ("exact", "match_other", "other", "prefixes", "suffixes")

    def __init__(self) -> None:
        self.match_other: Callable[[str], object] | None = None
        self.exact: set[str] = set()
        self.prefixes: tuple[str, ...] = ()
        self.suffixes: tuple[str, ...] = ()
        self.other: list[str] = []

    def add(self, part: str) -> None:
        if not _MAGIC.search(part):
            self.exact.add(part)
        elif not _MAGIC.search(part[1:]) and part[0] == "*" and len(part) > 1:
            self.suffixes += (part[1:],)
        elif not _MAGIC.search(part[:-1]) and part[-1] == "*" and len(part) > 1:
            self.prefixes += (part[:-1],)
        else:
            self.other.append(_segment(part))

    def compiled(self) -> _Names | None:
        """Itself, ready to match; None when it holds nothing."""
        if not (self.exact or self.prefixes or self.suffixes or self.other):
            return None
        self.match_other = re.compile("|".join(self.other), re.DOTALL).fullmatch if self.other else None
        return self

    def match(self, name: str) -> bool:
        if name in self.exact or name.startswith(self.prefixes) or name.endswith(self.suffixes):
            return True
        return self.match_other is not None and self.match_other(name) is not None


_MAGIC = re.compile(r"[*?\[\\]")


def _parse(pattern: str, beneath: bool) -> tuple[str, ...]:
    """The parts between slashes. A leading `**` lets a pattern float, one at the end means all beneath."""
    text = pattern
    if not isinstance(text, str) or not text or len(text) > MAX_PATTERN or "\0" in text:
        raise BadGlob(repr(pattern)[:80], f"a pattern of 1 to {MAX_PATTERN} characters")
    if text.startswith("!"):
        raise BadGlob(repr(pattern), "a pattern without negation", r"A name that starts with `!` is written `\!`.")
    text = text.removeprefix("./")
    body = text.strip("/") if text != "." else ""
    parts = [part for part in body.split("/") if part != "."]
    if ".." in parts or (body and "" in parts):
        raise BadGlob(repr(pattern), "names between single slashes, none of them `..`")
    for part in parts:
        _segment(part)
    found = [part for number, part in enumerate(parts) if part != DEEP or parts[number - 1 : number] != [DEEP]]
    if not text.startswith("/") and "/" not in body and body not in ("", DEEP):
        found.insert(0, DEEP)
    if (beneath or text.endswith("/") or pattern == "./") and found[-1] != DEEP:
        found = [*(part for part in found if part), DEEP]
    return tuple(found)


def _regex(parts: tuple[str, ...]) -> str:
    """The expression of a whole pattern.

    Between two `**` the earliest fit is as good as any, so it is atomic: nothing backtracks past it.
    """
    runs: list[list[str]] = [[]]
    for part in parts:
        if part == DEEP:
            runs.append([])
        elif part:
            runs[-1].append(_segment(part))
    text, *rest = ("/".join(run) for run in runs)
    if not text and not rest:
        return "(?!)"  # the root alone, which `match` knows
    last = len(rest) - 1
    for number, run in enumerate(rest):
        if number == last and not run:
            return f"{text}(?:/.*)?" if text else ".*"
        text += "/" if text and number == 0 else ""
        if number == last:
            text += f"(?:[^/]+/)*{run}"
        else:
            text += f"(?>(?:[^/]+/)*?{run}{_NAME_END if number + 1 == last and not rest[last] else '/'})"
    return text


def _segment(part: str) -> str:
    """The expression of one name. A `*` with more to come takes the shortest stretch, atomically."""
    pieces: list[str] = [""]
    at = 0
    while at < len(part):
        mark = part[at]
        at += 1
        if mark == "*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append("")
        elif mark == "?":
            pieces[-1] += "[^/]"
        elif mark == "[":
            text, at = _class(part, at)
            pieces[-1] += text
        elif mark in "{}":
            raise BadGlob(repr(part), r"one pattern for each alternative", r"A brace in a name is written `\{`.")
        else:
            if mark == "\\":
                if at == len(part):
                    raise BadGlob(repr(part), "a character after the backslash")
                mark, at = part[at], at + 1
            pieces[-1] += re.escape(mark)
    if len(pieces) == 1:
        return pieces[0]
    first, *between, last = pieces
    return first + "".join(f"(?>[^/]*?{piece})" for piece in between) + f"[^/]*{last}" + _NAME_END


_NAME_END = "(?![^/])"


def _class(part: str, at: int) -> tuple[str, int]:
    """The expression of a bracket class whose `[` stands before `at`, and where it ends."""
    negated = part[at : at + 1] in ("!", "^")
    start = at + negated
    end = part.find("]", start + 1)
    if end < 0:
        raise BadGlob(repr(part), "a closing `]`", r"A bracket in a name is written `\[`.")
    text = "".join("-" if char == "-" else re.escape(char) for char in part[start:end])
    if "[:" in part[start:end]:
        raise BadGlob(repr(part), "single characters and ranges in a class")
    try:
        re.compile(f"[{text}]")
    except re.error as error:
        raise BadGlob(f"{part!r}: {error}", "a class of characters and ascending ranges") from error
    return (f"[^/{text}]" if negated else f"(?!/)[{text}]"), end + 1


def _continues(parts: tuple[str, ...], names: list[str]) -> bool:
    """Whether some longer path than these names could match the parts."""
    live = _open({0}, parts)
    for name in names:
        step = {at for at in live if at < len(parts) and parts[at] == DEEP}
        step |= {at + 1 for at in live if at < len(parts) and parts[at] != DEEP and _name(parts[at])(name)}
        live = _open(step, parts)
    return any(at < len(parts) for at in live)


def _open(live: set[int], parts: tuple[str, ...]) -> set[int]:
    """With the places that `**` may leave without a name."""
    found = set(live)
    for at in sorted(live):
        while at < len(parts) and parts[at] == DEEP:
            at += 1
            found.add(at)
    return found


@lru_cache(maxsize=4096)
def _name(part: str) -> Callable[[str], object]:
    return re.compile(_segment(part), re.DOTALL).fullmatch
