"""The real directory as bodies in slots: where each is now, and descriptors that cannot be led astray.

A directory body is opened from the root one name at a time, without following symbolic links, and is
only believed when its inode number is the recorded one. Several hundred descriptors at most are open
at a time, however many directories a delta touches.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Callable
from errno import ESTALE
from typing import Literal

from ...worlds.filesystem.system import Inode
from . import moves
from .journal import Journal, name_of
from .layout import ROOT_BODY
from .moves import STAGE, Move, Place
from .writes import Writes

Check = Callable[[int, os.stat_result], None]

_OPEN_AT_MOST = 128


class Displaced(OSError):
    """Something is not where it must be: another program moved it."""

    def __init__(self, what: str) -> None:
        super().__init__(ESTALE, what)


class Tree:
    """The bodies of a journal in the directory `root`, with its stage."""

    def __init__(self, root: int, stage: int, journal: Journal, writes: Writes) -> None:
        self.root, self.stage, self.journal, self.writes = root, stage, journal, writes
        self.places = [Place(slot.parent, name_of(slot)) for slot in journal.slots]
        self.holds: dict[Place, int] = {}
        self._at: dict[int, dict[Place, None]] = defaultdict(dict)
        self._numbers = {row.number: index for index, row in enumerate(journal.bodies)}
        self._open: dict[int, int] = {}
        self._privileged = os.geteuid() == 0

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    # --- finding --------------------------------------------------------------------------------------

    def discover(self) -> None:
        """Look at every slot and at the stage; directories to work in are made writable for their owner."""
        by_parent: dict[int, list[Place]] = defaultdict(list)
        for place in self.places:
            by_parent[place.parent].append(place)
        located = [ROOT_BODY]
        self._unlock(ROOT_BODY, os.fstat(self.root))
        for name in sorted(os.listdir(self.stage)):
            located += self._look(Place(STAGE, name))
        while located:
            parent = located.pop()
            self.settle_descriptors()
            for place in by_parent.pop(parent, ()):
                located += self._look(place)
        lost = [place for places in by_parent.values() for place in places]
        fixed = zip(self.places, self.journal.slots, strict=True)
        lost += [place for place, slot in fixed if slot.before == slot.after != self.holds.get(place)]
        if lost:
            raise Displaced(f"{lost[0].name!r} is not where it was")

    def _look(self, place: Place) -> list[int]:
        """Note the body in a place; returns it if it is a directory. A stranger is an error, but in the stage."""
        try:
            status = os.stat(place.name, dir_fd=self.directory(place.parent), follow_symlinks=False)
        except FileNotFoundError:
            return []
        body = self._numbers.get(status.st_ino)
        known = body is not None and status.st_dev == self.journal.device
        if body is None or not known or stat.S_IFMT(status.st_mode) != self.journal.bodies[body].form:
            if place.parent == STAGE:
                return []
            raise Displaced(f"{place.name!r} is something that is neither from before nor from after")
        self._put(place, body)
        if not self.is_dir(body):
            return []
        self._unlock(body, status)
        return [body]

    def rearrange(self, which: Literal["before", "after"], check: Check | None = None) -> None:
        """Move every body to where it was before, or is to be after."""
        goal = {place: getattr(slot, which) for place, slot in zip(self.places, self.journal.slots, strict=True)}
        for place, body in goal.items():
            if body is not None and not self._at[body]:
                raise Displaced(f"what belongs to {place.name!r} is nowhere")
        staged: dict[int, list[str]] = defaultdict(list)
        for place, body in self.holds.items():
            if place.parent == STAGE:
                staged[body].append(place.name)
        found = {place: self.holds.get(place) for place in goal}
        self._move(moves.rearrange(found, staged, goal, self.is_dir), check)

    def is_dir(self, body: int) -> bool:
        return stat.S_ISDIR(self.journal.bodies[body].form)

    # --- opening ----------------------------------------------------------------------------------------

    def directory(self, body: int) -> int:
        """A descriptor of a directory body to reach names by, valid until the next `settle_descriptors`."""
        missing = []
        while body not in (STAGE, ROOT_BODY) and body not in self._open:
            missing.append(body)
            body = self.place(body).parent
        current = self.stage if body == STAGE else self.root if body == ROOT_BODY else self._open[body]
        for body in reversed(missing):
            name = self.place(body).name
            current = self.writes.system.enter(current, name)
            self._require(name, body, Inode.of(current))
            self._open[body] = current
        return current

    def place(self, body: int) -> Place:
        """A place the body is in; in the stage only if it is nowhere else."""
        places = self._at[body]
        for place in places:
            if place.parent != STAGE or len(places) == 1:
                return place
        for place in places:
            return place
        raise Displaced(f"inode {self.journal.bodies[body].number} is nowhere")

    def inode(self, body: int) -> Inode:
        """Any body, held. The caller closes it."""
        if body == ROOT_BODY:
            return Inode.of(os.dup(self.root))
        place = self.place(body)
        inode = self.writes.system.hold(self.directory(place.parent), place.name)
        self._require(place.name, body, inode)
        return inode

    def _require(self, name: str, body: int, inode: Inode) -> None:
        """Close what was opened and raise, unless it is that body."""
        try:
            status = inode.status()
            if (status.st_ino, status.st_dev) != (self.journal.bodies[body].number, self.journal.device):
                raise Displaced(f"{name!r} is another inode now")
        except BaseException:
            os.close(inode.descriptor)
            raise

    def settle_descriptors(self) -> None:
        """Close what is open when it is much."""
        if len(self._open) > _OPEN_AT_MOST:
            self.close()

    def _unlock(self, body: int, status: os.stat_result) -> None:
        """Let an unprivileged owner work in a directory whose mode forbids it; whoever asked sets it again."""
        row = self.journal.bodies[body]
        if self._privileged or (row.held is None and not row.new):
            return
        if status.st_mode & 0o700 != 0o700 and status.st_uid == os.geteuid():
            with self.inode(body) as inode:
                self.writes.chmod(inode, stat.S_IMODE(status.st_mode) | 0o700)

    # --- moving --------------------------------------------------------------------------------------------

    def _move(self, todo: tuple[Move, ...], check: Check | None) -> None:
        """Carry the moves out; `check` sees the status of each body right before its first move."""
        met: set[int] = set()
        for move in todo:
            self.settle_descriptors()
            source, target = self.directory(move.source.parent), self.directory(move.target.parent)
            self._check(move.source, move.body, check, met)
            other = self.holds.get(move.target)
            if other is not None:
                self._check(move.target, other, check, met)
            if move.kind == "rename":
                private = move.target.parent == STAGE
                self.writes.rename(source, move.source.name, target, move.target.name, private=private)
            else:
                getattr(self.writes, move.kind)(source, move.source.name, target, move.target.name)
            if move.kind != "link":
                self._put(move.source, other)
            self._put(move.target, move.body)

    def _check(self, place: Place, body: int, check: Check | None, met: set[int]) -> None:
        status = os.stat(place.name, dir_fd=self.directory(place.parent), follow_symlinks=False)
        if status.st_ino != self.journal.bodies[body].number:
            raise Displaced(f"{place.name!r} is another inode now")
        if check is not None and body not in met:
            check(body, status)
        met.add(body)

    def _put(self, place: Place, body: int | None) -> None:
        """Note which body is in a place."""
        before = self.holds.pop(place, None)
        if before is not None:
            self._at[before].pop(place, None)
        if body is not None:
            self.holds[place] = body
            self._at[body][place] = None
