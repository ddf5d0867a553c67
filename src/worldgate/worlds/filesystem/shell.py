"""The grammar: text to an `Action`, or `Outside` with the construct and where it stands.

It is a subset of the POSIX shell's: simple commands of the world's table joined by `;`, `&&` and
`||`; quotes and backslashes; `$name`, `${name}` and `$?`; globs; assignments; `>` and `>>`. Whatever else a
shell would give a meaning is outside: an answer, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from itertools import pairwise

from ..contract import Outside
from .actions import Action, Redirect, Simple, Text, Variable, Word

MAX_TEXT = 65_536

# Variables the shell or the tools give a meaning of their own; reading or setting them is outside.
RESERVED = frozenset(
    [
        "_",
        "PATH",
        "IFS",
        "CDPATH",
        "PWD",
        "OLDPWD",
        "HOME",
        "ENV",
        "MAIL",
        "MAILCHECK",
        "MAILPATH",
        "PS1",
        "PS2",
        "PS4",
        "OPTIND",
        "OPTARG",
        "OPTERR",
        "LINENO",
        "PPID",
        "TERM",
        "HISTSIZE",
        "FCEDIT",
        "POSIXLY_CORRECT",
        "TZ",
        "COLUMNS",
        "TABSIZE",
        "QUOTING_STYLE",
        "BLOCK_SIZE",
        "BLOCKSIZE",
        "TIME_STYLE",
        "SIMPLE_BACKUP_SUFFIX",
        "VERSION_CONTROL",
        "LANG",
        "LANGUAGE",
        "LOCPATH",
        "NLSPATH",
        "GCONV_PATH",
        "TMPDIR",
    ]
)
READABLE = frozenset(("PWD", "OLDPWD", "HOME"))
_RESERVED_PREFIXES = ("LC_", "LD_", "LS_", "GLIBC_", "MALLOC_", "CP_", "DU_", "DF_")
_KEYWORDS = frozenset(
    [
        "!",
        "{",
        "}",
        "case",
        "do",
        "done",
        "elif",
        "else",
        "esac",
        "fi",
        "for",
        "if",
        "then",
        "until",
        "while",
        "in",
        "function",
        "time",
        "[[",
        "]]",
    ]
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[^\s\\'\"$`;&|<>()#*?\[\]~={}!]+")
_BLANKS = " \t"
_ENDS = frozenset(" \t\n;&|<>()")


def reserved(name: str) -> bool:
    """Whether a variable of this name means something to the shell or the tools."""
    return name in RESERVED or name.startswith(_RESERVED_PREFIXES)


def outside(what: str, position: int, expected: str = "one of this world's constructs") -> Outside:
    return Outside(f"{what} at position {position}", expected, "Run it in the kernel, or rewrite the step.")


Check = Callable[[Simple, int], None]
"""Raises `Outside` when a command, which starts at that position, is not modelled."""


def parse(text: str, names: Collection[str], check: Check) -> Action:
    """The action of a line of text. `names` are the commands; `check` looks at each one's options."""
    if len(text) > MAX_TEXT:
        raise outside(f"{len(text)} characters", MAX_TEXT, f"at most {MAX_TEXT}")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise outside("a lone surrogate", error.start) from None
    if "\0" in text:
        raise outside("a NUL character", text.index("\0"))
    return _Parser(text, names, check).action()


class _Parser:
    """A reader over one text that knows where it is."""

    def __init__(self, text: str, names: Collection[str], check: Check) -> None:
        self.text, self.at, self.names, self.check = text, 0, names, check

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in _BLANKS:
            self.at += 1

    def peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    # --- lists -----------------------------------------------------------------------------------

    def action(self) -> Action:
        commands, operator = [], ";"
        while True:
            self.blanks()
            commands.append((operator, self.simple()))
            self.blanks()
            if not self.peek():
                break
            operator = self.operator()
            self.blanks()
            if operator == ";" and not self.peek():
                break
        return Action(tuple(commands))

    def operator(self) -> str:
        for mark in ("&&", "||"):
            if self.peek(2) == mark:
                self.at += 2
                return mark
        mark = self.peek()
        if mark == ";" and self.peek(2) != ";;":
            self.at += 1
            return mark
        names = {"|": "a pipe", "&": "a background command", "(": "a subshell or function", ")": "a parenthesis"}
        names["\n"] = "a line break"
        raise outside(names.get(mark, repr(mark)), self.at, "';', '&&' or '||' between commands")

    # --- simple commands -------------------------------------------------------------------------

    def simple(self) -> Simple:
        start, line = self.at, 1 + self.text.count("\n", 0, self.at)
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while True:
            self.blanks()
            mark = self.peek()
            if mark == ">":
                redirects.append(self.redirect())
            elif not mark or mark in _ENDS:
                break
            else:
                name = None if words else self.assignment()
                if name:
                    assignments.append((name, self.word(value=True)))
                elif words:
                    words.append(self.argument(words[0]))
                else:
                    words.append(self.command())
        if self.peek() == "<":
            raise outside("an input redirection or here-document", self.at)
        if assignments and words:
            raise outside("an assignment in front of a command", start, "assignments alone, or export")
        if not (assignments or words or redirects):
            if self.peek() in ("(", ")", "&", "|", "\n"):
                self.operator()
            raise outside("no command", self.at, "a command")
        command = Simple(tuple(assignments), tuple(words), tuple(redirects), line)
        if words:
            self.check(command, start)
        return command

    def redirect(self) -> Redirect:
        start = self.at
        if start and self.text[start - 1].isdigit() and self.text[start - 1] not in _BLANKS:
            word_start = start
            while word_start and self.text[word_start - 1].isdigit():
                word_start -= 1
            if word_start == 0 or self.text[word_start - 1] in _ENDS:
                raise outside("a redirection of a numbered descriptor", word_start, "'>' or '>>'")
        append = self.peek(2) == ">>"
        self.at += 2 if append else 1
        if self.peek() in ("&", "|", ">", "<"):
            raise outside(f"the redirection {self.text[start : self.at + 1]!r}", start, "'>' or '>>'")
        self.blanks()
        if not self.peek() or self.peek() in _ENDS:
            raise outside("a redirection to nothing", start, "a file name after it")
        at = self.at
        word = self.word()
        first = word[0]
        if isinstance(first, Text) and first.text.startswith(("/dev/", "/proc/", "/sys/")):
            raise outside(f"a redirection to {first.text}", at, "a file of this world")
        return Redirect(word, append)

    def assignment(self) -> str | None:
        """The name of an assignment that starts here, now behind its `=`; else None."""
        found = _NAME.match(self.text, self.at)
        if not found or self.text[found.end() : found.end() + 1] != "=":
            return None
        if reserved(found[0]):
            raise outside(f"an assignment to {found[0]}", self.at, "a variable without a meaning of its own")
        self.at = found.end() + 1
        return found[0]

    def command(self) -> Word:
        start = self.at
        word = self.word()
        name = word[0].text if len(word) == 1 and isinstance(word[0], Text) else ""
        if name in _KEYWORDS and not (isinstance(word[0], Text) and word[0].quoted):
            raise outside(f"the reserved word {name!r}", start)
        if name not in self.names:
            raise outside(f"the command {self.text[start : self.at]!r}", start, f"one of {', '.join(self.names)}")
        return word

    def argument(self, command: Word) -> Word:
        """A word after the command's name. `export` takes assignments, which are not split into fields."""
        if command[0].text != "export":  # type: ignore[union-attr]
            return self.word()
        start, name = self.at, self.assignment()
        value = self.word(value=True)
        if name is not None:
            return _merged([Text(f"{name}=", True), *(part._replace(quoted=True) for part in value)])
        first = value[0].text if value and isinstance(value[0], Text) else ""
        if first[:1] in ("", "-") or ("=" not in first and len(value) > 1):
            raise outside("an argument of export that is no name", start, "NAME or NAME=VALUE")
        if reserved(first.partition("=")[0]):
            raise outside(f"an export of {first.partition('=')[0]}", start, "a variable without a meaning of its own")
        return _merged([part._replace(quoted=True) for part in value])

    # --- words -----------------------------------------------------------------------------------

    def word(self, value: bool = False) -> Word:
        """The word that starts here; `value`: what stands after an assignment's `=`, which may be empty."""
        start, parts = self.at, list[Text | Variable]()
        while (mark := self.peek()) and mark not in _ENDS:
            at = self.at
            if plain := _PLAIN.match(self.text, at):
                self.at = plain.end()
                parts.append(Text(plain[0], False))
            elif mark == "'":
                end = self.text.find("'", at + 1)
                if end < 0:
                    raise outside("a quote without its end", at)
                self.at = end + 1
                parts.append(Text(self.text[at + 1 : end], True))
            elif mark == '"':
                self.double(parts)
            elif mark == "\\":
                if self.text[at + 1 : at + 2] in ("", "\n"):
                    raise outside("a backslash at the end of a line", at)
                self.at += 2
                parts.append(Text(self.text[at + 1], True))
            elif mark == "$":
                parts.append(self.variable(False))
            elif mark == "`":
                raise outside("a command substitution", at)
            else:
                self.special(mark, at == start or value)
                self.at += 1
                parts.append(Text(mark, False))
        return _merged(parts)

    def special(self, mark: str, first: bool) -> None:
        """Refuse the unquoted characters that would mean something here which is not modelled."""
        at = self.at
        if (mark == "#" and at and self.text[at - 1] in _ENDS) or (mark == "#" and not at):
            raise outside("a comment", at)
        if mark == "~" and first:
            raise outside("a tilde", at, "a path, or a quoted tilde")
        if mark == "[":
            self.bracket(at)

    def bracket(self, at: int) -> None:
        """A bracket pattern may hold plain characters and ranges, with `!` in front; or never close."""
        end = at + 1
        while end < len(self.text) and self.text[end] not in _ENDS and self.text[end] != "]":
            if self.text[end] in "^[:.=\\'\"$`/" or not self.text[end].isascii():
                raise outside(f"{self.text[end]!r} in a bracket pattern", end, "plain characters and ranges")
            end += 1
        if self.text[at + 1 : end] in ("", "!") and self.text[end : end + 1] == "]" and end > at + 1:
            raise outside("']' first in a bracket pattern", end)

    def double(self, parts: list[Text | Variable]) -> None:
        """The parts of a double-quoted string."""
        start = self.at
        self.at += 1
        parts.append(Text("", True))
        while (mark := self.peek()) != '"':
            if not mark:
                raise outside("a quote without its end", start)
            if mark == "`":
                raise outside("a command substitution", self.at)
            if mark == "$" and self.text[self.at + 1 : self.at + 2] not in (" ", '"', ""):
                parts.append(self.variable(True))
                continue
            if mark == "\\":
                following = self.text[self.at + 1 : self.at + 2]
                if following == "\n":
                    raise outside("a line continuation", self.at)
                if following and following in '$`"\\':
                    self.at += 1
                    mark = following
            parts.append(Text(mark, True))
            self.at += 1
        self.at += 1

    def variable(self, quoted: bool) -> Variable:
        start = self.at
        if self.peek(2) == "$?":
            self.at += 2
            return Variable("?", quoted)
        braced = self.peek(2) == "${"
        found = _NAME.match(self.text, start + 1 + braced)
        if braced and self.peek(4) == "${?}":
            self.at += 4
            return Variable("?", quoted)
        if not found or (braced and self.text[found.end() : found.end() + 1] != "}"):
            what = "a command substitution or arithmetic" if self.peek(2) == "$(" else "a parameter expansion"
            raise outside(what, start, "$name or ${name}")
        if reserved(found[0]) and found[0] not in READABLE:
            raise outside(f"the variable {found[0]}", start)
        self.at = found.end() + braced
        return Variable(found[0], quoted)


def _merged(parts: list[Text | Variable]) -> Word:
    """Neighbouring texts of one kind as one, so that equal words are equal however they were spelled.

    An empty quoted text stays where it decides something: alone, or beside a value that is split into fields.
    """
    splits = any(isinstance(part, Variable) and not part.quoted for part in parts)
    merged: list[Text | Variable] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, Text) and isinstance(last, Text) and part.quoted == last.quoted:
            merged[-1] = Text(last.text + part.text, part.quoted)
        else:
            merged.append(part)
    if not splits and len(merged) > 1:
        merged = [part for part in merged if part != ("", True)] or [Text("", True)]
        if any(isinstance(one, Text) and isinstance(two, Text) and one[1] == two[1] for one, two in pairwise(merged)):
            return _merged(merged)
    return tuple(merged)
