"""Plans: directed acyclic graphs of actions; a plain list is the chain.

A plan file is YAML or JSON: either a list of actions, or

    world: filesystem
    steps:
      - {id: build, do: mkdir build}
      - {id: fill, do: touch build/a, needs: [build]}
    intent: {creates: ["build/**"], deletes: 0}

With `engine: kernel` the one step is any command line at all, run by the world's kernel (the real
thing, isolated) rather than computed by the oracle; `network: true` lets it use the network. Undo and a world's own
events (`engine: event`) have plans too; they are not read from files.

`needs` orders steps; steps without a path between them are parallel branches. `when` is an
expression over the state (and `status`, the exit code of the needed step); a step whose condition
is false is skipped. `intent` is what the author says the plan does; the gate holds the plan to it.
`planner` says which planner wrote it, from which prompt.
Unknown fields, duplicate keys, duplicate ids, unknown needs and cycles are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from ..facts import Error, canonical_json
from ..worlds.documents import load_document

MAX_STEPS = 10_000


class BadPlan(Error):
    number, title = "WG301", "plan is not well-formed"


class EmptyPlan(BadPlan):
    number, title = "WG302", "plan is empty"


class CyclicPlan(BadPlan):
    number, title = "WG303", "plan has a cycle"


class UnknownNeed(BadPlan):
    number, title = "WG304", "plan needs a step it does not have"


class DuplicateStep(BadPlan):
    number, title = "WG305", "plan has two steps of one id"


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One action of a plan. `do` is the action's text in the world's grammar."""

    do: str
    id: str = ""
    needs: tuple[str, ...] | None = None
    when: str = ""


class Intent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a plan says it does. Globs of paths (or facts) it may create, change and delete; at most so many each.

    A field left out says nothing; an empty list says that nothing of the kind happens.
    """

    creates: tuple[str, ...] | int | None = None
    changes: tuple[str, ...] | int | None = None
    deletes: tuple[str, ...] | int | None = None


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which planner a plan says it is from: its name and model, the SHA-256 of the exact prompt, the attempts it took.

    It is recorded and believed in nothing: a plan is judged alike whoever proposed it.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    model: Annotated[str, msgspec.Meta(max_length=200)]
    prompt: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
    attempts: Annotated[int, msgspec.Meta(ge=1)]


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A plan as loaded: every step has an id and explicit needs. `planner`, left out, is in no document or digest."""

    steps: tuple[Step, ...]
    world: str = "filesystem"
    engine: Literal["oracle", "kernel", "undo", "event"] = "oracle"
    network: bool = False
    intent: Intent | None = None
    note: str = ""
    planner: Provenance | msgspec.UnsetType = msgspec.UNSET

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return sha256(canonical_json(self)).hexdigest()

    @property
    def computed(self) -> bool:
        """Whether the world's oracle computes the steps, so that they can be computed again."""
        return self.engine in ("oracle", "event")

    @cached_property
    def order(self) -> tuple[Step, ...]:
        """The steps in topological order; among free steps, the plan's own order."""
        if _in_a_row(self.steps):
            return self.steps
        by_id = {step.id: step for step in self.steps}
        rank = {step.id: number for number, step in enumerate(self.steps)}
        sorter = TopologicalSorter({step.id: step.needs or () for step in self.steps})
        sorter.prepare()
        ready, done = sorted(sorter.get_ready(), key=rank.__getitem__), []
        while ready:
            first = ready.pop(0)
            done.append(by_id[first])
            sorter.done(first)
            ready = sorted([*ready, *sorter.get_ready()], key=rank.__getitem__)
        return tuple(done)

    @cached_property
    def is_chain(self) -> bool:
        """Whether the needs leave only one order."""
        return all(before.id in (after.needs or ()) for before, after in zip(self.order, self.order[1:], strict=False))


def load_plan(text: str, *, name: str = "plan", world: str = "filesystem") -> Plan:
    """The plan of a YAML or JSON text; raises `BadPlan` and its kinds. `world` is the one it is for unless it says."""
    data = load_document(text, name, BadPlan)
    if isinstance(data, list):
        data = {"steps": data}
    if not isinstance(data, dict):
        raise BadPlan(f"{name}: {type(data).__name__}", "a list of actions, or a mapping with steps")
    steps = data.get("steps")
    if isinstance(steps, list):
        data = {"world": world, **data, "steps": [{"do": step} if isinstance(step, str) else step for step in steps]}
    try:
        plan = msgspec.convert(data, Plan)
    except msgspec.ValidationError as error:
        raise BadPlan(f"{name}: {error}", "the fields of a plan") from error
    if plan.engine not in ("oracle", "kernel"):
        raise BadPlan(
            f"{name}: engine {plan.engine}", "oracle or kernel", "Undo and events make their plans themselves."
        )
    return finish_plan(plan)


def make_plan(steps: Sequence[Step | str], **fields: Any) -> Plan:
    """A checked plan from actions; `fields` are those of `Plan`."""
    return finish_plan(Plan(steps=tuple(Step(do=step) if isinstance(step, str) else step for step in steps), **fields))


def finish_plan(plan: Plan) -> Plan:
    """The plan with ids and needs filled in (numbered; each after the one before), checked."""
    if not plan.steps:
        raise EmptyPlan("no steps", "at least one")
    if len(plan.steps) > MAX_STEPS:
        raise BadPlan(f"{len(plan.steps)} steps", f"at most {MAX_STEPS}")
    if plan.engine == "kernel" and len(plan.steps) > 1:
        raise BadPlan(f"{len(plan.steps)} steps for the kernel", "one command; a shell joins several: sh -c 'a && b'")
    if plan.network and plan.engine != "kernel":
        raise BadPlan("network for the oracle", "network only with engine: kernel")
    try:
        canonical_json(plan)
    except UnicodeEncodeError as error:
        raise BadPlan(f"text that is not Unicode: {error.object[error.start :][:20]!r}", "Unicode text") from error
    named: list[Step] = []
    for number, step in enumerate(plan.steps, 1):
        needs = step.needs if step.needs is not None else tuple(before.id for before in named[-1:])
        named.append(Step(do=step.do, id=step.id or f"s{number}", needs=needs, when=step.when))
    _check(named)
    return msgspec.structs.replace(plan, steps=tuple(named))


def _check(steps: Sequence[Step]) -> None:
    ids: set[str] = set()
    for step in steps:
        if step.id in ids:
            raise DuplicateStep(repr(step.id), "each id once")
        ids.add(step.id)
    for step in steps:
        unknown: list[Any] = [need for need in step.needs or () if need not in ids]
        if unknown:
            raise UnknownNeed(f"{step.id} needs {unknown[0]!r}", f"one of {', '.join(sorted(ids))}")
    if _in_a_row(steps):
        return
    try:
        TopologicalSorter({step.id: step.needs or () for step in steps}).prepare()
    except CycleError as error:
        raise CyclicPlan(" -> ".join(error.args[1]), "no way back from a step to itself") from error


def _in_a_row(steps: Sequence[Step]) -> bool:
    """Whether each step needs the one before it and no other, as in a plain list."""
    return not steps[0].needs and all(step.needs == (before.id,) for before, step in pairwise(steps))
