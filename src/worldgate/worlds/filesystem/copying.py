"""cp as coreutils 9.1 has it: contents are copied by their names, no bytes are read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from . import calls
from .errno import EACCES, EISDIR, ENOENT, ENOTDIR, EPERM, Failure, Unmodelled
from .operands import ONTO_FILE, base_of, below, hold, not_a_directory, same_name, too_few
from .paths import READ
from .quoting import quoted
from .session import Session

MAX_DEPTH = 200  # directories below one another that cp follows here


def cp(session: Session, flags: frozenset[str], operands: Sequence[str]) -> int:
    status = too_few(session, "cp", operands)
    if status:
        return status
    last, sources, tree = operands[-1], operands[:-1], session.tree
    missing = not_a_directory(tree, last)
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
        regular = tree.inode(inode).kind == "file"
        try:
            there: str | None = tree.find(path, follow=regular or not self.recursive)
        except Failure as failure:
            if failure.code != ENOENT:
                return self.complain(f"cannot stat {quoted(path)}", failure)
            there = None
        if there is not None:
            if self.recursive and inode == there and tree.is_link(inode) and not self.is_same_name(source, path):
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
                return ONTO_FILE.format(quoted(path), quoted(source))
        elif tree.is_dir(there):
            return f"cannot overwrite directory {quoted(path)} with non-directory"
        elif top and (path, there) in self.made:
            return f"will not overwrite just-created {quoted(path)} with {quoted(source)}"
        return None

    def is_same_name(self, source: str, path: str) -> bool:
        return same_name(self.session.tree, source, path, self.into and path == self.top[1])

    def distinct(self, source: str, inode: str, path: str, there: str) -> bool:
        """Whether source and destination are not one file."""
        tree = self.session.tree
        if not self.recursive:
            return inode != there
        if tree.is_link(inode) and tree.is_link(there):
            return not self.is_same_name(source, path)
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
        mode = tree.inode(inode).mode
        if there is None:
            try:
                made = calls.mkdir(tree, path, mode & (0o7700 if self.preserve else 0o7755))
            except Failure as failure:
                return self.complain(f"cannot create directory {quoted(path)}", failure)
            begun = tree.inode(made).mode
            final = begun | (0 if self.preserve else mode & 0o022 & ~tree.umask)
            calls.chmod(tree, made, begun | 0o700)
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
        if same_name(tree, source, earlier, into):
            self.into_itself = True
            return self.complain(f"cannot copy a directory, {quoted(self.top[0])}, into itself, {quoted(self.top[1])}")
        if path == earlier or same_name(tree, path, earlier, into):
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
        kind = tree.inode(inode).kind
        if kind == "symlink":
            try:
                made = calls.symlink(tree, tree.get("target", (inode,)), path)
            except Failure as failure:
                return self.complain(f"cannot create symbolic link {quoted(path)}", failure)
            new = True
        else:
            if kind != "file" or (there is not None and tree.inode(there).kind != "file"):
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
        mode = tree.inode(inode).mode & (0o700 if self.preserve else 0o777)
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
        _, mode, uid, gid = tree.inode(inode)
        if not tree.owns(made):
            return self.complain(f"preserving times for {quoted(path)}", Failure(EPERM))
        allowed = 0o7777
        if new or (uid, gid) != tree.inode(made)[2:]:
            try:
                calls.chown(tree, made, uid, gid)
            except Failure:
                allowed = 0o777
                with suppress(Failure):
                    calls.chown(tree, made, None, gid)
        if tree.is_link(made):
            return 0
        mode &= allowed
        if not mode & 0o7000:  # set through the access control list, which leaves the other bits alone
            mode |= tree.inode(made).mode & 0o7000
        try:
            calls.chmod(tree, made, mode)
        except Failure as failure:
            return self.complain(f"preserving permissions for {quoted(path)}", failure)
        return 0
