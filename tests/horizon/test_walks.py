"""Texts that lead from thing to thing, in a store that is no file system: boxes in boxes, by their labels."""

from __future__ import annotations

import json
import shlex
from random import Random

import pytest

from worldgate.facts import TEXT, Draft, Relation, Schema, State, ref
from worldgate.horizon.induction.following import Walker, Ways
from worldgate.horizon.induction.told import Told
from worldgate.horizon.induction.written import Reader, Writer
from worldgate.worlds import Transition, transition

from .test_induction import Call, exactness, taught, transitions

BOX = ref("box")
SCHEMA = Schema(
    "boxes",
    "1",
    [
        Relation("holds", (("box", BOX), ("label", TEXT)), BOX, index=(1,)),
        Relation("note", (("box", BOX),), TEXT),
        Relation("here", (), BOX),
        Relation("answer", (), TEXT, local=True),
    ],
)
LABELS = ("red", "blue", "old", "nuts", "bolts", "tin")
OTHERS = ("x1", "garden hose", "q", "zinc", "of oak", "9")


class Said(Call):
    def __str__(self) -> str:
        return shlex.join((self.name, *self.words))


class Boxes:
    """A store of boxes: `a|b` is box b in box a, a text that begins with `|` is from the outermost box on, `^` leads
    out of a box and `=` nowhere. The id of a box says where it was made."""

    name, version, schema = "boxes", "1", SCHEMA

    def __init__(self, labels: tuple[str, ...] = LABELS, deep: int = 1) -> None:
        self.labels, self.deep = labels, deep
        self.drivers = {"any": self.drive}

    def initial(self, seed: int) -> State:
        random, here = Random(seed), "all"
        facts: list[tuple[str, tuple[str, ...], str]] = [("note", ("all",), ""), ("answer", (), "")]
        for _ in range(self.deep):
            inner = [(label, inside(here, label)) for label in random.sample(self.labels, 3)]
            facts += [("holds", (here, label), box) for label, box in inner]
            facts += [("note", (box,), random.choice(self.labels)) for _, box in inner]
            here = inner[-1][1]
        return State.of(SCHEMA, [*facts, ("here", (), here)])

    def parse(self, text: str) -> Said:
        name, *words = shlex.split(text)
        return Said(name, tuple(words))

    def drive(self, state: State, random: Random) -> str:
        box, path = state.get("here", ()), []
        while (inner := state.select("holds", (box,))) and random.random() < 0.6:
            (label,) = random.choice(sorted(inner))
            path, box = [*path, label], inner[label,]
        path += [random.choice(self.labels)] * (random.random() < 0.4)
        if random.random() < 0.3:
            path.insert(0, random.choice("^^="))
        name = random.choice(("go", "go", "make", "make", "make", "write", "read", "list", "drop"))
        word = [random.choice(self.labels)] * (name == "write")
        return str(Said(name, ("|" * (random.random() < 0.1) + "|".join(path or ["="]), *word)))

    def find(self, state: State, text: str) -> list[tuple[str | None, tuple[str, str] | None]]:
        """The boxes on the way, each with its place; None is no box, and the last one."""
        box = "all" if text.startswith("|") else state.get("here", ())
        way: list[tuple[str | None, tuple[str, str] | None]] = [(box, None)]
        for part in text.split("|"):
            if part == "^":
                outer = [key[0] for _, key, inner in state.facts("holds") if inner == box]
                way.append((min(outer, default=box), None))
            elif part not in ("", "="):
                way.append((state.get("holds", (box, part)), (box, part)))
            box = way[-1][0]
            if box is None:
                break
        return way

    def step(self, state: State, action: Said) -> Transition:
        draft, text = Draft(state), action.words[0]
        box, place = self.find(state, text)[-1]
        answer = f"there is no {text}!" if box is None else ""
        match action.name:
            case "go" if box:
                draft.set("here", (), box)
            case "write" if box:
                draft.set("note", (box,), action.words[1])
            case "read" if box:
                answer = f"it says {state.get('note', (box,))}"
            case "list" if box:
                answer = ", ".join(label for (label,) in sorted(state.select("holds", (box,))))
            case "make" if box:
                answer = "that is there"
            case "make" if place and place[1] == text.split("|")[-1]:
                draft.set("holds", place, inside(*place))
                draft.set("note", (inside(*place),), "")
                answer = ""
            case "drop" if box and place:
                self.drop(state, draft, place, box)
        draft.set("answer", (), answer)
        return transition(draft, {"answer": answer})

    def drop(self, state: State, draft: Draft, place: tuple[str, str], box: str) -> None:
        """A box with all that is in it."""
        for (label,), inner in sorted(state.select("holds", (box,)).items()):
            self.drop(state, draft, (box, label), inner)
        draft.set("holds", place, None)
        draft.set("note", (box,), None)

    def properties(self):
        return {}


def inside(box: str, label: str) -> str:
    return label if box == "all" else f"{box}|{label}"


@pytest.fixture(scope="module")
def rules():
    return taught(Boxes(), "any", 2000)


def test_what_texts_lead_to_is_found_out_and_holds_for_other_labels_and_twelve_boxes_deep(rules):
    assert exactness(rules, Boxes(), "any", range(5000, 5005)) >= 0.97
    assert exactness(rules, Boxes(OTHERS, deep=12), "any", range(5000, 5005)) >= 0.97


def test_the_ways_are_found_in_transitions_alone(rules):
    ways = rules.rules["go", 1].beside.walks.ways
    assert ways == Ways("holds", "|", "here", ("", "="), ("^",))


def test_rules_speak_of_the_stages_of_a_walk(rules):
    said = rules.explain()
    assert "holds(?0.parent, ?0.last)" in said
    assert '"there is no " & ?0 & "!"' in said
    assert "names of holds(?0.at)" in said


def test_rules_with_walks_are_data_that_says_the_same(rules):
    writer = Writer(SCHEMA)
    shape = rules.rules["make", 1]
    text = json.dumps([writer.rules(shape), writer.written])
    data, written = json.loads(text)
    again = Reader(SCHEMA, written).rules(data)
    for state, action, _ in transitions(Boxes(OTHERS), "any", range(7000, 7001)):
        if action.name == "make":
            one, other = (list(map(_plain, each.predict(Told(state, {}), action.words))) for each in (shape, again))
            assert one == other


def _plain(saying):
    effect, key, value, leaf = saying
    return effect.relation, key, value, leaf


def test_a_walk_says_where_it_stopped():
    facts = [("holds", ("all", "red"), "red"), ("holds", ("red", "tin"), "red|tin"), ("here", (), "red")]
    walker = Walker(Told(State.of(SCHEMA, facts), {}), Ways("holds", "|", "here", ("", "="), ("^",)))
    found, missing, here = (walker.walk(text) for text in ("tin", "^|old|nuts", "|red|=|new"))
    assert found[:7] == ("red", "tin", "red|tin", "red|tin", "red|tin", None, None)
    assert found[7:] == (None, 0, "red|tin", "tin")
    assert missing[:7] == (None, "nuts", None, None, "all", "old", "old")
    assert missing[7:] == ("old|nuts", 2, "old|nuts", "^")
    assert here[:6] == ("red", "new", None, None, "red", "new")
    assert set(walker.walk("")) == {None}
    assert walker.begun() == "red"


def test_a_text_of_a_thing_is_followed():
    facts = [("holds", ("all", "red"), "red"), ("holds", ("all", "to"), "to"), ("note", ("to",), "red")]
    facts += [("holds", ("red", "tin"), "tin"), ("here", (), "all")]
    walker = Walker(Told(State.of(SCHEMA, facts), {}), Ways("holds", "|", "here", link="note"))
    assert (walker.walk("to").at, walker.walk("to").to, walker.walk("to|tin").at) == ("to", "red", "tin")
    loop = State.of(SCHEMA, [("holds", ("all", "to"), "to"), ("note", ("to",), "to"), ("here", (), "all")])
    assert Walker(Told(loop, {}), Ways("holds", "|", "here", link="note")).walk("to|tin").stopped == "to"
