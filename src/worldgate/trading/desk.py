"""A session made durable: each step recorded once, in a folder, and taken up again where it stopped.

    inputs.json                            what the session rests on; its digest names the session
    ledger.db, ledger.head, store.db       the paper broker (`gate.targets.broker`)
    bars.csv                               the bars, in their canonical form
    tape.json, tape.csv, executions.json, report.md, report.html     evidence, written from the record at the end

Steps are committed in batches of `BATCH`: what was not committed is computed again after a crash, from the same inputs,
to the same result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from ..facts import Delta, Error, State, canonical_json
from ..gate.budget import Budget
from ..gate.policy import Policy
from ..gate.risk import Assess
from ..gate.run import replace
from ..gate.store import numbered
from ..gate.targets.broker import Entry, PaperBroker
from ..gate.workspace import now
from ..planners.strategy import Strategy, StrategyPlanner, check_market
from ..worlds.market import MarketWorld
from ..worlds.market.bars import BadRequest, Bars, write_csv
from . import files
from .inputs import Feed, Inputs, Market, load_inputs, plain
from .metrics import summarise
from .page import page
from .report import markdown
from .session import Advanced, Session, Step

BATCH = 512
INPUTS, BARS = "inputs.json", "bars.csv"
NEW = ".new-"
"""Begins the names of what is not in place yet, or never came to be."""


def describe(strategy: Strategy, policy: Policy, budget: Budget, market: Market, bars: Bars) -> Inputs:
    """The inputs of a session."""
    return Inputs(
        version=MarketWorld.version,
        strategy=strategy.to_json(),
        policy=plain(policy.document),
        budget=budget.to_json(),
        market=market,
        bars=Feed.of(bars),
    )


class AnotherSession(Error):
    number, title = "WG383", "the folder holds another session"


class Desk:
    """A session in a folder. Take one with `at`, then `run` it as far as its bars go."""

    def __init__(self, folder: Path, inputs: Inputs, bars: Bars, broker: PaperBroker) -> None:
        self.folder, self.inputs, self.bars, self.broker = folder, inputs, bars, broker

    @classmethod
    @contextmanager
    def at(cls, folder: Path, inputs: Inputs, bars: Bars, clock: Callable[[], str] = now) -> Iterator[Desk]:
        """The session of these inputs in `folder`, begun or taken up again.

        Raises `AnotherSession`, and `NotRecorded` for what the system refuses, from the body too.
        """
        inputs.check(bars)
        strategy, _, _, first = inputs.parts()
        check_market(strategy, first)
        with numbered():
            _claim(folder, inputs, bars)
            with PaperBroker.open(folder, first.schema, first, inputs.digest, clock) as broker:
                yield cls(folder, inputs, bars, broker)

    def run(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Go on to the last bar; `progress` is told the clock after each batch."""
        steps = ((advanced.step, advanced.delta) for advanced in session(self.inputs, self.bars, self.broker.state))
        while count := self.broker.commit(entry(*done) for done in islice(steps, BATCH)):
            if count == BATCH:
                progress(self.broker.state.get("clock", ()))

    def report(self, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
        """Write the evidence of what was recorded; the headline numbers."""
        records = files.recorded(self.broker.records())
        for row, _ in files.write(self.folder, self.inputs, files.rows(self.inputs, self.bars, records)):
            progress(row["step"])
        tape, executions = (files.read(self.folder / name) for name in (files.TAPE, files.EXECUTIONS))
        summary = summarise(self.inputs, self.bars, tape, executions)
        replace(self.folder / "report.md", markdown(summary).encode())
        replace(self.folder / "report.html", page(summary).encode())
        return summary.headline()

    @property
    def done(self) -> bool:
        """Whether the last bar was committed."""
        return (self.broker.state.get("clock", ()) or 0) == len(self.bars)


def _claim(folder: Path, inputs: Inputs, bars: Bars) -> None:
    """Make the folder this session's. What is in it already is left as it is; of several processes, one is first."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in folder.iterdir() if not path.name.startswith(NEW)}
    if names and INPUTS not in names:
        raise AnotherSession(f"{folder} with {min(names)}, without {INPUTS}", "a new folder", "Choose another --out.")
    if INPUTS not in names:
        with TemporaryDirectory(prefix=NEW, dir=folder) as new, suppress(FileExistsError):
            replace(Path(new, INPUTS), msgspec.json.format(canonical_json(inputs), indent=1) + b"\n")
            os.link(Path(new, INPUTS), folder / INPUTS)
    if (found := load_inputs(folder / INPUTS)).digest != inputs.digest:
        raise AnotherSession(f"{folder} with session {found.digest[:12]}", inputs.digest[:12], "Choose another --out.")
    if BARS not in names:
        try:
            write_csv(bars, folder / BARS)
        except BadRequest:
            if not (folder / BARS).exists():  # else another process was first
                raise


def session(inputs: Inputs, bars: Bars, state: State | None = None) -> Iterator[Advanced]:
    """The steps of a session from a state of it on (by default its first)."""
    strategy, policy, budget, first = inputs.parts()
    check_market(strategy, first)
    begin = first if state is None else state
    done = begin.get("clock", ()) or 0
    planner = StrategyPlanner(strategy)
    for tick in islice(bars.ticks(), done):  # what it saw before it stopped
        planner.observe(tick.bars)
    return Session(begin, planner, strategy.universe.symbols, policy, budget, _assessor(policy, bars)).run(bars)


def _assessor(policy: Policy, bars: Bars) -> Assess | None:
    """What answers the policy's question about futures, if it has one; only then is numpy needed."""
    if policy.risk is None:
        return None
    from .risk.run import assessor

    return assessor(bars)


def entry(step: Step, delta: Delta) -> Entry:
    """What the broker records of a step."""
    return Entry("refused" if step.verdict == "reject" else "committed", msgspec.to_builtins(step), delta)
