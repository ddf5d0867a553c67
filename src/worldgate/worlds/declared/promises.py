"""What a world file promises about its actions, checked by doing them.

`undo` promises that the action it names leads back to the state before, `idempotent` that doing the
action again changes nothing; what either consumes is left out of account. A world's tests walk it with its drivers and
ask `broken_promise` at every step.
"""

from __future__ import annotations

from ...facts import State, diff
from .actions import Action
from .world import DeclaredWorld


def broken_promise(world: DeclaredWorld, state: State, action: Action) -> str | None:
    """What the action does not keep from this state, or None. A refused action promises nothing."""
    moved = world.step(state, action)
    if not moved.observation["ok"]:
        return None
    consumed = {f"{name}_left" for name, kind in world.model.file.resources.items() if kind.consumable}
    if world.model.actions[action.name].declared.idempotent:
        again = world.step(moved.state, action)
        if more := [edit for edit in again.delta if edit.relation not in consumed]:
            return f"{action} a second time changes {more[0]}"
    if undo := moved.observation.get("undo"):
        back = world.step(moved.state, world.parse(undo))
        if not back.observation["ok"]:
            return f"{undo} after {action} is refused: {back.observation['refused']['message']}"
        if lost := [edit for edit in diff(state, back.state) if edit.relation not in consumed]:
            return f"{undo} after {action} leaves {lost[0]}"
    return None
