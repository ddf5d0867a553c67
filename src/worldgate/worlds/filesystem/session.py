"""The shell session one step runs in: what it prints, its variables, where output goes.

A command is a function `(session, flags, operands) -> exit status`, or for the shell's own commands
`(session, argv) -> exit status`. It reads and changes `session.tree`, and prints with `out` and `complain`.
"""

from __future__ import annotations

from . import calls
from .actions import Redirect
from .blobs import EMPTY, Blobs
from .errno import ENOENT, ENOTDIR, Failure, Unmodelled
from .expansion import value_of
from .paths import Tree, octets


class ShellExit(Exception):
    """The shell itself gives up (an error in a special builtin): the rest of the step is not run."""


class Session:
    """The shell's state during one step."""

    __slots__ = ("blobs", "err", "line", "out", "seen_output", "status", "tree")

    def __init__(self, tree: Tree, blobs: Blobs) -> None:
        self.tree = tree
        self.blobs = blobs
        self.out: list[str] = []
        self.err: list[str] = []
        self.line = 1
        self.status = 0
        self.seen_output: tuple[str, bool] | None = None  # where the command's output goes: (inode, append)

    # --- printing ----------------------------------------------------------------------------------

    def complain(self, text: str) -> int:
        """A line on standard error. Returns 1, the usual exit status after one."""
        self.err.append(text + "\n")
        return 1

    def shell_error(self, text: str) -> int:
        """The shell's own complaint, with its name and the line. Returns 2."""
        self.err.append(f"sh: {self.line}: {text}\n")
        return 2

    def usage(self, command: str, text: str) -> int:
        self.err.append(f"{command}: {text}\nTry '{command} --help' for more information.\n")
        return 1

    # --- variables ---------------------------------------------------------------------------------

    def variable(self, name: str) -> str | None:
        if name == "?":
            return str(self.status)
        if name == "PWD":
            return self.logical
        return self.tree.get("env", (name,))  # type: ignore[no-any-return]

    @property
    def logical(self) -> str:
        """The working directory by the name the shell knows it under; links in it are not resolved."""
        tree = self.tree
        pwd = tree.get("env", ("PWD",))
        return pwd if pwd is not None else "/" + tree.path(tree.cwd)

    # --- contents ----------------------------------------------------------------------------------

    def read(self, inode: str) -> bytes:
        return self.blobs.get(self.tree.get("content", (inode,)))

    def write(self, inode: str, text: str, append: bool) -> None:
        """Write text to a file that is open for writing (and was truncated, unless `append`)."""
        if not text:
            return
        tree, data = self.tree, octets(text)
        if append and tree.get("size", (inode,)):
            data = self.read(inode) + data
        calls.drop_privileges(tree, inode)
        calls.store(tree, inode, self.blobs.put(data), len(data))

    # --- redirections ------------------------------------------------------------------------------

    def redirect(self, redirects: tuple[Redirect, ...]) -> bool:
        """Open every redirection, in order; the last one gets the output. False after a failure."""
        for redirect in redirects:
            name = value_of(redirect.word, self.variable)
            try:
                inode, new = calls.open_write(self.tree, name)
            except Failure as failure:
                reason = "Directory nonexistent" if failure.code in (ENOENT, ENOTDIR) else failure.reason
                self.shell_error(f"cannot create {name}: {reason}")
                return False
            self.truncate(inode, new, keep=redirect.append)
            self.seen_output = (inode, redirect.append)
        return True

    def truncate(self, inode: str, new: bool, keep: bool = False) -> None:
        """What opening for writing does to a regular file's content."""
        if new:
            calls.store(self.tree, inode, EMPTY, 0)
            return
        kind = self.tree.inode(inode).kind
        if kind != "file":
            raise Unmodelled(f"writing to a {kind}", "a regular file")
        if not keep:
            calls.drop_privileges(self.tree, inode)
            calls.store(self.tree, inode, EMPTY, 0)
