"""From any arrangement to any other, by moves that are each possible when they are made."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from worldgate.gate.targets.moves import STAGE, Move, Place, rearrange

ROOT, DIRS, FILES = 0, (1, 2, 3, 4), (5, 6, 7)


class Model:
    """Names in directories, with the rules of the operating system."""

    def __init__(self, held: dict[Place, int]) -> None:
        self.held = dict(held)

    def make(self, move: Move) -> None:
        body = self.held[move.source]
        assert body == move.body
        other = self.held.get(move.target)
        if move.kind == "link":
            assert other is None
            assert body in FILES
            self.held[move.target] = body
            return
        assert (other is not None) == (move.kind == "exchange")
        assert not self.beneath(move.target.parent, body)
        del self.held[move.source]
        if other is not None:
            assert not self.beneath(move.source.parent, other)
            self.held[move.source] = other
        self.held[move.target] = body

    def beneath(self, inner: int, outer: int) -> bool:
        """Whether a directory is within another (or is it)."""
        while inner not in (ROOT, STAGE):
            if inner == outer:
                return True
            inner = next(place.parent for place, body in self.held.items() if body == inner)
        return False


@st.composite
def arrangements(draw: st.DrawFn) -> dict[Place, int]:
    """A tree of the directories, and one or more names for each file; some may be in the stage."""
    held: dict[Place, int] = {}
    parents = [ROOT, STAGE]
    for body in draw(st.permutations(DIRS)):
        parent = draw(st.sampled_from(parents))
        name = draw(st.sampled_from("abc"))
        if Place(parent, name) in held or parent == STAGE:
            parent, name = STAGE, f"old{body}"
        held[Place(parent, name)] = body
        parents.append(body)
    for body in FILES:
        for count in range(draw(st.integers(1, 3))):
            place = Place(draw(st.sampled_from(parents)), draw(st.sampled_from("abc")))
            if place in held or place.parent == STAGE:
                place = Place(STAGE, f"old{body}.{count}")
            held.setdefault(place, body)
    return held


def _slots(*arranged: dict[Place, int]) -> list[Place]:
    return sorted({place for held in arranged for place in held if place.parent != STAGE})


@settings(max_examples=300, deadline=None)
@given(arrangements(), arrangements())
def test_any_arrangement_leads_to_any_other(now: dict[Place, int], then: dict[Place, int]) -> None:
    slots = _slots(now, then)
    staged: dict[int, list[str]] = {}
    for place, body in now.items():
        if place.parent == STAGE:
            staged.setdefault(body, []).append(place.name)
    goal = {place: then.get(place) for place in slots}
    moves = rearrange({place: now.get(place) for place in slots}, staged, goal, lambda body: body in DIRS)
    model = Model(now)
    for move in moves:
        model.make(move)
    assert {place: model.held.get(place) for place in slots} == goal
    again = {place: model.held.get(place) for place in slots}
    assert rearrange(again, {}, goal, lambda body: body in DIRS) == ()


def test_a_replaced_file_is_one_exchange() -> None:
    place = Place(ROOT, "a")
    assert rearrange({place: 5}, {6: ["6.0"]}, {place: 6}, lambda body: False) == (
        Move("exchange", 6, Place(STAGE, "6.0"), place),
    )


def test_what_is_right_is_left_alone() -> None:
    place = Place(ROOT, "a")
    assert rearrange({place: 5}, {}, {place: 5}, lambda body: False) == ()
