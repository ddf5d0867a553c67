"""The rules of policies: their numbers, and those of the filesystem as functions over effects.

`NUMBERS` lists everything that this part of the gate can say; a number keeps its meaning for ever.
A rule looks at one `Subject` (a transition, or a whole run) and yields the breaches it finds: one for
each thing in the policy that is broken, with how often and the first example. Only what a delta
newly does is a breach: an old one elsewhere is not, and reducing one never is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple

from ..facts import Delta, State, tell_edit
from ..worlds.filesystem.effects import ATTRIBUTES, Change, Totals, effects, totals, touches
from ..worlds.filesystem.names import Paths, beneath, find, join, resolve, show
from ..worlds.filesystem.schema import inode_in
from .decision import Breach
from .globs import Globs, escape, literal_path, literal_prefix

NUMBERS: dict[str, tuple[str, str]] = {
    "WG400": ("bad policy", "The policy file does not load: a field, a type, a key twice, no version, nothing in it."),
    "WG401": ("wrong world", "The policy is for another world."),
    "WG402": ("bad invariant", "An invariant does not compile to a condition."),
    "WG403": ("bad glob", "A glob is not well-formed."),
    "WG410": ("creates what exists", "The intent names a path to create that stood before."),
    "WG411": ("undeclared creation", "A path is created that the intent does not declare."),
    "WG412": ("undeclared change", "A path is changed or moved that the intent does not declare."),
    "WG413": ("undeclared deletion", "A path is deleted that the intent does not declare."),
    "WG414": ("too many creations", "More paths are created than the intent says."),
    "WG415": ("too many changes", "More paths are changed or moved than the intent says."),
    "WG416": ("too many deletions", "More paths are deleted than the intent says."),
    "WG420": ("protected", "A protected path is created, changed, replaced, moved or removed."),
    "WG421": ("not writable", "A path outside the writable roots is affected."),
    "WG422": ("link leads out", "A symbolic link is made that leads out of the workspace."),
    "WG423": ("linked from outside", "A file that has links outside the workspace is changed in place."),
    "WG424": ("set-id", "A file newly gets a set-id bit or capabilities, or one that has them changes."),
    "WG425": ("world-writable", "A path becomes writable for everyone."),
    "WG426": ("network", "The network is open and the policy does not allow it."),
    "WG427": ("protected linked", "A protected file gets a further hard link."),
    "WG428": ("protected redirected", "A symbolic link changes where the way to a protected path leads."),
    "WG430": ("deleted", "More paths are deleted than allowed."),
    "WG431": ("changed", "More paths are changed than allowed."),
    "WG432": ("created", "More paths are created than allowed."),
    "WG433": ("moved", "More paths are moved than allowed."),
    "WG434": ("bytes deleted", "More bytes of content are deleted than allowed."),
    "WG435": ("bytes changed", "More bytes of content are changed than allowed."),
    "WG436": ("bytes created", "More bytes of content are created than allowed."),
    "WG437": ("share deleted", "A greater share of a top directory's files is deleted than allowed."),
    "WG438": ("edits", "More facts of a relation are edited than allowed."),
    "WG440": ("invariant", "An invariant does not hold."),
    "WG441": ("invariant failed", "An invariant could not be evaluated."),
    "WG442": ("rule failed", "A rule could not be judged."),
}
LIMITS = {
    "deleted": "WG430",
    "changed": "WG431",
    "created": "WG432",
    "moved": "WG433",
    "bytes_deleted": "WG434",
    "bytes_changed": "WG435",
    "bytes_created": "WG436",
}
PATHS = frozenset({"entry", *ATTRIBUTES})
SET_USER, SET_GROUP, OTHERS_WRITE, STICKY = 0o4000, 0o2000, 0o002, 0o1000
SHARE_FLOOR = 20


class Judged(NamedTuple):
    """What is judged: one step's transition when `step` names it, else a whole run.

    `network` says that the run had the network.
    """

    before: State
    after: State
    delta: Delta
    actions: tuple[str, ...] = ()
    step: str = ""
    network: bool = False


class Subject:
    """A transition or a run, with what several rules ask of it computed at most once."""

    def __init__(self, judged: Judged) -> None:
        self.judged = judged
        self.before, self.after, self.delta = judged.before, judged.after, judged.delta

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        return effects(self.before, self.delta, self.after)

    @cached_property
    def totals(self) -> Totals:
        return totals(self.changes)

    @cached_property
    def edits(self) -> Counter[str]:
        """Edits by relation."""
        return Counter(edit.relation for edit in self.delta)

    def breach(self, number: str, rule: str, message: str, found: int, allowed: int, fact: object) -> Breach:
        return Breach(
            number=number,
            rule=rule,
            message=message,
            found=found,
            allowed=allowed,
            margin=found - allowed,
            fact=str(fact),
            step=self.judged.step,
        )


Check = Callable[[Subject], Iterable[Breach]]


class Rule(NamedTuple):
    """A compiled rule. It is asked only about deltas that touch one of `relations` (None: always)."""

    name: str
    relations: frozenset[str] | None
    check: Check


# --- what may be touched ---------------------------------------------------------------------------


def protect(patterns: tuple[str, ...]) -> Rule:
    """Nothing at or beneath a matching path is created, changed, replaced, moved, removed or linked to."""
    ways = tuple((prefix, pattern) for pattern in patterns if (prefix := literal_prefix(pattern)))

    def check(subject: Subject) -> Iterator[Breach]:
        globs = _with_resolved(patterns, ways, subject.before)
        hits: dict[tuple[str, str], list[str]] = {}
        old = Paths(subject.before)
        for change in subject.changes:
            number, place = "WG420", touches(change, subject.before, subject.after, globs)
            if place is None and (change.op == "created" or "inode" in change.what):
                place = next(filter(globs.match, old.of(change.inode)), None)
                number = "WG427"
            if place is not None:
                hits.setdefault((number, globs.which(place) or ""), []).append(_line(change, place))
        for (number, pattern), lines in hits.items():
            verb = "gets a further link" if number == "WG427" else "would be affected"
            message = f"what {pattern} protects {verb}"
            yield subject.breach(number, f"protect: {pattern}", message, len(lines), 0, lines[0])
        yield from _redirected(subject, ways, globs)

    return Rule("protect", PATHS, check)


def _with_resolved(patterns: tuple[str, ...], ways: tuple[tuple[str, str], ...], state: State) -> Globs:
    """The globs, and those whose literal beginning leads through symbolic links also where it leads."""
    more = []
    for prefix, pattern in ways:
        place = resolve(state, prefix)
        if place is not None and place != prefix:
            more.append(f"/{escape(place)}{literal_path(pattern)[len(prefix) :]}")
    return _globs((*patterns, *more))


@lru_cache(maxsize=256)
def _globs(patterns: tuple[str, ...]) -> Globs:
    return Globs(patterns, beneath=True)


def _redirected(subject: Subject, ways: tuple[tuple[str, str], ...], globs: Globs) -> Iterator[Breach]:
    """Literal beginnings of patterns that no longer lead where they led, because of a symbolic link."""
    for prefix, pattern in ways:
        if resolve(subject.before, prefix) != resolve(subject.after, prefix):
            on_way = (change for change in subject.changes if f"{prefix}/".startswith(f"{change.path}/"))
            links = (
                change for change in subject.changes if "symlink" in (change.kind, change.before and change.before.kind)
            )
            fact = next(on_way, None) or next(links, None)
            if fact is None or not globs.match(fact.path):
                message = f"a symbolic link changes where the way to what {pattern} protects leads"
                yield subject.breach("WG428", f"protect: {pattern}", message, 1, 0, fact or show(prefix))


def _is_new_link(change: Change) -> bool:
    made = change.op in ("created", "moved") or "target" in change.what
    return made and change.kind == "symlink"


def writable(patterns: tuple[str, ...]) -> Rule:
    """Every affected path is at or beneath a matching path."""
    globs = Globs(patterns, beneath=True)

    def check(subject: Subject) -> Iterator[Breach]:
        lines = [
            _line(change, place)
            for change in subject.changes
            for place in (change.path, change.moved_from)
            if place and not globs.match(place)
        ]
        if lines:
            message = f"writes outside {', '.join(patterns) or 'nothing, which is all that is writable'}"
            yield subject.breach("WG421", "writable", message, len(lines), 0, lines[0])

    return Rule("writable", PATHS, check)


def no_escape(subject: Subject) -> Iterator[Breach]:
    """No symbolic link newly leads out of the workspace."""
    lines = []
    for change in subject.changes:
        if _is_new_link(change):
            led = change.moved_from and "target" not in change.what and _leaves(subject.before, change.moved_from)
            if not led and _leaves(subject.after, change.path):
                lines.append(str(change))
        elif change.kind == "dir" and change.moved_from.count("/") > change.path.count("/"):
            lines += [_line(change, path) for path in _risen(subject, change)]
    if lines:
        message = "a symbolic link leads out of the workspace"
        yield subject.breach("WG422", "allow_escape_links", message, len(lines), 0, lines[0])


def _risen(subject: Subject, change: Change) -> Iterator[str]:
    """Relative links beneath a directory moved up that lead out from there and did not before."""
    for path, inode in beneath(subject.after, change.inode, change.path):
        if subject.after.get("target", (inode,)) is not None and _leaves(subject.after, path):
            led = _leaves(subject.before, change.moved_from + path[len(change.path) :])
            if not led:
                yield path


def _leaves(state: State, path: str) -> bool:
    return resolve(state, path) is None


def no_outside(subject: Subject) -> Iterator[Breach]:
    """No file with links outside the workspace is changed in place."""
    found = {
        str(edit.key[0]): edit
        for edit in subject.delta
        if edit.relation in ATTRIBUTES
        and subject.before.get("outside", (edit.key[0],))
        and subject.after.get("outside", (edit.key[0],))  # else another file has taken the id
    }
    if found:
        inode, edit = min(found.items())
        path = next(iter(Paths(subject.before).of(inode)), inode)
        message = f"{show(path)} has links outside the workspace, which change with it"
        fact = tell_edit(subject.before.schema, edit)
        yield subject.breach("WG423", "allow_outside_links", message, len(found), 0, fact)


# --- modes -----------------------------------------------------------------------------------------


def no_set_id(subject: Subject) -> Iterator[Breach]:
    """No file newly has a set-id bit or capabilities, and none that has them changes in content or owner.

    A directory may take the set-group bit from the directory it is made in, as the kernel gives it.
    """
    found: dict[str, Change] = {}
    for change in subject.changes:
        if change.after is None:
            continue
        had, has = _rights(subject.before, change.inode), _rights(subject.after, change.inode)
        gained = has - had
        if SET_GROUP in gained and change.kind == "dir":
            above = find(subject.after, change.path.rpartition("/")[0]) or ""
            gained -= _rights(subject.after, above)
        altered = has and change.kind != "dir" and not {"content", "owner"}.isdisjoint(change.what)
        if gained or altered:
            found.setdefault(change.inode, change)
    yield from _modes(
        subject, "WG424", "allow_set_id", "runs with the rights of its owner, group or capabilities", found
    )


def _rights(state: State, inode: str) -> set[int | str]:
    """The set-id bits of an inode, and its capabilities."""
    mode = inode_in(state, inode).mode
    held: set[int | str] = {bit for bit in (SET_USER, SET_GROUP) if mode & bit}
    capabilities = state.get("xattr", (inode, "security.capability"))
    return held if capabilities is None else held | {capabilities}


def no_world_writable(subject: Subject) -> Iterator[Breach]:
    """No path becomes writable for everyone (a directory with the sticky bit is not counted)."""
    found: dict[str, Change] = {}
    for change in subject.changes:
        if change.after is None or not _open_to_all(change.kind, change.after.mode):
            continue
        was = change.before.mode if change.before else inode_in(subject.before, change.inode).mode
        if not _open_to_all(change.kind, was):
            found.setdefault(change.inode, change)
    yield from _modes(subject, "WG425", "allow_world_writable", "is writable for everyone", found)


def _open_to_all(kind: str, mode: int | None) -> bool:
    return bool(mode and mode & OTHERS_WRITE and not (kind == "dir" and mode & STICKY))


def _modes(subject: Subject, number: str, rule: str, what: str, found: dict[str, Change]) -> Iterator[Breach]:
    if found:
        first = min(found.values(), key=lambda change: change.path)
        mode = first.after.mode or 0 if first.after else 0
        yield subject.breach(number, rule, f"{show(first.path)} {what} (mode {mode:o})", len(found), 0, first)


# --- how much --------------------------------------------------------------------------------------


def limit(name: str, most: int) -> Rule:
    """At most so much of one total."""
    kind = name.removeprefix("bytes_")
    unit = "bytes of content" if name != kind else "paths"

    def check(subject: Subject) -> Iterator[Breach]:
        found = getattr(subject.totals, name)
        if found > most:
            ops = (kind, "moved") if name == "bytes_changed" else (kind,)
            mine = (change for change in subject.changes if change.op in ops and (change.bytes or name == kind))
            fact = next(mine, "")
            message = f"{found} {unit} {kind}, {found - most} more than {most}"
            yield subject.breach(LIMITS[name], f"limits.{name}", message, found, most, fact)

    return Rule(f"limits.{name}", PATHS if kind == "changed" else frozenset({"entry", "size"}), check)


def share(percent: int) -> Rule:
    """At most so many per cent of a top directory's files are deleted, where more than `SHARE_FLOOR` are."""

    def check(subject: Subject) -> Iterator[Breach]:
        tops: dict[str, list[Change]] = {}
        for change in subject.changes:
            if change.op == "deleted" and change.kind != "dir":
                tops.setdefault(change.path.partition("/")[0] if "/" in change.path else ".", []).append(change)
        for top, gone in sorted(tops.items()):
            most = len(gone) * 100 // percent
            if len(gone) > SHARE_FLOOR and (had := _count(subject.before, top, most)) <= most:
                found = len(gone) * 100 // had
                if len(gone) * 100 > percent * had:
                    message = f"{len(gone)} of {had} files in {show(top)} deleted: {found} %, more than {percent} %"
                    yield subject.breach("WG437", "max_deleted_percent", message, found, percent, gone[0])

    return Rule("max_deleted_percent", frozenset({"entry"}), check)


def _count(state: State, top: str, most: int) -> int:
    """How many files stand beneath a top directory (or in the root itself); counting stops past `most`."""
    inode, count = find(state, top), 0
    if inode is None:
        return 0
    rows: Iterable[tuple[str, str]]
    if top == ".":
        rows = ((join(top, str(name)), child) for (name,), child in state.select("entry", (inode,)).items())
    else:
        rows = beneath(state, inode, top)
    for _, child in rows:
        count += inode_in(state, child).kind != "dir"
        if count > most:
            break
    return count


def edit_limits(most: dict[str, int]) -> Rule:
    """At most so many edits of each relation; costs what the delta touches, however many limits there are."""

    def check(subject: Subject) -> Iterator[Breach]:
        for relation, found in subject.edits.items():
            if found > most.get(relation, found):
                edit = next(edit for edit in subject.delta if edit.relation == relation)
                fact = tell_edit(subject.before.schema, edit)
                message = f"{found} facts of {relation} edited, {found - most[relation]} more than {most[relation]}"
                yield subject.breach("WG438", f"edits.{relation}", message, found, most[relation], fact)

    return Rule("edits", frozenset(most), check)


def no_network(subject: Subject) -> Iterator[Breach]:
    """The run did not have the network."""
    if subject.judged.network:
        yield subject.breach("WG426", "allow_network", "the run has the network", 1, 0, "network = open")


def _line(change: Change, place: str) -> str:
    return str(change) if place in (change.path, change.moved_from) else f"{change}: {show(place)}"
