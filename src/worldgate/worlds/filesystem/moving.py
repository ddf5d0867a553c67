"""mv as coreutils 9.1 has it, on one filesystem (a rename never turns into a copy)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from . import calls
from .errno import EEXIST, EINVAL, ENOENT, Failure
from .operands import ONTO_FILE, base_of, below, directory_of, hold, not_a_directory, same_name, too_few
from .paths import Tree
from .quoting import quoted
from .schema import ROOT
from .session import Session


def mv(session: Session, flags: frozenset[str], operands: Sequence[str]) -> int:
    status = too_few(session, "mv", operands)
    if status:
        return status
    last, sources, tree = operands[-1], operands[:-1], session.tree
    exact, keep = "T" in flags, "n" in flags
    if exact:
        if len(operands) > 2:
            return session.usage("mv", f"extra operand {quoted(operands[2])}")
        return _Move(session, keep).move(sources[0], last)
    failed: Failure | None = None
    if len(sources) == 1:
        failed = _renamed(tree, sources[0], last)
        if failed is None:
            return 0
    missing = not_a_directory(tree, last)
    if missing is None:
        move = _Move(session, keep, into=True)
        hold(tree, last)
        for source in sources:
            name = base_of(source)
            status |= move.move(source, below(last, name), nowhere=not name)
        return status
    if len(sources) > 1:
        return session.complain(f"mv: target {quoted(last)}: {missing.reason}")
    return _Move(session, keep).move(sources[0], last, failed)


def _renamed(tree: Tree, source: str, path: str, replace: bool = False) -> Failure | None:
    try:
        calls.rename(
            tree, source.rstrip("/") + "/" if source[-1:] == "/" and source.strip("/") else source, path, replace
        )
    except Failure as failure:
        return failure
    return None


@dataclass(slots=True)
class _Move:
    """One mv command: what it moved where, so that a later operand does not overwrite it."""

    session: Session
    keep: bool
    into: bool = False
    made: set[tuple[str, str]] = field(default_factory=set)
    tried: dict[str, str] = field(default_factory=dict)  # where directories were to go, by inode

    def move(self, source: str, path: str, failed: Failure | None = None, nowhere: bool = False) -> int:
        """Move to `path`, where an attempt may have `failed`; `nowhere`: a path no directory can have (of the root)."""
        session, tree = self.session, self.session.tree
        failed = Failure(ENOENT) if nowhere else failed or _renamed(tree, source, path)
        if failed is None:
            self.record(path)
            return 0
        if self.keep and failed.code == EEXIST:
            return 0
        try:
            inode = tree.find(source, follow=False)
        except Failure as failure:
            return session.complain(f"mv: cannot stat {quoted(source)}: {failure.reason}")
        there: str | None = None
        try:
            there = None if nowhere else tree.find(path, follow=False)
        except Failure as failure:
            if failure.code != ENOENT:
                return session.complain(f"mv: cannot stat {quoted(path)}: {failure.reason}")
            if failed.code == EEXIST and tree.is_dir(inode):  # a link that leads nowhere, and a slash after it
                return session.complain(f"mv: {ONTO_FILE.format(quoted(path), quoted(source))}")
        if there is not None and self.keep:
            return 0
        if there is not None and (refusal := self.refusal(source, inode, path, there)):
            return session.complain(f"mv: {refusal}")
        if tree.is_dir(inode):
            earlier = self.tried.get(inode)
            if earlier is not None and (earlier == path or same_name(tree, path, earlier, self.into)):
                session.complain(f"mv: warning: source directory {quoted(source)} specified more than once")
                return 0
            self.tried[inode] = path
        if there is not None or failed.code == EEXIST:
            failed = _renamed(tree, source, path, replace=True)
            if failed is None:
                self.record(path)
                return 0
        if failed.code == EINVAL:
            told = f"to a subdirectory of itself, {quoted(path)}"
            return session.complain(f"mv: cannot move {quoted(source)} {told}")
        return session.complain(f"mv: cannot move {quoted(source)} to {quoted(path)}: {failed.reason}")

    def record(self, path: str) -> None:
        inode = self.session.tree.look(path, follow=False)
        if inode is not None:
            self.made.add((path, inode))

    def refusal(self, source: str, inode: str, path: str, there: str) -> str | None:
        """Why an existing `path` may not be replaced by `source`."""
        tree = self.session.tree
        if not _may_replace(tree, source, inode, path, there, self.into):
            return f"{quoted(source)} and {quoted(path)} are the same file"
        if tree.is_dir(inode):
            if not tree.is_dir(there):
                return ONTO_FILE.format(quoted(path), quoted(source))
        elif tree.is_dir(there):
            return f"cannot overwrite directory {quoted(path)} with non-directory"
        elif (path, there) in self.made:
            return f"will not overwrite just-created {quoted(path)} with {quoted(source)}"
        return None


def _may_replace(tree: Tree, source: str, inode: str, path: str, there: str, into: bool) -> bool:
    """Whether a move onto `there` loses nothing because both are one file."""
    if tree.is_link(inode) and tree.is_link(there):
        return inode != there and not same_name(tree, source, path, into)
    if tree.is_link(there):
        return True
    if inode == there and not tree.is_dir(there) and tree.links(there) > 1 and not same_name(tree, source, path, into):
        return False
    if not tree.is_link(inode):
        return inode != there
    referent = tree.look(source)
    if referent is not None and (tree.is_dir(there) or tree.links(there) > 1):
        return not _is_real_path(tree, source, path)
    return referent != there


def _is_real_path(tree: Tree, source: str, path: str) -> bool:
    """Whether following `source` to its end leads to the very entry `path` (the root is the entry of slashes)."""
    if tree.look(source) == ROOT:
        return not path.strip("/")
    try:
        end = tree.locate(source, follow=True)
    except Failure:
        return False
    return end[:2] == (tree.look(directory_of(path)), base_of(path))
