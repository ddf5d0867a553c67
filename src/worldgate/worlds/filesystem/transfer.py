"""mv and cp as coreutils 9.1 has them, on one filesystem (a rename never turns into a copy)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from . import calls
from .errno import EACCES, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, EPERM, Failure
from .expansion import Unmodelled
from .files import base_of, below, hold
from .paths import READ, Tree
from .quoting import quoted
from .session import Session

Flags = set[str]
MAX_DEPTH = 200  # directories below one another that cp follows here
_ONTO_FILE = "cannot overwrite non-directory {} with directory {}"


def _directory(tree: Tree, path: str) -> Failure | None:
    """None when `path` is a directory, else why it is not."""
    try:
        return None if tree.is_dir(tree.find(path)) else Failure(ENOTDIR)
    except Failure as failure:
        return failure


def _same_name(tree: Tree, one: str, two: str, followed: bool = False) -> bool:
    """Whether two paths are the same directory entry: one last name in one directory.

    A directory that is named through a link counts as another, except where the tool has opened it
    (`followed`: the second one's).
    """
    if base_of(one) != base_of(two):
        return False
    first = tree.look(_directory_of(one), follow=False)
    return first is not None and first == tree.look(_directory_of(two), follow=followed)


def _directory_of(path: str) -> str:
    above = path.rstrip("/").rpartition("/")[0].rstrip("/")
    return above or ("/" if path[:1] == "/" else ".")


def _operands(session: Session, command: str, operands: Sequence[str]) -> int:
    """The complaint about too few operands; 0 when there are enough."""
    if not operands:
        return session.usage(command, "missing file operand")
    if len(operands) == 1:
        return session.usage(command, f"missing destination file operand after {quoted(operands[0])}")
    return 0


# --- mv --------------------------------------------------------------------------------------------


def mv(session: Session, flags: Flags, operands: Sequence[str]) -> int:
    status = _operands(session, "mv", operands)
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
    missing = _directory(tree, last)
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
                return session.complain(f"mv: {_ONTO_FILE.format(quoted(path), quoted(source))}")
        if there is not None and self.keep:
            return 0
        if there is not None and (refusal := self.refusal(source, inode, path, there)):
            return session.complain(f"mv: {refusal}")
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
                return _ONTO_FILE.format(quoted(path), quoted(source))
        elif tree.is_dir(there):
            return f"cannot overwrite directory {quoted(path)} with non-directory"
        elif (path, there) in self.made:
            return f"will not overwrite just-created {quoted(path)} with {quoted(source)}"
        return None


def _may_replace(tree: Tree, source: str, inode: str, path: str, there: str, into: bool) -> bool:
    """Whether a move onto `there` loses nothing because both are one file."""
    if tree.is_link(inode) and tree.is_link(there):
        return inode != there and not _same_name(tree, source, path, into)
    if tree.is_link(there):
        return True
    if inode == there and not tree.is_dir(there) and tree.links(there) > 1 and not _same_name(tree, source, path, into):
        return False
    if not tree.is_link(inode):
        return inode != there
    referent = tree.look(source)
    if not tree.is_dir(there) and tree.links(there) > 1 and referent is not None:
        return not _is_real_path(tree, source, path)
    return referent != there


def _is_real_path(tree: Tree, source: str, path: str) -> bool:
    """Whether following `source` to its end leads to the very entry `path`."""
    try:
        one, two = tree.locate(source, follow=True), tree.locate(path)
    except Failure:
        return False
    return one[:2] == two[:2]


# --- cp --------------------------------------------------------------------------------------------


def cp(session: Session, flags: Flags, operands: Sequence[str]) -> int:
    status = _operands(session, "cp", operands)
    if status:
        return status
    last, sources, tree = operands[-1], operands[:-1], session.tree
    missing = _directory(tree, last)
    copy = _Copy(session, bool(flags & {"r", "R"}), "p" in flags, into=missing is None)
    if missing is not None:
        if len(sources) > 1:
            return session.complain(f"cp: target {quoted(last)}: {missing.reason}")
        return copy.operand(sources[0], last)
    hold(tree, last)
    for source in sources:
        name = base_of(source)
        if source and not name and copy.recursive:
            status |= copy.complain(f"cannot create directory {quoted(below(last, name))}", Failure(ENOENT))
        else:
            status |= copy.operand(source, below(last, "." if name == ".." else name))
    return status


@dataclass(slots=True)
class _Copy:
    """One cp command: its options, and what it has copied so far."""

    session: Session
    recursive: bool
    preserve: bool
    into: bool
    sources: set[tuple[str, str]] = field(default_factory=set)
    made: set[tuple[str, str]] = field(default_factory=set)
    copied: dict[str, tuple[str, bool]] = field(default_factory=dict)  # of a directory: (the copy's path, at the top)
    top: tuple[str, str] = ("", "")
    into_itself: bool = False
    depth: int = 0

    def complain(self, text: str, failure: Failure | None = None) -> int:
        return self.session.complain(f"cp: {text}{': ' + failure.reason if failure else ''}")

    def operand(self, source: str, path: str) -> int:
        self.top, self.into_itself = (source, path), False
        return self.copy(source, path, top=True)

    def copy(self, source: str, path: str, top: bool = False) -> int:
        tree = self.session.tree
        try:
            inode = tree.find(source, follow=not self.recursive)
        except Failure as failure:
            return self.complain(f"cannot stat {quoted(source)}", failure)
        is_dir = tree.is_dir(inode)
        if is_dir and not self.recursive:
            return self.complain(f"-r not specified; omitting directory {quoted(source)}")
        if top and not is_dir:
            entry = tree.locate(source)[:2]
            if entry in self.sources:
                self.complain(f"warning: source file {quoted(source)} specified more than once")
                return 0
            self.sources.add(entry)
        regular = tree.kind(inode) == "file"
        try:
            there: str | None = tree.find(path, follow=regular or not self.recursive)
        except Failure as failure:
            if failure.code != ENOENT:
                return self.complain(f"cannot stat {quoted(path)}", failure)
            there = None
        if there is not None:
            if self.recursive and inode == there and tree.is_link(inode) and not self.same_name(source, path):
                return 0  # two names of one symbolic link
            refusal = self.refusal(source, inode, path, there, top)
            if refusal:
                return self.complain(refusal)
            if self.recursive and not regular and not tree.is_dir(there):
                try:
                    calls.unlink(tree, path)
                except Failure as failure:
                    return self.complain(f"cannot remove {quoted(path)}", failure)
                there = None
        through = tree.look(path, follow=False)
        if top and through is not None and tree.is_link(through) and (path, through) in self.made:
            return self.complain(f"will not copy {quoted(source)} through just-created symlink {quoted(path)}")
        if is_dir:
            return self.directory(source, inode, path, there, top)
        return self.file(source, inode, path, there, top)

    def refusal(self, source: str, inode: str, path: str, there: str, top: bool) -> str | None:
        """Why an existing `path` may not be overwritten by `source`."""
        tree = self.session.tree
        if not self.distinct(source, inode, path, there):
            return f"{quoted(source)} and {quoted(path)} are the same file"
        if tree.is_dir(inode):
            if not tree.is_dir(there):
                return _ONTO_FILE.format(quoted(path), quoted(source))
        elif tree.is_dir(there):
            return f"cannot overwrite directory {quoted(path)} with non-directory"
        elif top and (path, there) in self.made:
            return f"will not overwrite just-created {quoted(path)} with {quoted(source)}"
        return None

    def same_name(self, source: str, path: str) -> bool:
        return _same_name(self.session.tree, source, path, self.into and path == self.top[1])

    def distinct(self, source: str, inode: str, path: str, there: str) -> bool:
        """Whether source and destination are not one file."""
        tree = self.session.tree
        if not self.recursive:
            return inode != there
        if tree.is_link(inode) and tree.is_link(there):
            return not self.same_name(source, path)
        if not tree.is_link(inode) and not tree.is_link(there):
            return inode != there
        ends = [tree.look(source) if tree.is_link(inode) else inode, tree.look(path) if tree.is_link(there) else there]
        return ends[0] is None or ends[0] != ends[1]

    # --- directories -------------------------------------------------------------------------------

    def directory(self, source: str, inode: str, path: str, there: str | None, top: bool) -> int:
        tree = self.session.tree
        if inode in self.copied:
            return self.again(source, path, *self.copied[inode])
        if top:
            self.copied[inode] = (path, True)
        mode = tree.mode(inode)
        if there is None:
            try:
                made = calls.mkdir(tree, path, mode & (0o7700 if self.preserve else 0o7755))
            except Failure as failure:
                return self.complain(f"cannot create directory {quoted(path)}", failure)
            final = tree.mode(made) | (0 if self.preserve else mode & 0o022 & ~tree.umask)
            calls.chmod(tree, made, tree.mode(made) | 0o700)
            self.copied[made] = (path, top)
        else:
            made, final = there, None
        if top:
            self.made.add((path, made))
        status = self.children(source, inode, path)
        if self.preserve:
            return status | self.attributes(inode, path, made, new=there is None)
        if final is not None:
            calls.chmod(tree, made, final)
        return status

    def again(self, source: str, path: str, earlier: str, at_top: bool) -> int:
        """A directory that was copied before, or that this command made."""
        tree, into = self.session.tree, self.into and at_top
        if _same_name(tree, source, earlier, into):
            self.into_itself = True
            return self.complain(f"cannot copy a directory, {quoted(self.top[0])}, into itself, {quoted(self.top[1])}")
        if path == earlier or _same_name(tree, path, earlier, into):
            self.complain(f"warning: source directory {quoted(source)} specified more than once")
            return 0
        return self.complain(f"will not create hard link {quoted(path)} to directory {quoted(earlier)}")

    def children(self, source: str, inode: str, path: str) -> int:
        tree, status = self.session.tree, 0
        if not tree.may(inode, READ):
            return self.complain(f"cannot access {quoted(source)}", Failure(EACCES))
        names = tree.names(inode)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unmodelled(f"copying a tree deeper than {MAX_DEPTH}", "a shallower one")
        for name in names:
            status |= self.copy(below(source, name), below(path, name))
            if self.into_itself:  # cp stops reading here, after some of the names
                if len(names) > 1:
                    raise Unmodelled(
                        "copying a directory into itself", "a result that does not depend on the order of its names"
                    )
                break
        self.depth -= 1
        return status

    # --- files and links ---------------------------------------------------------------------------

    def file(self, source: str, inode: str, path: str, there: str | None, top: bool) -> int:
        tree = self.session.tree
        kind = tree.kind(inode)
        if kind == "symlink":
            try:
                made = calls.symlink(tree, tree.get("target", (inode,)), path)
            except Failure as failure:
                return self.complain(f"cannot create symbolic link {quoted(path)}", failure)
            new = True
        else:
            if kind != "file" or (there is not None and tree.kind(there) != "file"):
                raise Unmodelled(f"copying a {kind}", "a regular file")
            opened = self.regular(source, inode, path, there)
            if opened is None:
                return 1
            made, new = opened
        if top:
            self.made.add((path, tree.look(path, follow=False) or made))
        return self.attributes(inode, path, made, new) if self.preserve else 0

    def regular(self, source: str, inode: str, path: str, there: str | None) -> tuple[str, bool] | None:
        """Copy the content; the inode written and whether it is new, or None after a complaint."""
        tree = self.session.tree
        if not tree.may(inode, READ):
            self.complain(f"cannot open {quoted(source)} for reading", Failure(EACCES))
            return None
        mode = tree.mode(inode) & (0o700 if self.preserve else 0o777)
        try:
            if there is not None:
                calls.check_write(tree, there)
                made, new = there, False
                calls.drop_privileges(tree, made)
            else:
                if tree.is_link(tree.look(path, follow=False)):
                    self.complain(f"not writing through dangling symlink {quoted(path)}")
                    return None
                made, new = calls.open_write(tree, path, mode, exclusive=True)
        except Failure as failure:
            if failure.code == EISDIR and path[-1:] == "/":
                failure = Failure(ENOTDIR)
            self.complain(f"cannot create regular file {quoted(path)}", failure)
            return None
        calls.store(tree, made, tree.get("content", (inode,)), tree.get("size", (inode,)))
        return made, new

    def attributes(self, inode: str, path: str, made: str, new: bool) -> int:
        """What -p keeps: owner and group as far as allowed, and the mode (without set-id bits if not)."""
        tree = self.session.tree
        uid, gid = tree.get("uid", (inode,)), tree.get("gid", (inode,))
        if not tree.owns(made):
            return self.complain(f"preserving times for {quoted(path)}", Failure(EPERM))
        allowed = 0o7777
        if new or (uid, gid) != (tree.get("uid", (made,)), tree.get("gid", (made,))):
            try:
                calls.chown(tree, made, uid, gid)
            except Failure:
                allowed = 0o777
                with suppress(Failure):
                    calls.chown(tree, made, None, gid)
        if tree.is_link(made):
            return 0
        mode = tree.mode(inode) & allowed
        if not mode & 0o7000:  # set through the access control list, which leaves the other bits alone
            mode |= tree.mode(made) & 0o7000
        try:
            calls.chmod(tree, made, mode)
        except Failure as failure:
            return self.complain(f"preserving permissions for {quoted(path)}", failure)
        return 0
