"""The directory target: the only code that changes a user's files.

A commit compares, writes its journal, changes, verifies, and decides by one rename. Killed at any
write, `recover` leaves the directory exactly before (bytes, entries, hard links, owners, modes,
attributes, times) or exactly after. An error on the way is rolled back at once (`CommitFailed`); if
that fails too, the outcome is unknown and the journal stays (`OutcomeUnknown`).

Commits exclude one another by a lock, and everything is reached from the root's descriptor without
following symbolic links. Names are only ever moved to free names or exchanged with the expected
inode, and what goes away is looked at once more when it has left its place.

Not covered: programs that do not take the lock. One that writes to a file between the last look at
it (right before its rename) and the rename, or through a descriptor it already holds, is not
noticed; of facts that were only read, one that changes after the comparison is not. While a commit
runs, others may see some of its renames and not yet the rest. Change times (ctime) and access times
are not restored, nor are file flags.

On other systems than Linux (`platform.py`, `worlds/filesystem/system.py`) these are not covered either: extended
attributes and access control lists, which are lost from a file that gets new bytes; an exchange of names between the
last look at a link, pipe, socket or unreadable inode and the change of its metadata. Where a filesystem cannot exchange
two names, that of a file that is replaced is missing for a moment.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from ...facts import Delta, Error, State, compose
from ...worlds.filesystem.blobs import Blobs
from ...worlds.filesystem.directory import DirectorySource, split
from ...worlds.filesystem.schema import ROOT, SCHEMA
from ..base import Base, Mismatch, mismatches
from . import journal as journals
from .journal import JOURNAL, Held, Journal, Row
from .layout import ROOT_BODY, Layout, View, layout
from .refusals import CommitFailed, OutcomeUnknown, require
from .staging import Staging, late
from .stale import Stale
from .tree import Displaced, Tree
from .workplace import Recovered, Workplace, opened, set_metadata
from .writes import Writes

_RUN: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}\Z")


class Committed(NamedTuple):
    """A commit that is done and durable: its run, the writes it took, and what it had to recover first."""

    run: str
    writes: int
    recovered: Recovered | None


class DirectoryTarget:
    """The directory `root`. `writes` makes every change; tests replace it to fail or die at each."""

    def __init__(self, root: Path | str, *, writes: Writes | None = None) -> None:
        self.root = Path(root)
        self._writes = writes or Writes()

    def source(self) -> DirectorySource:
        """The facts of the directory as it is now."""
        return DirectorySource(self.root, system=self._writes.system)

    def state(self) -> State:
        return State.of(SCHEMA, source=self.source())

    def recover(self) -> Recovered | None:
        """Finish or put back an interrupted commit; None when there is none. Call it at the start."""
        with opened(self.root, self._writes, create=False) as workplace:
            return None if workplace is None else _recover(workplace)

    def outcome(self, run: str) -> bool:
        """Whether the last commit that was done here is that run's."""
        with opened(self.root, self._writes, create=False) as workplace:
            return workplace is not None and workplace.decided("after") == run

    def commit(self, run_id: str, delta: Delta, base: Base, blobs: Blobs, *, seen: str | None = None) -> Committed:
        """Make the delta, if everything in `base` (and the token `seen` over the whole tree) still holds.

        Raises `Stale`, `Uncommittable` or `CommitFailed` with nothing changed, or `OutcomeUnknown`.
        """
        require(bool(_RUN.match(run_id)), "name", f"run id {run_id!r:.40}", "letters, digits, '.', '_' and '-'")
        net = compose(edit for edit in delta if not SCHEMA.relation(edit.relation).local)
        for edit in net:
            SCHEMA.check(edit.relation, edit.key, edit.before)
            SCHEMA.check(edit.relation, edit.key, edit.after)
        start = self._writes.count
        with _failing("preparing"), opened(self.root, self._writes, create=True) as workplace:
            assert workplace is not None
            recovered = _recover(workplace)
            _Commit(self, workplace, run_id, net, blobs).run(base, seen)
        return Committed(run_id, self._writes.count - start, recovered)


@contextmanager
def _failing(doing: str) -> Iterator[None]:
    """Errors of the operating system, while nothing has been touched yet."""
    try:
        yield
    except OSError as error:
        raise CommitFailed(f"{error} while {doing}", "every write to succeed", "Remove the cause; commit again.") from (
            error
        )


def _recover(workplace: Workplace) -> Recovered | None:
    try:
        return workplace.recover()
    except OSError as error:
        raise _unknown(error) from error


def _unknown(error: BaseException) -> OutcomeUnknown:
    return OutcomeUnknown(str(error), "the commit put back", "Remove the cause and recover; the journal is kept.")


class _Commit:
    """One commit under the lock."""

    def __init__(self, target: DirectoryTarget, workplace: Workplace, run: str, net: Delta, blobs: Blobs) -> None:
        self.target, self.workplace, self.run_id, self.net, self.blobs = target, workplace, run, net, blobs
        self.writes = workplace.writes
        self.source = target.source()
        self.state = State.of(SCHEMA, source=self.source)
        self.layout: Layout

    def run(self, base: Base, seen: str | None) -> None:
        self._compare_names(base)
        self.layout = layout(self.state, self.net)
        self._compare(base, seen)
        self._check_feasible()
        self.workplace.forget(self.run_id)
        try:
            with self.workplace.stage(self.run_id, new=True) as stage:
                self._carry_out(stage, self._prepare(stage))
        except BaseException as error:
            self._abandon(error)
            raise
        self._tidy()

    # --- comparing ----------------------------------------------------------------------------------

    def _compare_names(self, base: Base) -> None:
        """The delta must fit in everything but contents before it is worth planning."""
        if _drifted(self.state, tuple(edit for edit in self.net if edit.relation != "content")):
            raise Stale.of(self._differences(self.state, base))

    def _compare(self, base: Base, seen: str | None) -> None:
        """The comparison itself, on a second reading: whatever changed since the plan's own shows in it or later."""
        source = self.target.source()
        if found := self._differences(State.of(SCHEMA, source=source), base):
            raise Stale.of(found)
        if seen is not None and (now := source.seen()) != seen:
            raise Stale.of([], f"the tree {now[:12]} instead of {seen[:12]}")

    def _differences(self, state: State, base: Base) -> list[Mismatch]:
        return list({row.address: row for row in (*mismatches(state, base), *_drifted(state, self.net))}.values())

    def _check_feasible(self) -> None:
        """What the operating system would refuse, or could not take back."""
        user = os.geteuid()
        for body in self._held():
            path = self.layout.bodies[body].id
            owner = self._status(path).st_uid
            require(user in (0, owner), "owner", f"{path!r} of user {owner}", f"an inode of user {user}")
        leaving = {slot.before for slot in self.layout.slots if slot.before != slot.after} - {None}
        tops = {body.id: body.kind for index, body in enumerate(self.layout.bodies) if index in leaving}
        moving = tops.keys() | set(self.layout.doomed)
        for mount in self.source.mounts(path for path, kind in tops.items() if kind == "dir"):
            path = mount
            while path != ROOT:
                require(path not in moving, "mount", f"a mount point at {mount!r}", "no mounts in what moves or goes")
                path = split(path)[0]
        self._check_covered()

    def _check_covered(self) -> None:
        """What this system lacks: attributes, names that the filesystem tells apart whatever they are."""
        system = self.writes.system
        if not system.attributes:
            named = [str(edit.key[0]) for edit in self.net if edit.relation == "xattr"]
            require(not named, "attributes", f"attributes of {', '.join(named)}", "none on this system")
        if not system.exact:
            met: dict[tuple[int, str], str] = {}
            for slot in self.layout.slots:
                if slot.after is not None:
                    other = met.setdefault((slot.parent, self.workplace.folded(slot.name)), slot.name)
                    require(
                        other == slot.name, "name", f"{other!r} and {slot.name!r}", "names that are told apart here"
                    )

    def _held(self) -> list[int]:
        """Old bodies whose metadata or times this commit changes, or may have to."""
        bodies, found = self.layout.bodies, set()
        for slot in self.layout.slots:
            if slot.before != slot.after:
                found.add(slot.parent)
                if slot.before is not None and bodies[slot.before].kind == "dir":
                    found.add(slot.before)
        found |= {index for index, body in enumerate(bodies) if body.change}
        return sorted(index for index in found if bodies[index].made is None)

    def _status(self, path: str) -> os.stat_result:
        status = self.source.lstat(path)
        if status is None:
            raise Displaced(f"{path!r} is gone")
        return status

    # --- preparing ------------------------------------------------------------------------------------

    def _prepare(self, stage: int) -> Journal:
        """Make the new bodies in the stage and write the journal; from there on, recovery puts back."""
        held = {index: self._hold(index) for index in self._held()}
        numbers = Staging(stage, self.writes, self.blobs, self.layout.bodies).make()
        rows = []
        for index, body in enumerate(self.layout.bodies):
            if body.made is None:
                status = self._status(body.id)
                rows.append(Row(status.st_ino, stat.S_IFMT(status.st_mode), False, held.get(index)))
            else:
                rows.append(Row(*numbers[index], True, None))
        slots = tuple(
            journals.Place(slot.parent, os.fsencode(slot.name).hex(), slot.before, slot.after)
            for slot in self.layout.slots
        )
        status = os.fstat(stage)
        journal = Journal(
            format=journals.FORMAT, run=self.run_id, device=status.st_dev, stage=status.st_ino,
            bodies=tuple(rows), slots=slots,
        )  # fmt: skip
        written = self.writes.create(stage, JOURNAL, journals.encode(journal))
        try:
            self.writes.fsync(written)
            self.writes.fsync(stage)
        finally:
            os.close(written)
        self.writes.replace(stage, JOURNAL, self.workplace.gate, JOURNAL)
        return journal

    def _hold(self, index: int) -> Held:
        body = self.layout.bodies[index]
        status = self._status(body.id)
        names = [name for name, _ in body.change.xattrs] if body.change else []
        return Held(
            stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_atime_ns, status.st_mtime_ns,
            {name: self.state.get("xattr", (body.id, name)) for name in names},
        )  # fmt: skip

    # --- carrying out -----------------------------------------------------------------------------------

    def _carry_out(self, stage: int, journal: Journal) -> None:
        self.writes.fsync(self.workplace.gate)
        tree = Tree(self.workplace.root, stage, journal, self.writes)
        try:
            tree.discover()
            tree.rearrange("after", self._unchanged)
            files = [self._set_metadata(tree, index) for index in reversed(range(len(self.layout.bodies)))]
            self._check_doomed(tree)
            self.workplace.make_durable(tree, stage, any(files))
            self._verify(tree)
        finally:
            tree.close()
        self.workplace.decide("after")

    def _unchanged(self, index: int, status: os.stat_result) -> None:
        """The last look at an inode before its first move."""
        body = self.layout.bodies[index]
        if body.made is not None or body.kind == "dir":
            return
        _require_same(body.id, self._status(body.id), status, "st_ctime_ns")

    def _set_metadata(self, tree: Tree, index: int) -> bool:
        """New metadata of one body; whether that changed something else than a directory."""
        body, held = self.layout.bodies[index], tree.journal.bodies[index].held
        if body.made is not None:
            if body.kind != "dir" or not late(body.made):
                return False
            wanted: tuple[Any, ...] = (body.made.mode, None, None, {})
        elif body.change is not None and held is not None:
            mode = held.mode if body.change.mode is None else body.change.mode
            wanted = (mode, body.change.uid, body.change.gid, dict(body.change.xattrs))
        elif held is not None:
            wanted = (held.mode, None, None, {})
        else:
            return False
        tree.settle_descriptors()
        with tree.inode(index) as inode:
            set_metadata(self.writes, inode, *wanted)
        return body.kind != "dir" and body.change is not None

    def _check_doomed(self, tree: Tree) -> None:
        """What goes away with its directory is still what the plan saw, and no more than that."""
        expected: dict[str, set[str]] = {path: set() for path in self.layout.gone}
        for path in self.layout.doomed:
            directory, name = split(path)
            expected[directory].add(name)
            above, rest = self._reach(tree, path)
            if path not in self.layout.gone:
                _require_same(path, self._status(path), os.stat(rest, dir_fd=above, follow_symlinks=False))
        for path, names in expected.items():
            above, rest = self._reach(tree, path)
            descriptor = os.open(rest, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
            try:
                if set(os.listdir(descriptor)) != names:
                    raise Displaced(f"{path!r} was changed by another program")
            finally:
                os.close(descriptor)

    def _reach(self, tree: Tree, path: str) -> tuple[int, str]:
        """A directory descriptor and the path from there to an old inode."""
        above, rest = path, "."
        while above not in self.layout.kept:
            above, name = split(above)
            rest = name if rest == "." else f"{name}/{rest}"
        tree.settle_descriptors()
        body = self.layout.kept[above]
        if self.layout.bodies[body].kind == "dir":
            return tree.directory(body), rest
        place = tree.place(body)
        return tree.directory(place.parent), place.name

    def _verify(self, tree: Tree) -> None:
        """Read everything that changed from the directory again, and compare it with the delta."""
        state, view = self.target.state(), View(self.state, self.net)
        ids: dict[int, str] = {ROOT_BODY: ROOT}

        def id_of(inode: str) -> str | None:
            """The id under which a fresh reading knows an inode of the delta."""
            body = self.layout.current.get(inode)
            if body is None:
                return None
            if body not in ids:
                ids[body] = state.get("entry", split(self._path(tree, body)))
            return ids[body]

        for relation, inode, rest, wanted in _expected(view, self.net, self.layout):
            known = id_of(inode)
            if known is None:
                continue
            expected = id_of(wanted) if relation == "entry" and wanted is not None else wanted
            found = state.get(relation, (known, *rest))
            if found != expected:
                raise Displaced(f"{relation} of {inode!r} is {found!r} and not {expected!r}")

    def _path(self, tree: Tree, body: int) -> str:
        """A path at which a body is now."""
        names: list[str] = []
        while body != ROOT_BODY:
            made = self.layout.bodies[body].made
            body, name = made.home if made is not None and made.home else tree.place(body)
            names.append(name)
        return "/".join(reversed(names))

    # --- going back -------------------------------------------------------------------------------------

    def _abandon(self, error: BaseException) -> None:
        """Put everything back. After an unknown outcome the stage is needed, so it stays."""
        try:
            journal = journals.read(self.workplace.gate, JOURNAL)
            if journal is not None:
                self.workplace.put_back(journal)
        except (OSError, Error) as second:
            raise _unknown(second) from error
        if isinstance(error, OutcomeUnknown):
            return
        self._tidy()
        if journal is not None and isinstance(error, OSError | Error):
            raise CommitFailed(str(error), "every write to succeed", "Nothing was changed; try again.") from error

    def _tidy(self) -> None:
        """Empty the stage: what is left there is needed no more. Where that fails, the next commit does it."""
        with suppress(OSError, Error):
            self.workplace.clear()


def _drifted(state: State, net: Delta) -> list[Mismatch]:
    rows = ((edit, state.get(edit.relation, edit.key)) for edit in net)
    return [Mismatch((edit.relation, edit.key), edit.before, now) for edit, now in rows if now != edit.before]


def _require_same(path: str, before: os.stat_result, now: os.stat_result, *more: str) -> None:
    for field in ("st_ino", "st_mode", "st_size", "st_mtime_ns", *more):
        if getattr(before, field) != getattr(now, field):
            raise Displaced(f"{path!r} was changed by another program")


def _expected(view: View, net: Delta, plan: Layout) -> Iterator[tuple[str, str, tuple[Any, ...], Any]]:
    """(relation, inode, rest of the key, value) of everything that must now be so."""
    for edit in net:
        if edit.relation != "outside":  # links in the stage still count as such
            yield edit.relation, str(edit.key[0]), edit.key[1:], edit.after
    for body in plan.bodies:
        if body.made is not None:
            for relation in ("inode", "size", "target"):
                yield relation, body.id, (), view.get(relation, body.id)
            for name, value in body.made.xattrs:
                yield "xattr", body.id, (name,), value
