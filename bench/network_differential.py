"""The network's oracle against real namespaces, nftables and TCP connections, on random programs.

A program is a start, a driver and a seed. After each action the real network is brought up to date; then these must be
as the oracle says: the exit code of each `connect`, which flows an `advance` leaves (each is asked anew), and, of
sampled hosts and services (by name and by address), whether a connection opens. What differs is asked once more, with
more patience, before it counts. Not compared is what Linux leaves open (`kernel.undetermined`).

    python bench/network_differential.py --programs 1000 --level 0      # the figures in docs/worlds/network.md
    python bench/network_differential.py --programs 1000 --level 1

Exit status 1 and the differences when there are any, 2 where the machine cannot do it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from ipaddress import ip_address, ip_interface
from itertools import product
from random import Random
from typing import Any, NamedTuple

from worldgate.facts import Draft, Fact, State
from worldgate.worlds import Outside
from worldgate.worlds.network import Network, explain, reachable
from worldgate.worlds.network.drivers import HOOKS, drivers
from worldgate.worlds.network.kernel import Kernel, NotReal, layout, probe, undetermined
from worldgate.worlds.network.schema import SCHEMA, keys
from worldgate.worlds.network.starts import STARTS, host_names

PORTS = ("22", "80", "53/udp")
MIXES = {
    0: list(product(("empty", "scattered"), ("weighted", "adversarial", "everyday", "outages"))),
    1: list(product(("campus", "campus6"), ("routed", "everyday", "wild", "wild"))),
}
"""Starts and drivers. `campus6` is `campus` in IPv6; `wild` is `routed` and as much of what nobody would plan."""
HOSTS = {0: 5, 1: 8}
PAIRS = 8
KINDS = ("connects", "flows", "pairs")
PATIENT = 1.5
_IPV4 = re.compile(r"(\d+\.\d+\.\d+\.\d+)(?:/(\d+))?")


class Program(NamedTuple):
    level: int
    seed: int
    actions: int

    @property
    def mix(self) -> tuple[str, str]:
        """Its start and its driver."""
        return MIXES[self.level][self.seed % len(MIXES[self.level])]


def sixth(value: Any) -> Any:
    """The same in IPv6: every address `a` is `fd00::a`, every prefix so much longer."""

    def one(found: re.Match[str]) -> str:
        text = str(ip_address((0xFD << 120) + int(ip_address(found[1]))))
        return text if found[2] is None else "::/0" if found[2] == "0" else f"{text}/{int(found[2]) + 96}"

    if isinstance(value, str):
        return _IPV4.sub(one, value)
    if isinstance(value, tuple):
        changed = [sixth(item) for item in value]
        return type(value)(*changed) if hasattr(value, "_fields") else tuple(changed)
    return value


def begin(program: Program) -> State:
    """Its first state; at level 1 routers know their ways already in three programs of four."""
    start, _ = program.mix
    hosts = host_names(HOSTS[program.level])
    facts: Iterator[Fact] = STARTS[start.removesuffix("6")](hosts, PORTS, Random(program.seed))
    state = State.of(SCHEMA, (sixth(fact) for fact in facts) if start.endswith("6") else facts)
    world = Network()
    for _ in range(program.seed % 4 * 2 if program.level else 0):
        state = world.step(state, world.parse("advance")).state
    return state


def questions(state: State, random: Random) -> Iterator[tuple[str, str, str]]:
    """Sampled: any host, any service, by name or by one of the addresses there are."""
    hosts = [host for (host,) in keys(state, "up")]
    services = keys(state, "service")
    named = [(host, text.partition("/")[0]) for host, _, text in keys(state, "address")]
    for _ in range(PAIRS):
        if services and random.random() < 0.8:
            target, port = random.choice(services)
        else:
            target, port = random.choice(hosts), random.choice(PORTS)
        if named and random.random() < 0.3:
            mine = [text for host, text in named if host == target]
            target = random.choice(mine) if mine and random.random() < 0.6 else random.choice(named)[1]
        yield random.choice(hosts), target, port


class Wild:
    """What nobody would plan: addresses, routes, rules and translations drawn from those there are."""

    def __init__(self, state: State, random: Random) -> None:
        self.random, self.own = random, keys(state, "address") or [("r1", "s1", "10.1.0.1/24")]
        self.host = random.choice(keys(state, "up"))[0]
        ends = [one for pair in keys(state, "link") if self.host in pair for one in pair]  # itself: its loopback
        self.near = random.choice(ends or [self.host])

    def text(self) -> str:
        """An action."""
        order, verdict = self.random.randrange(1, 60), self.random.choice(("accept", "accept", "drop"))
        hook, port = self.random.choice(HOOKS), self.random.choice(("", "@22", "@80", "@53"))
        new = self.random.choice((f"source {self.random.choice(('leaving', self.address()))}",
                                  f"destination {self.address()}{port}"))  # fmt: skip
        return self.random.choice((
            f"addr_add {self.host} {self.near} {self.beside()}",
            " ".join(("addr_del", *self.random.choice(self.own))),
            *[f"route_add {self.host} {self.prefix()} {self.address()} {self.random.randrange(3)}"] * 2,
            *[f"rule_add {self.host} {hook} {order} {verdict}{self.match()}{self.state()}"] * 2,
            f"fallback {self.host} {hook} {verdict}",
            *[f"nat_add {self.host} {order} {new}{self.match()}"] * 2,
        ))  # fmt: skip

    def address(self) -> str:
        return self.random.choice(self.own)[2].partition("/")[0]

    def beside(self) -> str:
        """An address near one of those there are, with the length of any."""
        number = int(ip_address(self.address())) + self.random.randrange(60)
        return f"{ip_address(number)}/{self.random.choice(self.own)[2].partition('/')[2]}"

    def prefix(self) -> str:
        found = ip_interface(self.random.choice(self.own)[2]).network
        return str(found if self.random.random() < 0.6 else found.supernet(self.random.choice((1, 8))))

    def match(self) -> str:
        sides = [side for side in ("from", "to") if self.random.random() < 0.5]
        said = [f" {side} {self.random.choice((self.prefix(), self.address()))}" for side in sides]
        ports = ("", "", " proto tcp", " proto udp", " port 22", " port 22-80", " port 1-65535", " proto udp port 53")
        return "".join(said) + self.random.choice(ports)

    def state(self) -> str:
        return self.random.choice(("", "", " state new", " state established"))


def compare(kernel: Kernel, program: Program, counts: Counter[str]) -> Iterator[str]:
    """Run one program; tell each difference."""
    world, random = Network(), Random(f"{program.level} {program.seed}")
    state = begin(program)
    _, mixed = program.mix
    driver = drivers([host for (host,) in keys(state, "up")], PORTS)[mixed.replace("wild", "routed")]
    counts["programs"] += 1
    for number in range(program.actions):
        text = Wild(state, random).text() if mixed == "wild" and number % 2 else driver(state, random)
        try:
            action = world.parse(text)
        except Outside:
            continue
        before, (state, _, seen, _) = state, world.step(state, action)
        counts["actions"] += 1
        asked: list[tuple[str, tuple[str, str, str], bool]] = []
        if action.verb == "connect" and seen["exit"] != 2:
            asked.append(("connects", action.arguments, seen["exit"] == 0))
        if action.verb == "advance":
            asked += [("flows", key, state.get("flow", key) is not None) for key in keys(before, "flow")]
        if number % 3 == 2:
            net = Draft(state)
            asked += [("pairs", one, reachable(net, *one)) for one in questions(state, random)]
        if not asked:
            continue
        yield from _differences(kernel, program, state, f"{number}: {action}", asked, counts)


def _differences(
    kernel: Kernel, program: Program, state: State, where: str, asked: Sequence[Any], counts: Counter[str]
) -> Iterator[str]:
    try:
        if undetermined(layout(state)):
            counts["undetermined"] += len(asked)
            return
        kernel.realise(state)
    except NotReal:
        counts["not made"] += len(asked)
        return
    found = kernel.reaches([question for _, question, _ in asked])
    for (kind, question, expected), opened in zip(asked, found, strict=True):
        counts[kind] += 1
        counts["open"] += expected
        if opened == expected:
            continue
        counts["late"] += 1
        if kernel.reaches([question], PATIENT) != [expected]:
            counts["differences"] += 1
            answer = explain(state, *question)
            said = f"oracle {expected}, real {not expected} ({answer.why or answer.path})"
            yield f"seed {program.seed}, {' by '.join(program.mix)}, {where} | {' '.join(question)}: {said}"


def work(programs: Sequence[Program]) -> tuple[Counter[str], list[str]]:
    """Those programs, one after the other, in one kernel."""
    counts, told = Counter[str](), []
    with Kernel() as kernel:
        for program in programs:
            told += compare(kernel, program, counts)
    return counts, told


def run(programs: Sequence[Program], jobs: int) -> tuple[Counter[str], list[str]]:
    """All of them in so many processes; each mostly waits for packets that do not come."""
    if jobs == 1:
        return work(programs)
    total, told = Counter[str](), []
    with ProcessPoolExecutor(jobs) as pool:
        size = max(1, min(50, len(programs) // jobs))
        for counts, lines in pool.map(work, [programs[at : at + size] for at in range(0, len(programs), size)]):
            total += counts
            told += lines
    return total, told


def main() -> int:
    """Print the counts and the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--actions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--level", type=int, choices=(0, 1), default=1)
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if missing := probe():
        print(missing, file=sys.stderr)
        return 2
    began = time.perf_counter()
    seeds = range(options.seed, options.seed + options.programs)
    counts, told = run([Program(options.level, seed, options.actions) for seed in seeds], options.jobs)
    names = ("programs", "actions", *KINDS, "open", "undetermined", "not made", "late", "differences")
    figures = {name: counts[name] for name in names} | {"seconds": round(time.perf_counter() - began)}
    lines = "\n".join(f"{name:12}{value:>9,}" for name, value in figures.items())
    print(json.dumps(figures) if options.json else lines)
    print(*told, sep="\n", file=sys.stderr)
    return bool(told)


if __name__ == "__main__":
    sys.exit(main())
