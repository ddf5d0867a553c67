"""Rules that word texts, know them by their digests, measure them, and clear bits of a number."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from typing import NamedTuple

import pytest

from worldgate.facts import INT, TEXT, Edit, Relation, Schema, State, Type, record, ref
from worldgate.horizon.induction import Induction

PAGE, PRINT = ref("page"), Type("ref", entity="print", format="sha256")


class Rights(NamedTuple):
    bits: int
    owner: int


class User(NamedTuple):
    id: int
    mask: int


SCHEMA = Schema(
    "pages",
    "1",
    [
        Relation("page", (("page", PAGE),), PRINT),
        Relation("long", (("page", PAGE),), INT),
        Relation("rights", (("page", PAGE),), record(Rights)),
        Relation("user", (), record(User)),
        Relation("shown", (), TEXT, local=True),
    ],
)
WORDS = ("one", "a longer text", "é", "x y", "7", "under", "Z")


def digest(text):
    return sha256(text.encode()).hexdigest()


def transitions(random, words, count):
    """Pages are written, added to and shown; what is written over is empty first."""
    texts, masks = {f"p{number}": f"{random.choice(words)}\n" for number in range(4)}, (0o22, 0o27, 0o77, 0o12)
    shown, rights = "", {page: Rights(0o600, 1) for page in texts}
    for _ in range(count):
        page, word, mask = random.choice(sorted(texts)), random.choice(words), random.choice(masks)
        facts = [("page", (one,), digest(text)) for one, text in texts.items()]
        facts += [("long", (one,), len(text.encode())) for one, text in texts.items()]
        facts += [("rights", (one,), value) for one, value in rights.items()]
        state = State.of(SCHEMA, [*facts, ("user", (), User(1, mask)), ("shown", (), shown)])
        name, old = random.choice(("write", "show", "open")), texts[page]
        delta = []
        if name == "write":
            texts[page] = new = f"{word}\n"
            delta += [Edit("page", (page,), digest(old), digest("")), Edit("page", (page,), digest(""), digest(new))]
            if len(old.encode()) != len(new.encode()):
                delta.append(Edit("long", (page,), len(old.encode()), len(new.encode())))
        elif name == "show" and shown != f"{page} says: {old}":
            delta.append(Edit("shown", (), shown, shown := f"{page} says: {old}"))
        elif name == "open" and rights[page].bits != 0o666 & ~mask:
            before, rights[page] = rights[page], Rights(0o666 & ~mask, 1)
            delta.append(Edit("rights", (page,), before, rights[page]))
        yield state, f"{name} {page}" + (f' "{word}"' if name == "write" else ""), tuple(delta)


@pytest.fixture(scope="module")
def rules():
    made = Induction(SCHEMA)
    for row in transitions(Random(3), WORDS, 300):
        made.learn(*row)
    return made


def test_what_is_said_is_words_and_texts_with_something_around_them(rules):
    said = rules.explain()
    assert 'sha256 of (?1 & "\\n")' in said
    assert '?0 & " says: " & text_of_print(page(?0))' in said
    assert 'length of (?1 & "\\n")' in said
    assert "0o666 & ~user().mask" in said


def test_texts_never_seen_are_written_and_those_seen_are_shown(rules):
    for words, kinds in ((WORDS, ("write", "show", "open")), (("new", "never seen"), ("write", "open"))):
        rows = [row for row in transitions(Random(4), words, 100) if row[1].split()[0] in kinds]
        assert len(rows) > 40
        for state, action, delta in rows:
            assert sorted(rules.predict(state, action).delta) == sorted(delta), action


def test_a_text_that_was_never_seen_is_not_made_up(rules):
    page = ("page", ("p0",), digest("never seen\n"))
    state = State.of(SCHEMA, [page, ("long", ("p0",), 11), ("user", (), User(1, 0o22)), ("shown", (), "")])
    assert all(edit.relation != "shown" for edit in rules.predict(state, "show p0").delta)
