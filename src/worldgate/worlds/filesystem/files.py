"""The small file commands as coreutils 9.1 has them: mkdir, rmdir, touch, ln, chmod, cat, ls, readlink."""

from __future__ import annotations

from collections.abc import Sequence

from . import calls, modes
from .blobs import EMPTY
from .errno import EACCES, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, EPERM, Failure, Unmodelled
from .operands import base_of, below, hold, trimmed
from .paths import READ, SEARCH, WRITE, Tree, octets
from .quoting import curly, quoted, quoted_if_needed
from .session import Session

Flags = frozenset[str]


# --- making ----------------------------------------------------------------------------------------


def mkdir(session: Session, flags: Flags, operands: Sequence[str]) -> int:
    if not operands:
        return session.usage("mkdir", "missing operand")
    make = _mkdir_parents if "p" in flags else _mkdir_one
    status = 0
    for path in operands:
        status |= make(session, path)
    return status


def _mkdir_one(session: Session, path: str) -> int:
    try:
        calls.mkdir(session.tree, path)
    except Failure as failure:
        return session.complain(f"mkdir: cannot create directory {curly(path)}: {failure.reason}")
    return 0


def _mkdir_parents(session: Session, path: str) -> int:
    """Make every missing directory on the way; those get write and search permission for their owner."""
    tree = session.tree
    for end in _prefixes(path):
        prefix = path[:end]
        made: Failure | None = None
        try:
            made_dir = calls.mkdir(tree, prefix)
            calls.chmod(tree, made_dir, tree.inode(made_dir).mode | 0o300)
        except Failure as failure:
            made = failure
        if made is None:
            continue
        try:
            inode = tree.find(prefix)
            failed = None if tree.is_dir(inode) else Failure(ENOTDIR)
            if failed is None and not tree.may(inode, SEARCH):
                failed = Failure(EACCES)
        except Failure as failure:
            failed = failure
        if failed is not None:
            reason = made.reason if made.code not in (EEXIST,) else failed.reason
            if failed.code == ENOENT and made.code == EEXIST:
                reason = made.reason
            return session.complain(f"mkdir: cannot create directory {curly(prefix)}: {reason}")
    try:
        calls.mkdir(tree, path)
    except Failure as failure:
        told = f"cannot create directory {curly(path)}: {failure.reason}"
        if failure.code == EEXIST:
            try:
                if tree.is_dir(tree.find(path)):
                    return 0
            except Failure as blind:
                if blind.code not in (ENOENT, ENOTDIR):
                    told = f"cannot stat {curly(path)}: {blind.reason}"
        return session.complain(f"mkdir: {told}")
    return 0


def _prefixes(path: str) -> list[int]:
    """Where each name but the last ends."""
    body = path.rstrip("/")
    ends = [at for at in range(1, len(body)) if body[at] == "/" and body[at - 1] != "/"]
    return [end for end in ends if body[:end].strip("/")]


def rmdir(session: Session, _flags: Flags, operands: Sequence[str]) -> int:
    if not operands:
        return session.usage("rmdir", "missing operand")
    status = 0
    for path in operands:
        try:
            calls.rmdir(session.tree, path)
        except Failure as failure:
            reason = failure.reason
            if failure.code == ENOTDIR and path[-1:] == "/" and _is_link_to_dir(session.tree, path):
                reason = "Symbolic link not followed"
            status = session.complain(f"rmdir: failed to remove {quoted(path)}: {reason}")
    return status


def _is_link_to_dir(tree: Tree, path: str) -> bool:
    """Whether what stands before the slashes is a link, and not one that leads to a file."""
    try:
        if not tree.is_dir(tree.find(path)):
            return False
    except Failure as failure:
        if failure.code == ENOTDIR:
            return False
    return tree.is_link(tree.look(path.rstrip("/"), follow=False))


def touch(session: Session, _flags: Flags, operands: Sequence[str]) -> int:
    if not operands:
        return session.usage("touch", "missing file operand")
    status = 0
    for path in operands:
        status |= _touch_one(session, path)
    return status


def _touch_one(session: Session, path: str) -> int:
    tree = session.tree
    if path == "-":
        raise Unmodelled("touch -", "a named file")
    opened: Failure | None = None
    try:
        inode, new = calls.open_write(tree, path)
        if new:
            calls.store(tree, inode, EMPTY, 0)
        return 0
    except Failure as failure:
        if failure.code not in (EISDIR, EINVAL, EPERM):
            opened = failure
    try:
        inode = tree.find(path)
        if tree.owns(inode) or tree.may(inode, WRITE):
            return 0
        raise Failure(EACCES)
    except Failure as failure:
        if opened is not None:
            return session.complain(f"touch: cannot touch {quoted(path)}: {opened.reason}")
        return session.complain(f"touch: setting times of {quoted(path)}: {failure.reason}")


# --- links -----------------------------------------------------------------------------------------


def ln(session: Session, flags: Flags, operands: Sequence[str]) -> int:
    if not operands:
        return session.usage("ln", "missing file operand")
    symbolic, tree = "s" in flags, session.tree
    if len(operands) == 1:
        return _link_into(session, operands, ".", symbolic)
    last = operands[-1]
    if len(operands) == 2:
        failed = _make_link(session, operands[0], last, symbolic)
        if failed is None:
            return 0
        if failed.code not in (EEXIST, ENOTDIR, EINVAL) or not tree.is_dir(tree.look(last)):
            return _link_one(session, operands[0], last, symbolic, failed)
    try:
        if not tree.is_dir(tree.find(last)):
            raise Failure(ENOTDIR)
    except Failure as failure:
        return session.complain(f"ln: target {quoted(last)}: {failure.reason}")
    return _link_into(session, operands[:-1], last, symbolic)


def _link_into(session: Session, sources: Sequence[str], directory: str, symbolic: bool) -> int:
    status = 0
    if directory != ".":
        hold(session.tree, directory)
    for source in sources:
        name = base_of(source)
        status |= _link_one(session, source, below(directory, name), symbolic, None if name else Failure(ENOENT))
    return status


def _make_link(session: Session, source: str, path: str, symbolic: bool) -> Failure | None:
    try:
        if symbolic:
            calls.symlink(session.tree, source, path)
        else:
            calls.link(session.tree, source, path)
    except Failure as failure:
        return failure
    return None


def _link_one(session: Session, source: str, path: str, symbolic: bool, failed: Failure | None = None) -> int:
    """One link, with the reason when it (or an attempt before) failed."""
    tree = session.tree
    if not symbolic:
        try:
            inode = tree.find(source, follow=False)
        except Failure as failure:
            return session.complain(f"ln: failed to access {quoted(source)}: {failure.reason}")
        if tree.is_dir(inode):
            return session.complain(f"ln: {quoted_if_needed(source)}: hard link not allowed for directory")
    failed = failed or _make_link(session, source, path, symbolic)
    if failed is None:
        return 0
    if symbolic:
        told = f"symbolic link {quoted(path)}" + ("" if source else f" -> {quoted(source)}")
    else:
        told = f"hard link {quoted(path)}" + ("" if failed.code == EEXIST else f" => {quoted(source)}")
    return session.complain(f"ln: failed to create {told}: {failed.reason}")


def readlink(session: Session, _flags: Flags, operands: Sequence[str]) -> int:
    if not operands:
        return session.usage("readlink", "missing operand")
    status, tree = 0, session.tree
    for path in operands:
        inode = tree.look(path, follow=False)
        if inode is None or not tree.is_link(inode):
            status = 1
        else:
            session.out.append(tree.get("target", (inode,)) + "\n")
    return status


# --- modes -----------------------------------------------------------------------------------------


def chmod(session: Session, _flags: Flags, operands: Sequence[str]) -> int:
    if not operands:
        return session.usage("chmod", "missing operand")
    if len(operands) == 1:
        return session.usage("chmod", f"missing operand after {curly(operands[0])}")
    changes = modes.compiled(operands[0])
    if changes is None:
        return session.usage("chmod", f"invalid mode: {curly(operands[0])}")
    status, tree = 0, session.tree
    for path in map(trimmed, operands[1:]):
        try:
            inode = tree.find(path)
        except Failure as failure:
            told = f"cannot access {quoted(path)}: {failure.reason}"
            if failure.code == ENOENT and tree.is_link(tree.look(path, follow=False)):
                told = f"cannot operate on dangling symlink {quoted(path)}"
            status = session.complain(f"chmod: {told}")
            continue
        try:
            kind, mode, _, _ = tree.inode(inode)
            calls.chmod(tree, inode, modes.adjusted(mode, kind == "dir", tree.umask, changes))
        except Failure as failure:
            status = session.complain(f"chmod: changing permissions of {quoted(path)}: {failure.reason}")
    return status


# --- looking ---------------------------------------------------------------------------------------


def cat(session: Session, _flags: Flags, operands: Sequence[str]) -> int:
    status, tree = 0, session.tree
    for path in operands:
        if path == "-":
            continue  # standard input is empty
        try:
            inode = tree.find(path)
            if not tree.may(inode, READ):
                raise Failure(EACCES)
            kind = tree.inode(inode).kind
            if kind == "dir":
                raise Failure(EISDIR)
        except Failure as failure:
            status = session.complain(f"cat: {quoted_if_needed(path)}: {failure.reason}")
            continue
        if kind != "file":
            raise Unmodelled(f"reading a {kind}", "a regular file")
        if _is_own_output(session, inode):
            status = session.complain(f"cat: {quoted_if_needed(path)}: input file is output file")
            continue
        if tree.get("size", (inode,)):
            session.out.append(session.read(inode).decode("utf-8", "surrogateescape"))
    return status


def _is_own_output(session: Session, inode: str) -> bool:
    """Whether a file would be copied onto its own end (it has bytes, by now, and output goes there)."""
    if session.seen_output is None or session.seen_output[0] != inode:
        return False
    grown = any(session.out)
    return grown or (session.seen_output[1] and bool(session.tree.get("size", (inode,))))


def ls(session: Session, flags: Flags, operands: Sequence[str]) -> int:
    """Names one a line, sorted by their bytes. `-a` and `-A` show hidden ones, `-d` directories as themselves."""
    tree, status = session.tree, 0
    files: list[tuple[bytes, str, str]] = []
    directories: list[tuple[bytes, str, str]] = []
    for path in operands or ["."]:
        try:
            inode = _listable(tree, path, follow="d" not in flags)
        except Failure as failure:
            verb = "access" if operands else "open directory"
            session.complain(f"ls: cannot {verb} {quoted(path)}: {failure.reason}")
            status = 2
            continue
        (directories if tree.is_dir(inode) and "d" not in flags else files).append((octets(path), path, inode))
    out = [path for _, path, _ in sorted(files)]
    titled, first = len(operands) > 1, True
    if files and directories:
        out.append("")
    for _, path, inode in sorted(directories):
        if not tree.may(inode, READ):
            session.complain(f"ls: cannot open directory {quoted(path)}: {Failure(EACCES).reason}")
            status = 2
            continue
        if not first:
            out.append("")
        first = False
        if titled:
            out.append(f"{path}:")
        out += _listed(session, inode, flags)
    session.out += [name + "\n" for name in out]
    return status


def _listable(tree: Tree, path: str, follow: bool) -> str:
    """What ls looks at: a link's end, or the link itself where there is none."""
    try:
        return tree.find(path, follow)
    except Failure as failure:
        if failure.code != ENOENT:
            raise
        return tree.find(path, follow=False)


def _listed(session: Session, directory: str, flags: Flags) -> list[str]:
    names = session.tree.names(directory)
    if session.tree.is_detached(directory):
        return []
    if "a" in flags:
        return sorted([".", "..", *names], key=octets)
    return names if "A" in flags else [name for name in names if name[0] != "."]
