"""The gate's own directory in a workspace: its making, its lock, its stage, and recovery.

    .worldgate/lock          held (flock) by whoever commits or recovers
    .worldgate/journal.json  there only while a commit is not decided
    .worldgate/after.json    the journal of the last commit; before.json: of the last one put back
    .worldgate/stage/<run>   new bodies, and old ones that left their place

Making it changes the times of the root, so these are first kept in the text of a symbolic link
(`.worldgate.times`, then `.worldgate/times`), which one system call writes whole, and put back.
"""

from __future__ import annotations

import fcntl
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Literal, NamedTuple

from ...worlds.filesystem.directory import WORKPLACE
from ...worlds.filesystem.system import Inode
from . import journal as journals
from .journal import DECIDED, JOURNAL, Held, Journal
from .refusals import BadWorkplace, OutcomeUnknown
from .tree import Tree
from .writes import Writes

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TIMES = WORKPLACE + ".times"
_STAGE = "stage"
_FEW = 4
"""Up to so many directories are flushed one by one; more, by one flush of the filesystem."""

Outcome = Literal["before", "after"]


class Recovered(NamedTuple):
    """An interrupted commit that was finished: everything is as before it, or as after it."""

    run: str
    outcome: Outcome


class Workplace:
    """The open and locked workplace of one root."""

    def __init__(self, root: int, gate: int, writes: Writes) -> None:
        self.root, self.gate, self.writes = root, gate, writes

    # --- recovery -------------------------------------------------------------------------------------

    def recover(self) -> Recovered | None:
        """Put an undecided commit back, finish the tidying of a decided one, forget one that never began."""
        journal = journals.read(self.gate, JOURNAL)
        if journal is not None:
            self.put_back(journal)
            self.clear()
            return Recovered(journal.run, "before")
        left = self._left_in_stage()
        if not left:
            return None
        after = journals.read(self.gate, DECIDED["after"])
        self.clear()
        return Recovered(left[0], "after" if after is not None and after.run == left[0] else "before")

    def put_back(self, journal: Journal) -> None:
        """Lead the directory back to before, from wherever it is; at any interruption, begin again."""
        with self.stage(journal.run) as stage:
            if os.fstat(stage).st_ino != journal.stage:
                raise BadWorkplace("another stage than the journal's", "the stage as the commit left it")
            tree = Tree(self.root, stage, journal, self.writes)
            try:
                tree.discover()
                tree.rearrange("before")
                files = [self._restore(tree, body, row.held) for body, row in enumerate(journal.bodies) if row.held]
                self.make_durable(tree, stage, any(files))
            finally:
                tree.close()
        self.decide("before")

    def _restore(self, tree: Tree, body: int, held: Held) -> bool:
        """Metadata and times of one body as they were; whether that changed something else than a directory."""
        before = self.writes.count
        tree.settle_descriptors()
        with tree.inode(body) as inode:
            set_metadata(self.writes, inode, held.mode, held.uid, held.gid, held.xattrs)
            if inode.status().st_mtime_ns != held.mtime:
                self.writes.utime(inode, held.atime, held.mtime)
        return self.writes.count > before and not tree.is_dir(body)

    def make_durable(self, tree: Tree, stage: int, everything: bool) -> None:
        """Flush the directories of a tree whose entries or metadata changed; with `everything`, files as well."""
        if everything:
            self.writes.syncfs(self.gate)
            return
        held = [body for body, row in enumerate(tree.journal.bodies) if row.held and tree.is_dir(body)]
        descriptors = [stage]
        try:
            if len(held) <= _FEW:
                descriptors += [os.open(".", _DIR, dir_fd=tree.directory(body)) for body in held]
                for descriptor in descriptors:
                    self.writes.fsync(descriptor)
            else:
                self.writes.syncfs(self.gate)
        finally:
            for descriptor in descriptors[1:]:
                os.close(descriptor)

    # --- decisions ------------------------------------------------------------------------------------

    def decide(self, outcome: Outcome) -> None:
        """The point of no return, by one rename."""
        try:
            self.writes.replace(self.gate, JOURNAL, self.gate, DECIDED[outcome])
            self.writes.fsync(self.gate)
        except OSError as error:
            try:
                if not self.undecided():
                    self.writes.replace(self.gate, DECIDED[outcome], self.gate, JOURNAL)
            except OSError as second:
                raise OutcomeUnknown(f"{second} after {error}", "the decision on the disk") from second
            raise

    def undecided(self) -> bool:
        """Whether there is a journal."""
        try:
            os.stat(JOURNAL, dir_fd=self.gate, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def decided(self, outcome: Outcome) -> str | None:
        """The run that was last decided so."""
        found = journals.read(self.gate, DECIDED[outcome])
        return None if found is None else found.run

    def forget(self, run: str) -> None:
        """Drop what is known of earlier commits of this run: it begins again."""
        for outcome, name in DECIDED.items():
            if self.decided(outcome) == run:  # type: ignore[arg-type]
                self.writes.unlink(self.gate, name)

    def folded(self, name: str) -> str:
        """What two names have in common that are one to this filesystem; for systems that may not tell them apart."""
        composed = unicodedata.normalize("NFC", name)
        try:
            other = os.stat(WORKPLACE.upper(), dir_fd=self.root, follow_symlinks=False)
        except FileNotFoundError:
            return composed
        same = os.path.samestat(other, os.fstat(self.gate))
        return unicodedata.normalize("NFC", composed.casefold()) if same else composed

    # --- the stage --------------------------------------------------------------------------------------

    @contextmanager
    def stage(self, run: str, *, new: bool = False) -> Iterator[int]:
        """The stage of a run, open."""
        if new:
            with suppress(FileExistsError):
                self.writes.mkdir(self.gate, _STAGE)
        above = os.open(_STAGE, _DIR, dir_fd=self.gate)
        try:
            if new:
                self.writes.mkdir(above, run)
            stage = os.open(run, _DIR, dir_fd=above)
        finally:
            os.close(above)
        try:
            yield stage
        finally:
            os.close(stage)

    def _left_in_stage(self) -> list[str]:
        with suppress(FileNotFoundError):
            above = os.open(_STAGE, _DIR, dir_fd=self.gate)
            try:
                return sorted(os.listdir(above))
            finally:
                os.close(above)
        return []

    def clear(self) -> None:
        """Remove everything in the stage. Directories come up to its top first, so no depth is too much."""
        with suppress(FileNotFoundError):
            above = os.open(_STAGE, _DIR, dir_fd=self.gate)
            try:
                for run in os.listdir(above):
                    stage = os.open(run, _DIR, dir_fd=above)
                    try:
                        self._empty(stage)
                    finally:
                        os.close(stage)
                    self.writes.rmdir(above, run)
            finally:
                os.close(above)

    def _empty(self, stage: int) -> None:
        numbers = count()
        device = os.fstat(stage).st_dev
        while names := os.listdir(stage):
            for name in names:
                status = os.stat(name, dir_fd=stage, follow_symlinks=False)
                if not stat.S_ISDIR(status.st_mode):
                    self.writes.unlink(stage, name)
                elif status.st_dev == device:
                    self._flatten(stage, name, numbers)
                else:
                    raise BadWorkplace(f"another filesystem at {name!r}", "one filesystem", "Unmount it.")

    def _flatten(self, stage: int, name: str, numbers: Iterator[int]) -> None:
        """Remove a directory after its subdirectories moved up beside it."""
        self._unlock(stage, name)
        inner = os.open(name, _DIR, dir_fd=stage)
        try:
            with os.scandir(inner) as entries:
                rows = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
            taken = set(os.listdir(stage))
            for child, is_dir in rows:
                if is_dir:
                    self._unlock(inner, child)  # a directory that moves is written to
                    free = next(str(n) for n in numbers if str(n) not in taken)
                    self.writes.rename(inner, child, stage, free, private=True)
                else:
                    self.writes.unlink(inner, child)
        finally:
            os.close(inner)
        self.writes.rmdir(stage, name)

    def _unlock(self, directory: int, name: str) -> None:
        with self.writes.system.hold(directory, name) as inode:
            if os.geteuid() != 0 and inode.status().st_mode & 0o700 != 0o700:
                self.writes.chmod(inode, 0o700)


def set_metadata(
    writes: Writes, inode: Inode, mode: int | None, uid: int | None, gid: int | None, xattrs: dict[str, str | None]
) -> None:
    """Make the metadata of an inode these; writes only what differs. None for mode, uid, gid: leave it."""
    now = inode.status()
    wanted = (now.st_uid if uid is None else uid, now.st_gid if gid is None else gid)
    final = stat.S_IMODE(now.st_mode) if mode is None else mode
    if wanted != (now.st_uid, now.st_gid):
        writes.chown(inode, *wanted)  # first: it clears set-id bits and capabilities
    for name, value in xattrs.items():
        found = _xattr(inode, name)
        if value is None and found is not None:
            writes.removexattr(inode, name)
        elif value is not None and found != bytes.fromhex(value):
            writes.setxattr(inode, name, bytes.fromhex(value))
    if not stat.S_ISLNK(now.st_mode) and stat.S_IMODE(inode.status().st_mode) != final:
        writes.chmod(inode, final)


def _xattr(inode: Inode, name: str) -> bytes | None:
    try:
        return os.getxattr(inode.at, name)
    except OSError:
        return None


# --- opening -----------------------------------------------------------------------------------------------


@contextmanager
def opened(path: Path, writes: Writes, *, create: bool) -> Iterator[Workplace | None]:
    """The workplace of a root, locked; None where there is none and `create` is not asked for."""
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _unfinished(root) or (create and not _exists(root)):
            fcntl.flock(root, fcntl.LOCK_EX)
            try:
                if _unfinished(root) or not _exists(root):
                    _establish(root, writes)
            finally:
                fcntl.flock(root, fcntl.LOCK_UN)
        if not _exists(root):
            yield None
            return
        gate = _open_gate(root)
        try:
            with _locked(gate, writes):
                yield Workplace(root, gate, writes)
        finally:
            os.close(gate)
    finally:
        os.close(root)


def _exists(root: int) -> bool:
    try:
        os.stat(WORKPLACE, dir_fd=root, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _unfinished(root: int) -> str | None:
    """The times of the root, when the making of the workplace was interrupted."""
    for name in (_TIMES, f"{WORKPLACE}/times"):
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            return os.readlink(name, dir_fd=root)
    return None


def _establish(root: int, writes: Writes) -> None:
    status = os.fstat(root)
    times = _unfinished(root) or f"{status.st_atime_ns} {status.st_mtime_ns}"
    try:
        atime, mtime = map(int, times.split())
    except ValueError:
        raise BadWorkplace(f"{_TIMES} that is not the gate's", "that name free", "Remove it.") from None
    try:
        with suppress(FileExistsError):
            writes.symlink(times, root, _TIMES)
        with suppress(FileExistsError):
            writes.mkdir(root, WORKPLACE)
        with suppress(FileExistsError):
            writes.symlink(times, root, f"{WORKPLACE}/times")
        _put_times_back(root, writes, atime, mtime)
    except OSError as error:
        try:
            _put_times_back(root, writes, atime, mtime)
        except OSError as second:
            raise OutcomeUnknown(f"{second} after {error}", "the root's times as they were") from second
        raise


def _put_times_back(root: int, writes: Writes, atime: int, mtime: int) -> None:
    with suppress(FileNotFoundError):
        writes.unlink(root, _TIMES)
    writes.utime(Inode.of(root), atime, mtime)
    with suppress(FileNotFoundError, NotADirectoryError):
        writes.unlink(root, f"{WORKPLACE}/times")


def _open_gate(root: int) -> int:
    try:
        gate = os.open(WORKPLACE, _DIR, dir_fd=root)
    except OSError as error:
        raise BadWorkplace(f"{WORKPLACE}: {error.strerror}", "a directory of this user's") from error
    status = os.fstat(gate)
    problems = {
        "another filesystem": status.st_dev != os.fstat(root).st_dev,
        f"the owner {status.st_uid}": status.st_uid != os.geteuid(),
        f"the mode {stat.S_IMODE(status.st_mode):o}": bool(status.st_mode & 0o022),
    }
    for problem, holds in problems.items():
        if holds:
            os.close(gate)
            raise BadWorkplace(f"{WORKPLACE} with {problem}", "a directory beside the files that only this user writes")
    return gate


@contextmanager
def _locked(gate: int, writes: Writes) -> Iterator[None]:
    lock = writes.open_lock(gate, "lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
