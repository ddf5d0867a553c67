"""How fast the filesystem oracle steps, and whether it depends on the size of the tree.

    python bench/filesystem.py            # steps a second at 100 and 100,000 entries, beside two peers
    python bench/filesystem.py --seconds  # the CPU seconds of the steps at 100 entries, alone
    python bench/filesystem.py --rates    # how often commands of each driver succeed and fail, and how deep names lie

Times are CPU time of this process, the best of several passes over the same steps. The peers: the bare
persistent map doing as many sets as the steps made edits, and a process `sh -c true`. After `make compiled` the same
steps are also run there, in a process of their own, in turns with this one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from immutables import Map

from worldgate import COMPILED
from worldgate.facts import Delta, Fact, State
from worldgate.worlds import Outside
from worldgate.worlds.filesystem import FilesystemWorld
from worldgate.worlds.filesystem.actions import Action
from worldgate.worlds.filesystem.blobs import EMPTY
from worldgate.worlds.filesystem.rules import parse_action
from worldgate.worlds.filesystem.schema import ROOT, SCHEMA, Inode, Result, User

SMALL, LARGE = 100, 100_000
BUILT = Path(__file__).resolve().parent.parent / "build" / "compiled"  # by `make compiled`


def tree(entries: int) -> State:
    """A user's tree of 100 entries, with the rest of `entries` in an archive beside it, a thousand a directory."""
    facts: list[Fact] = []

    def add(path: str, kind: str) -> None:
        above, _, name = path.rpartition("/")
        key = (path,)
        facts.append(("inode", key, Inode(kind, 0o755 if kind == "dir" else 0o644, 1000, 1000)))
        if kind == "file":
            facts.extend([("content", key, EMPTY), ("size", key, 0)])
        if path != ROOT:
            facts.append(("entry", (above or ROOT, name), path))

    add(ROOT, "dir")
    for number in range(SMALL // 10):
        add(f"d{number}", "dir")
        for file in range(9):
            add(f"d{number}/f{file}", "file")
    if entries > SMALL:
        add("archive", "dir")
    for number in range((entries - SMALL) // 1000 + 1 if entries > SMALL else 0):
        add(f"archive/{number}", "dir")
        for file in range(999):
            add(f"archive/{number}/{file}", "file")
    facts += [("user", (), User(1000, 1000, 0o022)), ("cwd", (), ROOT), ("result", (), Result(0, "", ""))]
    return State.of(SCHEMA, facts)


def recorded(world: FilesystemWorld, state: State, programs: int, length: int) -> list[list[str]]:
    """Programs of the everyday driver from that state."""
    found = []
    for seed in range(programs):
        here, random, texts = state, Random(seed), list[str]()
        while len(texts) < length:
            text = world.drivers["everyday"](here, random)
            try:
                here = world.step(here, world.parse(text)).state
            except Outside:
                continue
            texts.append(text)
        found.append(texts)
    return found


def best(run: Callable[[], object], passes: int = 5) -> float:
    """CPU seconds of the fastest pass."""
    times = []
    for _ in range(passes):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return min(times)


def stepper(world: FilesystemWorld, state: State, programs: list[list[Action]]) -> Callable[[], int]:
    def run() -> int:
        edits = 0
        for program in programs:
            here = state
            for action in program:
                made = world.step(here, action)
                here, edits = made.state, edits + len(made.delta)
        return edits

    return run


def everyday(world: FilesystemWorld, state: State) -> tuple[list[list[str]], list[list[Action]]]:
    """The programs that are timed, as text and parsed."""
    texts = recorded(world, state, 20, 100)
    return texts, [[world.parse(text) for text in program] for program in texts]


def seconds() -> float:
    """CPU seconds of the steps at 100 entries."""
    world, small = FilesystemWorld(), tree(SMALL)
    return best(stepper(world, small, everyday(world, small)[1]), 10)


def elsewhere(place: str) -> float:
    """The same, in a process that finds the package in `place` first."""
    command = [sys.executable, __file__, "--seconds"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": place}, capture_output=True, text=True, check=True)
    return float(done.stdout)


def beside_compiled(steps: int) -> None:
    """Pure Python and compiled in turns, the best of three processes each."""
    if COMPILED or not BUILT.exists():
        print("compiled: this is it" if COMPILED else "compiled: not built (make compiled)")
        return
    runs = [(elsewhere(""), elsewhere(str(BUILT))) for _ in range(3)]
    pure, compiled = map(min, zip(*runs, strict=True))
    print(f"in processes of their own, {SMALL} entries: pure Python {steps / pure:,.0f} steps/s", end=", ")
    print(f"compiled {steps / compiled:,.0f}: {pure / compiled:.2f} times as fast")


def speeds() -> None:
    world = FilesystemWorld()
    small, large = tree(SMALL), tree(LARGE)
    texts, programs = everyday(world, small)
    steps = sum(map(len, texts))
    run = stepper(world, small, programs)
    edits = run()
    plain = best(run)
    parsing = best(lambda: [parse_action.__wrapped__(text) for program in texts for text in program])
    big = best(stepper(world, large, programs), 3)
    kind = "compiled" if COMPILED else "pure Python"
    print(f"everyday driver, {steps} steps, {edits} edits, one core, CPU time, {kind}")
    print(f"  {SMALL:>7} entries: {steps / plain:9,.0f} steps/s ({plain / steps * 1e6:.1f} us a step)")
    print(f"  {'':7} with parse: {steps / (plain + parsing):8,.0f} steps/s", end=" ")
    print(f"({parsing / steps * 1e6:.1f} us a line that was not met before)")
    print(f"  {LARGE:>7} entries: {steps / big:9,.0f} steps/s, {big / plain:.2f} times the time at {SMALL}")

    def peer() -> None:
        facts = Map({("entry", (ROOT, str(number))): number for number in range(600)})
        for number in range(edits):
            facts = facts.set(("mode", (str(number % 700),)), number)

    bare = best(peer)
    print(
        f"  bare map, {edits} sets: {bare / edits * 1e6:.2f} us each; the steps take {plain / bare:.1f} times that",
        end="; ",
    )
    print(f"a step is worth {plain / steps / (bare / edits):.0f} sets")
    started = time.perf_counter()
    for _ in range(100):
        subprocess.run(["sh", "-c", "true"], check=True)
    process = (time.perf_counter() - started) / 100
    print(f"  `sh -c true`: {process * 1e6:,.0f} us (wall); {process / (plain / steps):,.0f} steps fit in it")
    move(world, large)
    beside_compiled(steps)


def move(world: FilesystemWorld, state: State) -> None:
    """Moving all hundred thousand files at once."""
    action = world.parse("mv archive d0")
    delta = world.step(state, action).delta
    entries = [edit for edit in delta if edit.relation == "entry"]
    taken = best(lambda: [world.step(state, action) for _ in range(1000)]) / 1000
    one = world.parse("mv d1/f0 d0/new")
    single = best(lambda: [world.step(state, one) for _ in range(1000)]) / 1000
    print(f"moving {LARGE:,} files in one directory: {len(entries)} edits of entries, {taken * 1e6:.1f} us", end="; ")
    print(f"one file: {single * 1e6:.1f} us")


def depths(delta: Delta, state: State) -> list[int]:
    """How deep each name lies that a step made or moved; 1 is the top."""
    above = {child: key[0] for relation, key, child in state.facts() if relation == "entry"}
    found = []
    for edit in delta:
        if edit.relation == "entry" and edit.after is not None:
            depth, at = 1, edit.key[0]
            while at in above:
                depth, at = depth + 1, above[at]
            found.append(depth)
    return found


def rates(programs: int, length: int) -> None:
    """A Markdown table: per command and driver, how often it succeeded and failed; and how deep names lie."""
    counts: Counter[tuple[str, str, str]] = Counter()
    deepest: dict[str, int] = {}
    world = FilesystemWorld()
    names = list(world.drivers)
    for driver in names:
        for seed in range(programs):
            state, random = world.initial(seed), Random(f"{driver} {seed}")
            for _ in range(length):
                action = world.parse(world.drivers[driver](state, random))
                made = world.step(state, action)
                first = action.commands[0][1]
                name = first.words[0][0][0] if first.words else ">" if first.redirects else "A=..."
                outcome = "refused" if "refused" in made.observation else str(made.observation["exit"] == 0)
                counts[name, driver, outcome] += 1
                state = made.state
                deepest[driver] = max([deepest.get(driver, 0), *depths(made.delta, state)])
    print("| command | " + " | ".join(f"{driver}: ok / fails" for driver in names) + " |")
    print("| --- |" + " ---: |" * len(names))
    for name in sorted({name for name, _, _ in counts}):
        cells = [f"{counts[name, driver, 'True']} / {counts[name, driver, 'False']}" for driver in names]
        print(f"| `{name}` | " + " | ".join(cells) + " |")
    print("| depth of names made, up to | " + " | ".join(str(deepest[driver]) for driver in names) + " |")
    total = sum(counts.values())
    refused = sum(count for (_, _, outcome), count in counts.items() if outcome == "refused")
    print(f"\n{total} actions in {programs} programs of {length} a driver; {refused} refused (outside the rules).")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", action="store_true")
    parser.add_argument("--seconds", action="store_true")
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--length", type=int, default=50)
    options = parser.parse_args()
    if options.rates:
        rates(options.programs, options.length)
    elif options.seconds:
        print(seconds())
    else:
        speeds()


if __name__ == "__main__":
    main()
