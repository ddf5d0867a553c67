"""Any schema's facts, deltas and actions as tokens, and the grammar of deltas."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.facts import strategies
from worldgate.facts import Delta, Edit, Schema, State, Undecodable, references
from worldgate.horizon.trajectory import Step, roll
from worldgate.models.text.digits import following
from worldgate.models.text.grammar import Caps, Cursor, Grammar, nameable
from worldgate.models.text.prompt import ordered, prompt
from worldgate.models.text.tokens import CLOSE, CUT, DELTA, FACTS, OPEN, START, STOP, Vocabulary, Words, words_of
from worldgate.worlds import get, names

WORLDS = sorted(names())
PLAIN = Words({}, (), (), ())


@cache
def steps(world: str) -> tuple[Step, ...]:
    """A few of every driver."""
    found = get(world)
    return tuple(
        step for driver in sorted(found.drivers) for seed in range(2) for step in roll(found, driver, seed, 8).steps
    )


@cache
def grammar(world: str) -> Grammar:
    """Its words are those of half of the steps, so that the others have some that are unknown."""
    return Grammar(Vocabulary(get(world).schema, words_of(get(world).schema, steps(world)[::2])))


def said(vocabulary: Vocabulary, tokens: Iterable[int]) -> str:
    """The text of an action's tokens."""
    words, spelled = [], None
    texts = {token: word for word, token in vocabulary.word.items()}
    for token in tokens:
        if token == OPEN:
            spelled = b""
        elif token == CLOSE and spelled is not None:
            words.append(spelled.decode("utf-8", "surrogateescape"))
            spelled = None
        elif spelled is None:
            words.append(texts[token])
        else:
            spelled += vocabulary.spelling[token]
    return " ".join(words)


def wander(cursor: Cursor, random: Random) -> Delta:
    """Any allowed token, again and again; the edits said."""
    while cursor.allowed is not None:
        assert len(cursor.allowed)
        cursor.push(int(random.choice(cursor.allowed)))
    return tuple(cursor.edits)


def assert_fits(schema: Schema, delta: Delta) -> None:
    for relation, key, before, after in delta:
        schema.check(relation, key, before)
        schema.check(relation, key, after)


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_said_can_be_read_back(world: str) -> None:
    read, nothing = grammar(world), State.of(get(world).schema)
    vocabulary = read.vocabulary
    for step in steps(world):
        assert read.read(step.before, vocabulary.delta(step.before, step.delta)) == step.delta
        assert said(vocabulary, vocabulary.action(str(step.action))) == str(step.action)
    facts = sorted(steps(world)[-1].before.facts())
    tokens = [token for fact in facts for token in vocabulary.fact(fact)]
    assert [(*edit[:2], edit.after) for edit in read.read(nothing, [*tokens, STOP])] == facts


@settings(max_examples=20, deadline=None)
@given(strategies.cases())
def test_nothing_is_inexpressible(case: tuple[State, Delta]) -> None:
    state, delta = case
    every = Vocabulary(state.schema, PLAIN)
    numbers = tuple(name for name, relation in state.schema.relations.items() if relation.value.kind == "int")
    for vocabulary in (every, Vocabulary(state.schema, Words({}, (), ("a", "b0"), numbers))):
        assert as_text(Grammar(vocabulary).read(state, vocabulary.delta(state, delta))) == as_text(delta)


def as_text(delta: Delta) -> list[Edit]:
    """With texts as their bytes: see the module's docstring on escapes that spell a character."""

    def plain(value: object) -> object:
        if isinstance(value, tuple):
            return tuple(map(plain, value))
        return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value

    return [plain(edit) for edit in delta]  # type: ignore[misc]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("world", WORLDS)
def test_whatever_is_chosen_fits_the_schema(world: str, named: bool) -> None:
    random, caps = Random(0), Caps(12, 12)
    for step in steps(world)[:60]:
        known = nameable(step.before, step.action) if named else None
        delta = wander(grammar(world).cursor(step.before, caps=caps, named=known), random)
        assert len(delta) <= caps.edits
        assert_fits(step.before.schema, delta)
        step.before.force(delta)
        if known is not None:
            said_of = references(step.before.schema).among((name, key, after) for name, key, _, after in delta)
            assert all(name in known[kind] for kind, name in said_of)


@settings(max_examples=20, deadline=None)
@given(strategies.cases(), st.integers())
def test_whatever_is_chosen_fits_any_schema(case: tuple[State, Delta], seed: int) -> None:
    state, _ = case
    read = Grammar(Vocabulary(state.schema, PLAIN))
    delta = wander(read.cursor(state, caps=Caps(8, 4)), Random(seed))
    assert_fits(state.schema, delta)


bounds = st.one_of(st.none(), st.integers(-300, 300), st.decimals(-9, 9, places=2))


@settings(max_examples=50, deadline=None)
@given(bounds, bounds, st.booleans(), st.integers())
def test_any_path_of_digits_ends_within_the_bounds(low: object, high: object, point: bool, seed: int) -> None:
    ends = [None if one is None else Decimal(one) if point else int(one) for one in (low, high)]  # type: ignore[call-overload]
    if None not in ends:
        ends.sort()
    random, text = Random(seed), ""
    while True:
        after = following(text, *ends, point)
        assert after, f"{text!r} leads nowhere"
        if after == ";" or (";" in after and (len(text) > 3 or random.random() < 0.3)):
            break
        text += random.choice(after.replace(";", ""))
        assert len(text) < 12
    value = Decimal(text)
    assert ends[0] is None or value >= ends[0]
    assert ends[1] is None or value <= ends[1]
    assert point or str(int(text)) == text


def test_numbers_that_count_are_said_as_steps() -> None:
    vocabulary = grammar("network-0").vocabulary
    world, tokens = get("network-0"), set()
    state, advance = world.initial(0), world.parse("advance")
    for _ in range(3):
        moved = world.step(state, advance)
        tokens.add(tuple(vocabulary.delta(state, moved.delta)))
        state = moved.state
    assert "clock" in vocabulary.relative
    assert len(tokens) == 1


@pytest.mark.parametrize("world", WORLDS)
def test_a_prompt_keeps_to_its_room_and_says_that_it_was_cut(world: str) -> None:
    vocabulary = grammar(world).vocabulary
    for step in steps(world)[::7]:
        whole = prompt(vocabulary, step.before, step.action, 1 << 20)
        assert whole[0] == START
        assert whole[-1] == DELTA
        assert CUT not in whole
        for room in (8, 20, len(whole) - 1, len(whole)):
            cut = prompt(vocabulary, step.before, step.action, room)
            assert len(cut) <= room
            assert (CUT in cut) == (room < len(whole))
            assert cut[-1] == DELTA
            assert FACTS in cut


def test_facts_about_what_the_action_names_come_first() -> None:
    step = next(step for step in reversed(steps("network")) if len(str(step.action).split(" ")) == 3)
    words = set(str(step.action).split(" "))
    about = [
        {name for _, name in references(step.before.schema).of(fact)} for fact in ordered(step.before, step.action)
    ]
    named = [bool(words & names) for names in about]
    assert any(named)
    assert named == sorted(named, reverse=True)


def test_tokens_that_are_no_delta_are_refused_with_the_place() -> None:
    read, state = grammar("network-0"), get("network-0").initial(0)
    up = read.vocabulary.relations["up"]
    for tokens, position in (([up, STOP], 1), ([STOP, STOP], 1), ([up], 1), ([], 0)):
        with pytest.raises(Undecodable) as error:
            read.read(state, tokens)
        assert error.value.position == position
