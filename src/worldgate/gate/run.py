"""A run: one simulation of one plan under one policy and budget, with its decision.

A run's id is a hash of what it rests on (the facts it read or changed, as they were), the plan, the
policy, the budget, the world's version, the delta, and what any question about its futures is answered
from. The same inputs give the same id and the same bytes of decision, trajectory and deltas on every
machine: nothing in them depends on time, place or chance. In run.json only `facts`, which an audit
needs, may have more where there is more to see.

    run.json         what went in: plan, policy, budget, world, base, the session, and every fact that was looked at
    decision.json    what was decided and why
    trajectory.json  what each step did, as its actor saw it
    deltas.json      what each step changed, and the net effect
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from ..facts import (
    TEXT,
    Address,
    Error,
    Schema,
    Value,
    canonical_json,
    delta_to_json,
    fact_to_json,
    json_decode,
    value_from_json,
)
from ..worlds import World
from .base import Base
from .decision import Breach, Decision
from .plan import Plan
from .simulate import Simulation

SCHEMA_VERSION = 1
ID_LENGTH = 64


class UnknownRun(Error):
    number, title = "WG331", "unknown run"


class BadRun(Error):
    number, title = "WG332", "a run's documents do not fit together"


class NotSaved(Error):
    number, title = "WG333", "a run's documents could not be written"


class Doc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every document begins with."""

    schema_version: int
    run: str


class StepResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step as its actor saw it."""

    id: str
    action: str
    observation: dict[str, Any]
    skipped: bool = False


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The undo, computed and judged when the plan is: whether it would be approved, and why not."""

    approved: bool
    edits: int
    breaches: tuple[Breach, ...] = ()


class Shrunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The shortest prefix of the plan that is refused, and the steps in it that suffice."""

    prefix: tuple[str, ...]
    suffices: tuple[str, ...] = ()


class DecisionDoc(Doc, frozen=True, kw_only=True):
    """decision.json"""

    decision: Decision
    changes: list[Any]
    totals: dict[str, int]
    cannot_be_undone: tuple[str, ...]
    undo: Rehearsal | None
    refused_prefix: Shrunk | None
    warnings: tuple[Breach, ...]
    budget: dict[str, Any]


class TrajectoryDoc(Doc, frozen=True, kw_only=True):
    """trajectory.json"""

    steps: tuple[StepResult, ...]


class DeltasDoc(Doc, frozen=True, kw_only=True):
    """deltas.json: rows are [relation, [key, ...], before, after]; null is absent."""

    steps: dict[str, list[Any]]
    net: list[Any]


class RunDoc(Doc, frozen=True, kw_only=True):
    """run.json"""

    world: str
    world_version: str
    facts_schema: str
    plan: Plan
    policy: Any
    policy_digest: str
    budget: dict[str, Any]
    base: list[Any]
    session: list[Any]
    facts: list[Any]
    seen: str
    undoes: str
    rests: str = ""


DOCUMENTS: dict[str, type[Doc]] = {
    "run": RunDoc,
    "decision": DecisionDoc,
    "trajectory": TrajectoryDoc,
    "deltas": DeltasDoc,
}


def run_id(
    world: World,
    plan: Plan,
    policy_digest: str,
    budget: Any,
    base: Base,
    simulation: Simulation,
    undoes: str,
    rests: str = "",
) -> str:
    """SHA-256 over everything a run depends on; `rests` is what answers about its futures rest on, if any."""
    identity = {
        "schema_version": SCHEMA_VERSION,
        "world": [world.name, world.version, world.schema.digest],
        "plan": plan.digest,
        "policy": policy_digest,
        "budget": budget,
        "base": base_to_json(base),
        "delta": delta_to_json(simulation.delta),
        "undoes": undoes,
    } | ({"rests": rests} if rests else {})
    return sha256(canonical_json(identity)).hexdigest()


def base_to_json(base: Base) -> list[Any]:
    """Rows [relation, [key, ...], value]; a key shorter than the relation's stands for all facts under it."""
    return [fact_to_json(relation, key, value) for (relation, key), value in base]


def base_from_json(schema: Schema, rows: list[Any]) -> Base:
    """The inverse of `base_to_json`."""
    found: list[tuple[Address, Value | None]] = []
    for row in rows:
        relation = schema.relation(row[0])
        types = [type_ for _, type_ in relation.key]
        key = tuple(value_from_json(type_, part) for type_, part in zip(types, row[1], strict=False))
        value = value_from_json(relation.value if len(key) == len(types) else TEXT, row[2])
        found.append(((relation.name, key), value))  # type: ignore[arg-type]
    return tuple(found)


class Runs:
    """The documents of all runs below one directory, one folder a run."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, docs: dict[str, Doc]) -> dict[str, str]:
        """Write all documents of a run; returns their SHA-256. On return they are on the disk.

        A run simulated again has the same documents, unless its command answered otherwise or they were changed:
        then each is replaced. Interrupted in between, they no longer are what the ledger recorded, and count
        for nothing until the run is simulated again.
        """
        data = {name: msgspec.json.format(canonical_json(doc), indent=1) + b"\n" for name, doc in docs.items()}
        folder = self.root / docs["run"].run
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in data.items():
                path = folder / f"{name}.json"
                if not path.is_file() or path.read_bytes() != content:
                    replace(path, content)
            for changed in (folder, self.root):
                _flush(changed)
        except OSError as error:
            raise NotSaved(str(error), "a disk that takes it", "Nothing was approved; make room and try again.") from (
                error
            )
        return {name: sha256(content).hexdigest() for name, content in data.items()}

    def load(self, run: str, name: str) -> Any:
        """One document of one run, checked against its type."""
        path = self.root / run / f"{name}.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=DOCUMENTS[name])
        except FileNotFoundError:
            raise UnknownRun(run[:12], "a run of this workspace", "`worldgate log` lists them.") from None
        except msgspec.DecodeError as error:
            raise BadRun(f"{path.name} of {run[:12]}: {error}", "the document as it was written") from error

    def resolve(self, prefix: str) -> str:
        """The full id that begins with `prefix` (at least 4 characters)."""
        if len(prefix) >= 4 and self.root.is_dir():
            found = sorted(path.name for path in self.root.iterdir() if path.name.startswith(prefix))
            if len(found) == 1:
                return found[0]
            if found:
                raise UnknownRun(f"{prefix!r}, which begins {len(found)} ids", "more characters of the id")
        raise UnknownRun(repr(prefix), "the first 4 or more characters of a run's id", "`worldgate log` lists them.")


def replace(path: Path, content: bytes) -> None:
    """Put a whole file in place of another; on return its content is on the disk."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def told(value: Any) -> Any:
    """An observation as it is recorded: bytes of names and output that are not UTF-8 become U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape" if _bytes_only(value) else "replace").decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return {str(name): told(one) for name, one in value.items()}
    return [told(one) for one in value] if isinstance(value, list | tuple) else value


def _bytes_only(text: str) -> bool:
    return not any("\ud800" <= mark <= "\udfff" and not "\udc80" <= mark <= "\udcff" for mark in text)


def json_schemas() -> dict[str, Any]:
    """The published JSON Schema of each document."""
    return {name: msgspec.json.schema(kind) for name, kind in DOCUMENTS.items()}


def plain(value: Any) -> Any:
    """A struct as plain JSON data."""
    return json_decode(canonical_json(value))
