"""The inverse of a committed run, in the names under which its target is read afterwards.

An inode is known by the least path at which it is first seen, so after a move a fresh reading knows it by another
id than the run did, and one that an undo makes anew may find its old id taken. `places` says where the inodes of
a delta stand after it; `inverse` leads back from a fresh reading. In other worlds ids are for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ..facts import Delta, Edit, Schema, State, Value, invert
from ..worlds.filesystem.names import Paths
from ..worlds.filesystem.schema import INODE
from ..worlds.filesystem.schema import SCHEMA as FILESYSTEM


def places(after: State, delta: Delta) -> dict[str, str]:
    """For each inode of a delta that a fresh reading of `after` knows by another id: that id."""
    if after.schema != FILESYSTEM:
        return {}
    paths, found = Paths(after), {}
    for inode in sorted(_inodes(delta)):
        stands = paths.of(inode)
        if stands and stands[0] != inode:
            found[inode] = stands[0]
    return found


def inverse(state: State, delta: Delta, moved: Mapping[str, str]) -> Delta:
    """The delta that leads back, from the state that was read after the commit of `delta`."""
    back = invert(delta)
    if state.schema != FILESYSTEM:
        return back
    names = dict(moved)
    taken: set[str] = set()
    for edit in back:
        if edit.relation == "inode" and edit.before is None:
            inode = str(edit.key[0])
            names[inode] = _free(inode, lambda name: name in taken or state.get("inode", (name,)) is not None)
            taken.add(names[inode])
    return tuple(_renamed(state.schema, edit, names) for edit in back)


def _free(inode: str, is_taken: Callable[[str], bool]) -> str:
    path, number = inode.partition("//")[0], 1
    name = path
    while is_taken(name):
        number += 1
        name = f"{path}//{number}"
    return name


def _inodes(delta: Delta) -> set[str]:
    return {str(value) for edit in delta for value in _references(FILESYSTEM, edit)}


def _references(schema: Schema, edit: Edit) -> Iterator[Value]:
    relation = schema.relation(edit.relation)
    yield from (part for (_, kind), part in zip(relation.key, edit.key, strict=True) if kind == INODE)
    if relation.value == INODE:
        yield from (value for value in (edit.before, edit.after) if value is not None)


def _renamed(schema: Schema, edit: Edit, names: Mapping[str, str]) -> Edit:
    relation = schema.relation(edit.relation)
    parts = zip(relation.key, edit.key, strict=True)
    key = tuple(names.get(str(part), part) if kind == INODE else part for (_, kind), part in parts)
    values = [edit.before, edit.after]
    if relation.value == INODE:
        values = [None if value is None else names.get(str(value), value) for value in values]
    return Edit(edit.relation, key, *values)
