"""What the shipped relational net gets right, and what learned predictors cost, on one core unless said otherwise: a
prediction, a training step, and a whole training.

One step is exact when the predicted changes are the true ones. Without a look at the truth a rollout is exact up to the
first step that is not, so that step is told for each walk. No walk has a seed that was trained on. And, of five hosts,
every network there is: each set of links, and each set of other hosts down, with a service on one host for another.

What a net with hard messages says it keeps and looks up, so predictions are timed on the first steps of all, on a walk
that it has not seen after others, and 64 at a time on another one; that also by two processes at once, by the clock.

The growth of a training step with the size of the network is set beside what was reported for a dense implementation
(message passing over all pairs of hosts, 50 iterations on 120 transitions of 5 ports, in seconds on another machine:
only the exponents may be compared).

    python bench/learn.py [--train]     # with --train also the headline model, from nothing
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from itertools import combinations, product
from math import log
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import torch
from measure import cpu, table

from worldgate.facts import State
from worldgate.horizon import roll
from worldgate.horizon.trajectory import net
from worldgate.models.document import load_training
from worldgate.models.family import tensors
from worldgate.models.predictor import learned
from worldgate.models.trained import NETWORK_0
from worldgate.models.training import train
from worldgate.worlds.network import Network

ROOT = Path(__file__).parents[1]
REPORTED = {50: 3.2, 100: 6.3, 200: 17.5, 400: 59.8}
SIZES = (5, 50, 100, 200, 400)
BATCH = 32
PLACES = [
    *product((5, 12, 25), ("empty",), ("weighted", "adversarial", "everyday", "outages")),
    *product((50,), ("scattered", "ring"), ("weighted", "everyday")),
    *product((100,), ("scattered",), ("weighted", "everyday")),
]
PREDICTED = [(5, "weighted"), (5, "everyday"), (25, "everyday"), (100, "everyday"), (400, "everyday")]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.memory:
        _predict(learned(NETWORK_0, Network("network").schema), _walk(given.memory, "everyday", 7, 200), 64)
        status = Path("/proc/self/status").read_text().splitlines()
        print(next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")))
        return
    head = ("hosts", "start", "driver", "one step exact", "first wrong steps of 5 walks")
    table("The shipped net on 400 steps each of 5 walks", head, [_exact(*place) for place in PLACES])
    table("Every network of five hosts", ("asked", "exact", "of"), _every())
    head = (
        "hosts",
        "driver",
        "the first 100, ms",
        "later, ms",
        "64 together, a second",
        "by two processes",
        "memory, MB",
    )
    table("Predictions, one at a time and together", head, (_prediction(*row) for row in PREDICTED))
    rows = [(hosts, *_training(hosts)) for hosts in SIZES]
    head = ("hosts", "facts", f"ms a step of {BATCH} questions", "reported, s for 50 iterations")
    table("A training step", head, [(*row, REPORTED.get(row[0], "-")) for row in rows])
    mine = {hosts: ms for hosts, _, ms in rows}
    ends = (("50 to 400", 50, 400), ("200 to 400", 200, 400))
    table(
        "Exponents",
        ("hosts", "here", "reported"),
        [(name, _exponent(mine, *pair), _exponent(REPORTED, *pair)) for name, *pair in ends],
    )
    if given.train:
        table("The headline model", ("steps", "CPU seconds", "wall seconds", "one-step exact"), [_headline()])


def _exact(hosts: int, start: str, driver: str):
    world = Network("network", hosts=hosts, start=start)
    predictor, right, first = learned(NETWORK_0, world.schema), 0, []
    for seed in range(100, 105):
        rows = roll(world, driver, seed, 400).steps
        parts = [rows[at : at + 50] for at in range(0, len(rows), 50)]
        said = [one for part in parts for one in predictor.predict_all([(row.before, row.action) for row in part])]
        exact = [net(one.delta) == row.net for one, row in zip(said, rows, strict=True)]
        right += sum(exact)
        first.append("none" if all(exact) else str(exact.index(False)))
    return hosts, start, driver, f"{right / 2000:.4f}", ", ".join(first)


def _exponent(times, one, other) -> float:
    return log(times[other] / times[one]) / log(other / one)


def _every():
    """Whether h0 can connect to the service of h1, and whether a flow there is kept at the next tick."""
    world = Network("network", hosts=5, services=1, start="empty")
    predictor, hosts = learned(NETWORK_0, world.schema), world.hosts
    kept = [fact for fact in world.initial(0).facts() if fact[0] not in ("link", "service", "up")]
    for text, more in (("connect h0 h1 80", ()), ("advance", (("flow", ("h0", "h1", "80"), True),))):
        right, states = 0, []
        for links in product((False, True), repeat=10):
            joined = [("link", pair, True) for pair, there in zip(combinations(hosts, 2), links, strict=True) if there]
            for up in product((False, True), repeat=3):
                powered = [("up", (host,), is_up) for host, is_up in zip(hosts, (True, True, *up), strict=True)]
                served = ("service", ("h1", "80"), True)
                states.append(State.of(world.schema, [*kept, *joined, *powered, served, *more]))
        action = world.parse(text)
        for at in range(0, len(states), 64):
            some = states[at : at + 64]
            said = predictor.predict_all([(state, action) for state in some])
            right += sum(
                net(one.delta) == net(world.step(state, action).delta) for one, state in zip(said, some, strict=True)
            )
        yield text, right, len(states)


def _walk(hosts: int, driver: str, seed: int, steps: int):
    return roll(Network("network", hosts=hosts, start="scattered"), driver, seed, steps).steps


def _predict(predictor, rows, together: int) -> float:
    """CPU seconds of a prediction."""
    pairs, before = [(row.before, row.action) for row in rows], time.process_time()
    for at in range(0, len(pairs), together):
        predictor.predict_all(pairs[at : at + together])
    return (time.process_time() - before) / len(pairs)


def _prediction(hosts: int, driver: str):
    predictor, steps = learned(NETWORK_0, Network("network").schema), 2000 if hosts < 100 else 200
    first = _predict(predictor, _walk(hosts, driver, 7, 100), 1)
    _warm(predictor, hosts, driver, steps)
    later = _predict(predictor, _walk(hosts, driver, 10, steps), 1)
    together = _predict(predictor, _walk(hosts, driver, 11, steps), 64)
    asked = [sys.executable, __file__, "--memory", str(hosts)]
    memory = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return hosts, driver, first * 1e3, later * 1e3, round(1 / together), round(_at_once(hosts, driver, steps)), memory


def _warm(predictor, hosts: int, driver: str, steps: int) -> None:
    for seed in (8, 9):
        _predict(predictor, _walk(hosts, driver, seed, steps), 64)


def _at_once(hosts: int, driver: str, steps: int, processes: int = 2) -> float:
    """Predictions a second, by the clock, of processes that have each a walk of their own."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    each = [context.Process(target=_one_of, args=(ready, hosts, driver, 11 + at, steps)) for at in range(processes)]
    for process in each:
        process.start()
    ready.wait()
    begun = time.perf_counter()
    ready.wait()
    ended = time.perf_counter()
    for process in each:
        process.join()
    return processes * steps / (ended - begun)


def _one_of(ready: multiprocessing.Barrier, hosts: int, driver: str, seed: int, steps: int) -> None:
    torch.set_num_threads(1)
    predictor, rows = learned(NETWORK_0, Network("network").schema), _walk(hosts, driver, seed, steps)
    _warm(predictor, hosts, driver, steps)
    ready.wait()
    _predict(predictor, rows, 64)
    ready.wait()


def _training(hosts: int):
    """Facts of the last state and CPU milliseconds of one optimiser step on questions of late states of a walk."""
    world = Network("network", hosts=hosts, services=5, start="scattered")
    predictor = learned(NETWORK_0, world.schema)
    model, encoder = predictor.checkpoint.net.train(), predictor.checkpoint.encoder
    rows = roll(world, "weighted", 3, 120).steps
    questions = [question for row in rows for question in encoder.questions(row)]
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5)
    some = questions[:: max(1, len(questions) // BATCH)][:BATCH]

    def step(_: int) -> None:
        loss = model.loss(tensors(encoder.batch(some)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return sum(1 for _ in rows[-1].state.facts()), cpu(step, 2, 3) * 1e3


def _headline():
    training = load_training((ROOT / "examples/models/network-0.yaml").read_text(), "network-0.yaml")
    wall, spent = time.monotonic(), _spent()
    with tempfile.TemporaryDirectory() as folder:
        path = train(training, Path(folder) / "a.safetensors", workers=1)
        spent, wall = _spent() - spent, time.monotonic() - wall
        world = Network("network-0", hosts=5, start="empty")
        predictor, right, total = learned(path, world.schema), 0, 0
        for driver in world.drivers:
            rows = roll(world, driver, 900, 400).steps
            said = predictor.predict_all([(row.before, row.action) for row in rows])
            right += sum(net(one.delta) == row.net for one, row in zip(said, rows, strict=True))
            total += len(rows)
    return training.loop.steps, spent, wall, f"{right} of {total}"


def _spent() -> float:
    """CPU seconds of this process and of those it waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


if __name__ == "__main__":
    main()
