"""Valid plans over the shipped declared worlds, ways to spoil them, and an oracle that walks every order.

The oracle (`every_order`) shares nothing with the checker but the world's `step`: it tries all orders one by
one, and all sets of steps that may run at once. A mutant means the same as its plan when the oracle finds
no fault in it and the same results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from worldgate.facts import Draft, Error, State
from worldgate.gate.interleave import check
from worldgate.gate.plan import Step, make_plan
from worldgate.worlds.declared import DeclaredWorld
from worldgate.worlds.declared.actions import Action

STEPS = range(3, 7)


@dataclass(frozen=True)
class Case:
    """A valid plan from a state: no fault in any order, and one result."""

    world: DeclaredWorld
    state: State
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Mutant:
    """A spoiled plan. `expected` is the number it must be refused with; empty: the oracle says."""

    steps: tuple[Step, ...]
    expected: str = ""
    state: State | None = None  # where it starts, when not where its plan does


# --- the two judges --------------------------------------------------------------------------------


def verdict(world: DeclaredWorld, state: State, steps: Sequence[Step]) -> set[str]:
    """The numbers the plan is refused with; empty when it is accepted."""
    try:
        plan = make_plan(steps, world=world.name)
    except Error as error:
        return {error.number}
    return {breach.number for breach in check(world, state, plan).breaches}


def every_order(world: DeclaredWorld, state: State, steps: Sequence[Step]) -> tuple[set[str], set[str]]:
    """(the numbers of all faults, the fingerprints of all results), by trying every order.

    The same steps done and the same state reached are gone on from once; nothing else is left out.
    """
    actions = {step.id: world.parse(step.do) for step in steps}
    refused: dict[str, set[str]] = {}
    seen: dict[str, set[str]] = {}
    results: set[str] = set()
    met: set[tuple[frozenset[str], str]] = set()

    def walk(now: State, left: tuple[Step, ...], done: frozenset[str]) -> None:
        if (done, now.fingerprint) in met:
            return
        met.add((done, now.fingerprint))
        if not left:
            results.add(now.fingerprint)
        for step in left:
            if not done.issuperset(step.needs or ()):
                continue
            outcome, refusal, after = _tried(world, now, step, actions[step.id])
            if refusal:
                refused.setdefault(step.id, set()).add(refusal)
            else:
                seen.setdefault(step.id, set()).add(outcome)
                walk(after, tuple(other for other in left if other is not step), done | {step.id})

    walk(state, tuple(steps), frozenset())
    return _faults(refused, seen, results) | _too_much_at_once(world, steps), results


def _tried(world: DeclaredWorld, now: State, step: Step, action: Action) -> tuple[str, str, State]:
    """(what it said, the number it was refused with, the state after)."""
    if step.when:
        try:
            if not world.condition(step.when)(Draft(now), {"status": 0}):
                return "skipped", "", now
        except Error as error:
            return "", error.number, now
    moved = world.step(now, action)
    return (
        str(moved.observation),
        "" if moved.observation["ok"] else moved.observation["refused"]["number"],
        moved.state,
    )


def _faults(refused: dict[str, set[str]], seen: dict[str, set[str]], results: set[str]) -> set[str]:
    faults = set()
    for name, numbers in refused.items():
        sometimes = {"WG269": "WG313", "WG267": "WG311"}
        faults |= {sometimes.get(number, "WG315") for number in numbers} if name in seen else numbers
    for name, outcomes in seen.items():
        if len(outcomes) > 1 and name not in refused:
            faults.add("WG316" if "skipped" in outcomes else "WG314")
    return faults | ({"WG314"} if len(results) > 1 else set())


def _too_much_at_once(world: DeclaredWorld, steps: Sequence[Step]) -> set[str]:
    above = closure(steps)
    faults = set()
    for size in range(2, len(steps) + 1):
        for some in combinations(steps, size):
            if any(one.id in above[two.id] or two.id in above[one.id] for one, two in combinations(some, 2)):
                continue
            for resource, capacity in world.capacities.items():
                used = sum(world.occupies(world.parse(step.do)).get(resource, 0) for step in some)
                if used > capacity:
                    faults.add("WG311" if capacity == 1 else "WG312")
    return faults


def closure(steps: Sequence[Step]) -> dict[str, set[str]]:
    """Everything each step comes after."""
    above: dict[str, set[str]] = {}
    for step in make_plan(steps).order:
        above[step.id] = set(step.needs or ()).union(*(above[need] for need in step.needs or ()))
    return above


# --- valid plans -----------------------------------------------------------------------------------


def cases(world: DeclaredWorld, seed: int) -> Iterator[Case]:
    """Valid plans without end, the same for the same seed: as parallel as they may be, or a little less.

    Only plans whose steps lead to one result in whatever order they are accepted: a mutant of such a
    plan is either the same plan, or has a fault.
    """
    random = Random(f"{world.name}/{seed}")
    while True:
        state = world.initial(random.randrange(1000))
        steps = _chain(world, state, random)
        if len(steps) not in STEPS:
            continue
        if world.name == "robot-cell":
            state = state.set("battery_left", (), _battery(world, steps))
        free = tuple(Step(id=step.id, do=step.do, needs=()) for step in steps)
        if len(every_order(world, state, free)[1]) == 1:
            yield Case(world, state, _loosened(world, state, steps, random))


def _chain(world: DeclaredWorld, state: State, random: Random) -> tuple[Step, ...]:
    """A walk of accepted actions, as a chain."""
    steps: list[Step] = []
    for _ in range(random.choice(STEPS) + 2):
        text = world.drivers["everyday"](state, random)
        moved = world.step(state, world.parse(text))
        if moved.observation["ok"] and not text.startswith(("next_day", "charge")):
            needs = tuple(step.id for step in steps[-1:])
            steps.append(Step(id=f"n{len(steps) + 1}", do=text, needs=needs))
            state = moved.state
    return tuple(steps)


def _battery(world: DeclaredWorld, steps: Sequence[Step]) -> int:
    """Just enough for these steps."""
    return sum(world.model.file.actions[world.parse(step.do).name].uses.get("battery", 0) for step in steps)


def _loosened(world: DeclaredWorld, state: State, steps: tuple[Step, ...], random: Random) -> tuple[Step, ...]:
    """Drop needs one by one, in random order, as long as the plan stays valid; keep a few in vain."""
    steps = tuple(
        Step(id=step.id, do=step.do, needs=tuple(other.id for other in steps[:number]))
        for number, step in enumerate(steps)
    )
    pairs = [(step.id, need) for step in steps for need in step.needs or ()]
    random.shuffle(pairs)
    for name, need in pairs:
        fewer = without(steps, name, need)
        if random.random() < 0.85 and not verdict(world, state, fewer):
            steps = fewer
    return steps


def without(steps: Sequence[Step], name: str, need: str) -> tuple[Step, ...]:
    """The steps with one need less."""
    return tuple(
        Step(id=step.id, do=step.do, needs=tuple(n for n in step.needs or () if n != need)) if step.id == name else step
        for step in steps
    )


# --- mutators --------------------------------------------------------------------------------------

Mutator = Callable[[Case, Random], Mutant | None]
MUTATORS: dict[str, Mutator] = {}


def mutator(function: Mutator) -> Mutator:
    MUTATORS[function.__name__.replace("_", " ")] = function
    return function


def _edges(case: Case) -> list[tuple[str, str]]:
    return [(step.id, need) for step in case.steps for need in step.needs or ()]


def _changed(case: Case, number: int, **fields: object) -> tuple[Step, ...]:
    old = case.steps[number]
    new = Step(**{"id": old.id, "do": old.do, "needs": old.needs, **fields})  # type: ignore[arg-type]
    return (*case.steps[:number], new, *case.steps[number + 1 :])


def _rewritten(
    case: Case, random: Random, kinds: Sequence[str], text: Callable[[str, str, object], str | None]
) -> tuple[Step, ...] | None:
    """The plan with one parameter of one of these kinds replaced by `text(parameter, shown, value)`."""
    places = [
        (number, parameter)
        for number, step in enumerate(case.steps)
        for parameter, slot in case.world.model.signatures[case.world.parse(step.do).name].items()
        if slot.type.kind in kinds and not slot.new and slot.default is None
    ]
    if not places:
        return None
    number, parameter = random.choice(places)
    action = case.world.parse(case.steps[number].do)
    slot = case.world.model.signatures[action.name][parameter]
    parts = []
    for name, value in action.arguments:
        shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
        new = text(name, shown, slot.type) if name == parameter else f"{name}: {shown}"
        parts += [new] if new else []
    return _changed(case, number, do=f"{action.name}({', '.join(parts)})")


def _of(steps: tuple[Step, ...] | None, expected: str) -> Mutant | None:
    return None if steps is None else Mutant(steps, expected)


@mutator
def swap_an_edge(case: Case, random: Random) -> Mutant | None:
    edges = _edges(case)
    if not edges:
        return None
    later, need = random.choice(edges)
    steps = without(case.steps, later, need)
    number = next(n for n, step in enumerate(steps) if step.id == need)
    new = (*(steps[number].needs or ()), later)
    return Mutant((*steps[:number], Step(id=need, do=steps[number].do, needs=new), *steps[number + 1 :]))


@mutator
def drop_an_edge(case: Case, random: Random) -> Mutant | None:
    edges = _edges(case)
    return Mutant(without(case.steps, *random.choice(edges))) if edges else None


@mutator
def drop_a_parameter(case: Case, random: Random) -> Mutant | None:
    kinds = ("int", "text", "enum", "bool", "ref")
    return _of(_rewritten(case, random, kinds, lambda name, shown, type_: None), "WG258")


@mutator
def out_of_range(case: Case, random: Random) -> Mutant | None:
    def beyond(name: str, shown: str, type_: object) -> str:
        return f"{name}: {type_.high + 1 if random.random() < 0.5 else type_.low - 1}"  # type: ignore[attr-defined]

    return _of(_rewritten(case, random, ("int",), beyond), "WG261")


@mutator
def wrong_type(case: Case, random: Random) -> Mutant | None:
    def other(name: str, shown: str, type_: object) -> str:
        return f"{name}: " + random.choice(["true", '"ten"' if not shown.startswith('"') else "10"])

    return _of(_rewritten(case, random, ("int", "text", "ref"), other), "WG260")


@mutator
def wrong_unit(case: Case, random: Random) -> Mutant | None:
    return _of(_rewritten(case, random, ("int",), lambda name, shown, type_: f"{name}: {shown} kg"), "WG262")


@mutator
def unknown_action(case: Case, random: Random) -> Mutant | None:
    number = random.randrange(len(case.steps))
    return Mutant(_changed(case, number, do="re" + case.steps[number].do.replace("(", "x(", 1)), "WG257")


@mutator
def unknown_parameter(case: Case, random: Random) -> Mutant | None:
    number = random.randrange(len(case.steps))
    return Mutant(
        _changed(case, number, do=case.steps[number].do.removesuffix(")") + ", force_majeure: true)"), "WG259"
    )


@mutator
def unknown_reference(case: Case, random: Random) -> Mutant | None:
    return _of(_rewritten(case, random, ("ref",), lambda name, shown, type_: f'{name}: "nobody"'), "WG264")


@mutator
def duplicate_id(case: Case, random: Random) -> Mutant | None:
    one, two = random.sample(range(len(case.steps)), 2)
    return Mutant(_changed(case, one, id=case.steps[two].id), "WG305")


@mutator
def cycle(case: Case, random: Random) -> Mutant | None:
    above = closure(case.steps)
    pairs = [(n, later) for n, step in enumerate(case.steps) for later, needs in above.items() if step.id in needs]
    if not pairs:
        return None
    number, later = random.choice(sorted(pairs))
    return Mutant(_changed(case, number, needs=(*(case.steps[number].needs or ()), later)), "WG303")


@mutator
def missing_producer(case: Case, random: Random) -> Mutant | None:
    """Leave out a step without which another is refused; what needed it needs what it needed."""
    for number in random.sample(range(len(case.steps)), len(case.steps)):
        gone = case.steps[number]
        rest = tuple(
            Step(id=step.id, do=step.do, needs=tuple(dict.fromkeys(_through(step.needs or (), gone))))
            for step in case.steps
            if step is not gone
        )
        state = case.state
        for step in rest:
            moved = case.world.step(state, case.world.parse(step.do))
            if not moved.observation["ok"]:
                return Mutant(rest)
            state = moved.state
    return None


def _through(needs: Sequence[str], gone: Step) -> Iterator[str]:
    for need in needs:
        yield from (gone.needs or ()) if need == gone.id else (need,)


@mutator
def double_lock(case: Case, random: Random) -> Mutant | None:
    """Hold the vice twice: a second clamp, right after the first."""
    for step in case.steps:
        if step.do.startswith("clamp("):
            part = case.world.parse(step.do).values["part"]
            other = next(name for name in "abcd" if name != part)
            again = Step(id="again", do=f'clamp(part: "{other}")', needs=(step.id,))
            before = tuple(
                Step(id=s.id, do=s.do, needs=(*(s.needs or ()), "again") if step.id in (s.needs or ()) else s.needs)
                for s in case.steps
            )
            return Mutant((*before, again), "WG267", case.state.set("battery_left", (), 100))
    return None


@mutator
def parallel_lock(case: Case, random: Random) -> Mutant | None:
    """Another step that needs the arm, beside one that does."""
    users = [step for step in case.steps if case.world.occupies(case.world.parse(step.do)).get("arm")]
    if not users:
        return None
    return Mutant((*case.steps, Step(id="beside", do="charge()", needs=())), "WG311")


@mutator
def over_capacity(case: Case, random: Random) -> Mutant | None:
    if case.world.name != "robot-cell":
        return None
    looks = (Step(id=f"look{n}", do=f'inspect(part: "{part}")', needs=()) for n, part in enumerate("abc"))
    return Mutant((*case.steps, *looks), "WG312")


@mutator
def exhausted_consumable(case: Case, random: Random) -> Mutant | None:
    """One more step at the end, and the battery is just enough without it."""
    if case.world.name != "robot-cell":
        return None
    ids = tuple(step.id for step in case.steps)
    return Mutant((*case.steps, Step(id="more", do='inspect(part: "d")', needs=ids)), "WG269")


@mutator
def order_dependent_race(case: Case, random: Random) -> Mutant | None:
    """The same step a second time, without an order between the two."""
    number = random.randrange(len(case.steps))
    return Mutant((*case.steps, Step(id="twin", do=case.steps[number].do, needs=case.steps[number].needs)))


@mutator
def condition_on_a_race(case: Case, random: Random) -> Mutant | None:
    """A step that runs only if another one, without an order between the two, has not run yet.

    The other is the only one of its action: a third step could else settle the condition before both.
    """
    above = closure(case.steps)
    names = Counter(case.world.parse(step.do).name for step in case.steps)
    for step in random.sample(case.steps, len(case.steps)):
        action = case.world.parse(step.do)
        for number, other in enumerate(case.steps):
            apart = step is not other and step.id not in above[other.id] and other.id not in above[step.id]
            when = UNDONE.get(action.name if names[action.name] == 1 else "", "false").format(**action.values)
            if apart and case.world.condition(when)(Draft(case.state), {"status": 0}):
                return Mutant(_changed(case, number, when=when))
    return None


UNDONE = {
    "clamp": '!part_clamped("{part}")',
    "inspect": '!part_inspected("{part}")',
    "move": 'arm_at() == "{from}"',
    "place": '!order_exists("{order}")',
    "open_ticket": '!ticket_exists("{ticket}")',
    "block": '!customer_blocked("{customer}")',
    "pay": '!payment_exists("{payment}")',
    "refund": '!refund_exists("{refund}")',
}
"""What holds until the action is done."""


# --- the count --------------------------------------------------------------------------------------


def judged(case: Case, mutant: Mutant) -> str:
    """What became of a mutant: its number, "same" when it means what its plan means, else "missed: ..."."""
    state = mutant.state or case.state
    found = verdict(case.world, state, mutant.steps)
    if mutant.expected:
        return mutant.expected if mutant.expected in found else f"missed: {found or 'accepted'}"
    try:
        make_plan(mutant.steps)
    except Error as error:
        return error.number if found == {error.number} else f"missed: {found or 'accepted'}"
    faults, results = every_order(case.world, state, mutant.steps)
    if faults:  # what the checker reports, the oracle has seen; an order that ends early hides what comes after
        return min(found) if found and found <= faults | {"WG318"} else f"missed: {found or 'accepted'} for {faults}"
    if results == every_order(case.world, case.state, case.steps)[1]:
        return "same" if not found else f"missed: {found} for a plan that means the same"
    return "missed: another result, accepted"
