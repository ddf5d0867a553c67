"""What holds in every state: invariants of the tree, of contents and of the shell, by name."""

from __future__ import annotations

from ...facts import State, format_value
from .blobs import EMPTY
from .schema import ROOT, inode_in

_PERMISSIONS = 0o7777


def tree_is_a_tree(state: State) -> str | None:
    """Every directory but the root has one parent, every inode an entry, and all hang on the root."""
    if inode_in(state, ROOT).kind != "dir":
        return "the root is not a directory"
    children: dict[str, list[str]] = {}
    parents: dict[str, int] = {}
    for _, (directory, _name), inode in state.facts("entry"):
        children.setdefault(str(directory), []).append(str(inode))
        parents[str(inode)] = parents.get(str(inode), 0) + 1
    for directory in children:
        if inode_in(state, directory).kind != "dir":
            return f"{format_value(directory)} has entries and is no directory"
    reached, todo = {ROOT}, [ROOT]
    while todo:
        for inode in children.get(todo.pop(), ()):
            if inode_in(state, inode).kind == "dir":
                if inode in reached or parents[inode] != 1:
                    return f"the directory {format_value(inode)} has more than one parent"
                todo.append(inode)
            reached.add(inode)
    for inode in parents:
        if inode not in reached:
            return f"{format_value(inode)} is not below the root"
    for _, (inode,), _found in state.facts("inode"):
        if inode not in reached and state.get("detached", (inode,)) is None:
            return f"{format_value(inode)} has no entry"
    return None


def names_are_names(state: State) -> str | None:
    """No name is empty, "." or "..", or holds a slash or NUL, or is longer than 255 bytes."""
    for _, (directory, name), _inode in state.facts("entry"):
        text = str(name)
        if text in ("", ".", "..") or "/" in text or "\0" in text:
            return f"the name {format_value(name)} in {format_value(directory)}"
        if len(text.encode("utf-8", "surrogateescape")) > 255:
            return f"a name of more than 255 bytes in {format_value(directory)}"
    return None


_FACTS = {"file": {"content", "size"}, "symlink": {"target"}}
_ALWAYS = ("content", "size", "target")


def facts_are_complete(state: State) -> str | None:
    """Every inode has the facts of its kind and no others; facts speak of inodes that are there."""
    held: dict[str, set[str]] = {}
    for relation in _ALWAYS:
        for _, (inode,), _value in state.facts(relation):
            held.setdefault(str(inode), set()).add(relation)
    for _, (inode,), (kind, *_rest) in state.facts("inode"):
        expected = _FACTS.get(kind, set())
        found = held.pop(str(inode), set())
        if found != expected:
            return f"the {kind} {format_value(inode)} has {sorted(found ^ expected)} missing or too many"
    for inode in held:
        return f"facts of {format_value(inode)}, which is not there"
    for relation in ("outside", "xattr"):
        for _, key, _value in state.facts(relation):
            if state.get("inode", (key[0],)) is None:
                return f"{relation} of {format_value(key[0])}, which is not there"
    return None


def sizes_and_contents_agree(state: State) -> str | None:
    """Size 0 and only size 0 goes with the empty content; equal contents have equal sizes."""
    sizes: dict[str, int] = {EMPTY: 0}
    for _, (inode,), content in state.facts("content"):
        size = state.get("size", (inode,))
        if sizes.setdefault(str(content), size) != size or (size == 0) != (content == EMPTY):
            return f"{format_value(inode)} has size {size} with content {str(content)[:12]}"
    return None


def modes_are_permission_bits(state: State) -> str | None:
    for _, (inode,), (kind, mode, *_owner) in state.facts("inode"):
        if not 0 <= mode <= (0 if kind == "symlink" else _PERMISSIONS):
            return f"{format_value(inode)} has mode {mode!r}"
    return None


def shell_stands_in_a_directory(state: State) -> str | None:
    """The working directory is a directory, in the tree or removed with its way up still known."""
    cwd = state.get("cwd", ())
    if cwd is None:
        return None
    if inode_in(state, cwd).kind != "dir":
        return f"the working directory {format_value(cwd)} is not a directory"
    held = set()
    above = cwd
    while above != ROOT and not state.owners("entry", above):
        held.add(above)
        above = state.get("detached", (above,))
        if above is None or above in held:
            return f"the working directory {format_value(cwd)} is neither in the tree nor removed from it"
    for _, (inode,), _parent in state.facts("detached"):
        if inode not in held:
            return f"the removed directory {format_value(inode)} is kept, and nothing stands in it"
        if state.select("entry", (inode,)):
            return f"the removed directory {format_value(inode)} has entries"
    return None


PROPERTIES = {
    check.__name__.replace("_", " "): check
    for check in (
        tree_is_a_tree,
        names_are_names,
        facts_are_complete,
        sizes_and_contents_agree,
        modes_are_permission_bits,
        shell_stands_in_a_directory,
    )
}
