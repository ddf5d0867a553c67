"""What mv, cp, ln and the tools that walk trees do with their operands: names, targets, sameness."""

from __future__ import annotations

from collections.abc import Sequence

from .errno import ENOTDIR, Failure
from .paths import Tree
from .quoting import quoted
from .session import Session

ONTO_FILE = "cannot overwrite non-directory {} with directory {}"


def base_of(path: str) -> str:
    """The last name of a path, without slashes; "" for the root, which no directory can take in."""
    return path.rstrip("/").rpartition("/")[2]


def trimmed(path: str) -> str:
    """A path with one slash at its end where there were more, as the tools that walk trees take it."""
    return path.rstrip("/") + "/" if path[-2:] == "//" and len(path) > 2 else path


def below(directory: str, name: str) -> str:
    """`name` in `directory`, as the tools join them."""
    body = directory.rstrip("/")
    return f"{body}/{name}" if body else directory + name


def is_here(path: str) -> bool:
    """Whether a path can only be the working directory ("." or "./."): mv and cp take it without looking."""
    return path[:1] == "." and set(path.split("/")) <= {".", ""}


def hold(tree: Tree, directory: str) -> None:
    """Keep a target directory open until the command ends: its path may come to mean something else meanwhile."""
    tree.opened = (below(directory, ""), tree.cwd if is_here(directory) else tree.find(directory))


def not_a_directory(tree: Tree, path: str) -> Failure | None:
    """None when `path` is a directory, else why it is not."""
    if is_here(path):
        return None
    try:
        return None if tree.is_dir(tree.find(path)) else Failure(ENOTDIR)
    except Failure as failure:
        return failure


def same_name(tree: Tree, one: str, two: str, followed: bool = False) -> bool:
    """Whether two paths are the same directory entry: one last name in one directory.

    A directory that is named through a link counts as another, except where the tool has opened it
    (`followed`: the second one's).
    """
    if base_of(one) != base_of(two):
        return False
    first = tree.look(directory_of(one), follow=False)
    return first is not None and first == tree.look(directory_of(two), follow=followed)


def directory_of(path: str) -> str:
    above = path.rstrip("/").rpartition("/")[0].rstrip("/")
    return above or ("/" if path[:1] == "/" else ".")


def too_few(session: Session, command: str, operands: Sequence[str]) -> int:
    """The complaint about too few operands; 0 when there are enough."""
    if not operands:
        return session.usage(command, "missing file operand")
    if len(operands) == 1:
        return session.usage(command, f"missing destination file operand after {quoted(operands[0])}")
    return 0
