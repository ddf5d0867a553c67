"""What a grounding study costs as the network grows from 25 to 400 hosts: a training step, and exact negatives.

Messages go along facts and never between all pairs of hosts, and a negative is drawn, never chosen from a list of all
that could be wrong. So both should cost what the facts do: exponents are of the cost against facts and against hosts.
Beside the step stands what was reported for message passing over all pairs of hosts (50 steps on 120 transitions of
5 ports, in seconds on another machine: only the exponent may be compared).

    python bench/grounding.py
"""

from __future__ import annotations

import sys
from math import log
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
import torch
from measure import cpu, table

from worldgate.models.grounding import Study
from worldgate.models.grounding.examples import examples, walked
from worldgate.models.grounding.latent import Latent
from worldgate.models.grounding.study import data_of, row_of
from worldgate.worlds import world_of

REPORTED = {50: 3.2, 100: 6.3, 200: 17.5, 400: 59.8}
SIZES = (25, 50, 100, 200, 400)
BATCH, NEGATIVES = 8, 8


def main() -> None:
    torch.set_num_threads(1)
    rows = {hosts: _measured(hosts) for hosts in SIZES}
    head = (
        "hosts",
        "facts",
        f"step of {BATCH}, ms",
        f"with {NEGATIVES} negatives, ms",
        "8 negatives, us each",
        "64, us each",
    )
    table("One core, 48 wide, 3 rounds", head, [(hosts, *row) for hosts, row in rows.items()])
    facts = {hosts: row[0] for hosts, row in rows.items()}
    costs = {name: {hosts: row[at] for hosts, row in rows.items()} for at, name in enumerate(head[1:])}
    costs["reported step, all pairs"] = REPORTED
    ends = (50, 400), (100, 400)
    told = [
        (name, *(exponent(cost, facts, pair) for pair in ends), *(exponent(cost, None, pair) for pair in ends))
        for name, cost in costs.items()
    ]
    head = (
        "exponent of",
        *(f"against {of}, {one} to {other} hosts" for of in ("facts", "hosts") for one, other in ends),
    )
    table("Exponents", head, told)


def exponent(cost: dict[int, float], size: dict[int, int] | None, ends: tuple[int, int]) -> float:
    """Of the cost against these sizes, or against the hosts themselves."""
    one, other = ((size or {end: end for end in ends})[end] for end in ends)
    return log(cost[ends[1]] / cost[ends[0]]) / log(other / one)


def study_of(hosts: int, negatives: int) -> Study:
    options: dict[str, int | str] = {"hosts": hosts, "services": 5, "start": "scattered"}
    return Study(
        "network", "everyday", (0,), (), options=options, steps=BATCH, closed=("port",), batch=BATCH,
        negatives=negatives, machinery=not negatives, average=0.0,
    )  # fmt: skip


def _measured(hosts: int) -> tuple[float, ...]:
    """Facts of a state; milliseconds of a step without and with negatives; microseconds of one of 8 and of 64."""
    world = world_of("network", study_of(hosts, 0).options)
    steps = walked(world, "everyday", (0,), BATCH)
    facts = sum(1 for _ in steps[-1].state.facts())
    found = []
    for count in (8, 64):
        made = sum(len(one.wrong) for one in examples(world, "everyday", steps, count, 0))
        found.append(cpu(lambda _, count=count: examples(world, "everyday", steps, count, 0), 1, 3) / made * 1e6)
    return facts, step_ms(study_of(hosts, 0)), step_ms(study_of(hosts, NEGATIVES)), *found


def step_ms(study: Study) -> float:
    """Milliseconds of one optimiser step."""
    data = data_of(study)
    latent = Latent(study, data.encoder)
    rows = [row_of(data.encoder, example) for example in data.learned]
    optimizer = torch.optim.AdamW(latent.parameters(), lr=study.rate)
    random = Random(0)

    def step(_: int) -> None:
        loss = latent.loss(random.sample(rows, study.batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        latent.follow()

    step(0)
    return cpu(step, 1, 3) * 1e3


if __name__ == "__main__":
    main()
