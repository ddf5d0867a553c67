"""rm as coreutils 9.1 has it."""

from __future__ import annotations

from collections.abc import Sequence

from . import calls
from .errno import EACCES, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, Failure, Unmodelled
from .operands import base_of, trimmed
from .paths import READ, SEARCH, Tree
from .quoting import quoted
from .schema import ROOT
from .session import Session


def rm(session: Session, flags: frozenset[str], operands: Sequence[str]) -> int:
    force, status = "f" in flags, 0
    if not operands:
        return 0 if force else session.usage("rm", "missing operand")
    recursive = bool(flags & {"r", "R"})
    for path in map(trimmed, operands):
        status |= _rm_one(session, path, recursive, force)
    return status


def _rm_one(session: Session, path: str, recursive: bool, force: bool) -> int:
    tree = session.tree
    inode = tree.look(path, follow=False)
    if inode is not None and tree.is_dir(inode):
        if not recursive:
            return session.complain(f"rm: cannot remove {quoted(path)}: {Failure(EISDIR).reason}")
        if base_of(path) in (".", ".."):
            return session.complain(f"rm: refusing to remove '.' or '..' directory: skipping {quoted(path)}")
        if inode == ROOT:
            same = "" if path == "/" else " (same as '/')"
            session.complain(f"rm: it is dangerous to operate recursively on {quoted(path)}{same}")
            return session.complain("rm: use --no-preserve-root to override this failsafe")
        return _rm_tree(session, path, inode, force)
    try:
        calls.unlink(tree, path)
    except Failure as failure:
        if force and failure.code in (ENOENT, ENOTDIR):
            return 0
        return session.complain(f"rm: cannot remove {quoted(path)}: {failure.reason}")
    return 0


def _rm_tree(session: Session, path: str, directory: str, force: bool) -> int:
    """Remove what is below, then the directory; one that keeps something is not tried."""
    tree = session.tree
    if _rm_children(session, path, directory):
        return 1
    try:
        calls.rmdir(tree, path)
    except Failure as failure:
        if force and failure.code in (ENOENT, ENOTDIR):  # the path led through a link that was below it
            return 0
        return _rm_failed(session, path, directory, failure)
    return 0


def _rm_children(session: Session, path: str, top: str) -> int:
    """Remove everything below a directory, deepest first. Only what could not be removed keeps its parents."""
    tree, status = session.tree, 0
    stack, inside = [_Level(path, top, _readable_names(tree, top))], {top}
    while True:
        level = stack[-1]
        if not level.names:
            inside.discard(stack.pop().directory)
            if not stack:
                return status
            above = stack[-1]
            name = base_of(level.path)
            if not level.kept:
                try:
                    calls.rmdir_at(tree, above.directory, name, level.directory)
                except Failure as failure:
                    level.kept = bool(_rm_failed(session, level.path, level.directory, failure))
            above.kept |= level.kept
            status |= level.kept
            continue
        name = level.names.pop()
        below_path = level.path + name if level.path[-1:] == "/" else f"{level.path}/{name}"
        inode = tree.get("entry", (level.directory, name))
        searchable = tree.may(level.directory, SEARCH)
        if searchable and tree.is_dir(inode):
            if inode in inside:  # no step leads there, but a prediction may
                raise Unmodelled("removing a directory that is inside itself", "a tree")
            inside.add(inode)
            stack.append(_Level(below_path, inode, _readable_names(tree, inode)))
            continue
        try:
            if not searchable:
                raise Failure(EACCES)
            calls.unlink_at(tree, level.directory, name, inode)
        except Failure as failure:
            level.kept = bool(session.complain(f"rm: cannot remove {quoted(below_path)}: {failure.reason}"))
            status = 1


class _Level:
    """A directory on the way down: names still to remove (last first), and whether something stays in it."""

    __slots__ = ("directory", "kept", "names", "path")

    def __init__(self, path: str, directory: str, names: list[str]) -> None:
        self.path, self.directory, self.names, self.kept = path, directory, names, False


def _readable_names(tree: Tree, directory: str) -> list[str]:
    return tree.names(directory)[::-1] if tree.may(directory, READ) else []


def _rm_failed(session: Session, path: str, directory: str, failure: Failure) -> int:
    """The complaint about a directory that stays; of one that cannot be read, that is the reason."""
    if failure.code == ENOTEMPTY and not session.tree.may(directory, READ):
        failure = Failure(EACCES)
    return session.complain(f"rm: cannot remove {quoted(path)}: {failure.reason}")
