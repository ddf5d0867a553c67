"""What is written down before anything is touched: enough to put everything back.

The journal names bodies by inode number and kind, the slots they may be in, and what the metadata
and times of the old ones were. It does not say how far the commit came: that is looked up in the
directory itself, so no order of writes reaching the disk can make it wrong.

Three names in the gate's directory, of which a rename from one to the next is the decision:
`journal.json` (not decided: put back), `after.json` (committed), `before.json` (put back).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from ...facts import canonical_json
from .refusals import BadWorkplace

JOURNAL: Final = "journal.json"
DECIDED: Final[Mapping[str, str]] = {"before": "before.json", "after": "after.json"}
FORMAT: Final = 1


class Held(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The metadata of an old body before: attributes only those that change, None for absent; times in ns."""

    mode: int
    uid: int
    gid: int
    atime: int
    mtime: int
    xattrs: dict[str, str | None]


class Row(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A body: inode number, format bits of its mode, whether it is new, and what to put back (None: nothing)."""

    number: int
    form: int
    new: bool
    held: Held | None


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A slot: directory body, name (hexadecimal: any bytes), body before, body after."""

    parent: int
    name: str
    before: int | None
    after: int | None


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`stage` is the inode number of the run's stage."""

    format: Literal[1]
    run: str
    device: int
    stage: int
    bodies: tuple[Row, ...]
    slots: tuple[Place, ...]


def encode(journal: Journal) -> bytes:
    return canonical_json(journal)


def read(workplace: int, name: str) -> Journal | None:
    """The journal of that name, or None when there is none; raises `BadWorkplace` when it cannot be read."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=workplace)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        data = file.read()
    try:
        journal = msgspec.json.decode(data, type=Journal)
        _check(journal)
    except (msgspec.DecodeError, ValueError) as error:
        raise BadWorkplace(f"{name}: {error}", "a journal of this version", "Restore it from a backup.") from error
    return journal


def name_of(place: Place) -> str:
    return os.fsdecode(bytes.fromhex(place.name))


def _check(journal: Journal) -> None:
    count = len(journal.bodies)
    for place in journal.slots:
        numbers = [place.parent, *(body for body in (place.before, place.after) if body is not None)]
        if not all(0 <= number < count for number in numbers):
            raise ValueError(f"a slot of body {max(numbers)} among {count}")
        if name_of(place) in ("", ".", "..") or {"/", "\0"} & set(name_of(place)):
            raise ValueError(f"a slot named {name_of(place)!r}")
