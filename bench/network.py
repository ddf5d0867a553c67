"""What the network world costs: steps, reachability, distance, labelled transitions. CPU time, one core.

Claims: at least 60,000 steps/s with delta and fingerprint at 5 hosts, half of that at 400 and at 100,000; reachability
of every (source, service) pair at 400 hosts, 800 links and 500 services in 50 ms from scratch and 2 ms after a change;
100,000 distances/s in a rollout at 400 hosts. Beside them NASim (`pip install nasim`), which simulates attacks on a
network of the same size, and a plain implementation of level 0 that copies dictionaries, searches breadth-first and
hashes canonical JSON.
"""

from __future__ import annotations

import json
import random
import sys
import time
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import cpu, table

from worldgate.facts import Draft, State, distance
from worldgate.worlds.network import Network
from worldgate.worlds.network.actions import Command
from worldgate.worlds.network.reachability import reach, reachable
from worldgate.worlds.network.topology import TOPOLOGY

STEPS = 4_000
SIZES = (5, 400, 100_000)


def main() -> None:
    _size()
    print(f"\nsteps of {STEPS} prepared actions, each with its delta and the fingerprint after it; best of five")
    _steps()
    _reachability()
    _distance()


# --- size ---------------------------------------------------------------------------------------------


def _size() -> None:
    """Loading, and one question, at sizes that differ by ten: three links a host."""
    rows = []
    for size in (1_000, 10_000, 100_000):
        draw, world = random.Random(0), Network(hosts=size, start="empty")
        facts = list(world.initial(0).facts())
        links: set[tuple[str, str]] = set()
        while len(links) < 3 * size:
            one, other = draw.sample(world.hosts, 2)
            links.add((min(one, other), max(one, other)))
        facts += [("link", key, True) for key in sorted(links)]
        facts += [("service", (host, "80"), True) for host in world.hosts[::2]]
        begun = time.process_time()
        state = State.of(world.schema, facts)
        loaded = time.process_time() - begun
        state.view(TOPOLOGY)
        known = time.process_time() - begun - loaded
        asked = cpu(lambda n, s=state, h=world.hosts: reachable(Draft(s), h[n], h[2 * n], "80"), 400, 3) * 1e6
        cuts = [Command("link_down", key) for key in sorted(links)[:200]]
        ends = [(action.arguments[0], world.hosts[0]) for action in cuts]
        changed = [world.step(state, action).state for action in cuts]
        cut = cpu(lambda n, c=changed, e=ends: reachable(Draft(c[n]), *e[n], "80"), len(cuts), 1) * 1e6
        rows.append((size, 3 * size, loaded, known, asked, cut))
    table(
        "Size",
        ("hosts", "links", "load, s", "first question, s", "then, microseconds", "after a link went, microseconds"),
        rows,
    )


# --- steps -------------------------------------------------------------------------------------------


def _steps() -> None:
    rows = []
    for size in SIZES:
        nasim = _nasim(size) if size <= 1000 else None
        for driver in ("weighted", "adversarial", "everyday"):
            world = Network(hosts=size, start="scattered")
            first, actions = _prepared(world, driver)
            ours = STEPS / min(cpu(lambda _, w=world, s=first, a=actions: _walked(w, s, a), 1, 1) for _ in range(5))
            few = actions[: 3 if size > 1000 else 300]
            rounds = 1 if size > 1000 else 5
            plain = len(few) / min(cpu(lambda _, s=first, a=few: _plainly(s, a), 1, 1) for _ in range(rounds))
            beside = ours / nasim if nasim else "-"
            rows.append((size, driver, round(ours), round(plain), ours / plain, nasim or "-", beside))
    table(
        "Steps a second",
        ("hosts", "driver", "oracle", "plain dictionaries", "ratio", "NASim", "ratio"),
        rows,
    )


def _prepared(world: Network, driver: str) -> tuple[Any, list[Command]]:
    """The state at the beginning, and the actions of a walk from it."""
    first = state = world.initial(0)
    draw, actions = random.Random(1), []
    for _ in range(STEPS):
        actions.append(world.parse(world.drivers[driver](state, draw)))
        state = world.step(state, actions[-1]).state
    return first, actions


def _walked(world: Network, state: Any, actions: list[Command]) -> None:
    state.fingerprint  # noqa: B018
    state.view(TOPOLOGY)
    for action in actions:
        moved = world.step(state, action)
        state = moved.state
        state.fingerprint  # noqa: B018


def _plainly(state: Any, actions: list[Command]) -> None:
    plain = {name: {} for name in ("up", "link", "service", "deny", "flow")}
    for relation, key, value in state.facts():
        if relation in plain:
            plain[relation][key] = value
    clock = 0
    for action in actions:
        plain, clock = _plain_step(plain, clock, action)
        rows = sorted([name, *key, value] for name, facts in plain.items() for key, value in facts.items())
        sha256(json.dumps([rows, clock]).encode()).hexdigest()


def _plain_step(plain: dict[str, Any], clock: int, action: Command) -> tuple[dict[str, Any], int]:
    """Level 0 as one writes it first: everything is copied, everything is searched."""
    new = {name: dict(facts) for name, facts in plain.items()}
    verb, words = action.verb, action.arguments
    if verb in ("host_up", "host_down"):
        new["up"][words] = verb == "host_up"
    elif verb in ("link_up", "link_down"):
        _put(new["link"], tuple(sorted(words)), verb == "link_up")
    elif verb in ("svc_up", "svc_down"):
        _put(new["service"], words, verb == "svc_up")
    elif verb in ("fw_deny", "fw_allow"):
        _put(new["deny"], words, verb == "fw_deny")
    elif verb == "connect" and _plain_reach(new, *words):
        new["flow"][words] = True
    elif verb == "close":
        new["flow"].pop(words, None)
    elif verb == "advance":
        clock += 1
        new["flow"] = {flow: True for flow in new["flow"] if _plain_reach(new, *flow)}
    return new, clock


def _put(facts: dict[Any, bool], key: Any, there: bool) -> None:
    if there:
        facts[key] = True
    else:
        facts.pop(key, None)


def _plain_reach(net: dict[str, Any], source: str, target: str, port: str) -> bool:
    if not net["up"].get((source,)) or not net["up"].get((target,)) or (target, port) not in net["service"]:
        return False
    if source == target:
        return True
    near: dict[str, list[str]] = {}
    for one, other in net["link"]:
        if net["up"].get((one,)) and net["up"].get((other,)):
            near.setdefault(one, []).append(other)
            near.setdefault(other, []).append(one)
    seen, ends = {source}, [source]
    for here in ends:
        for other in near.get(here, ()):
            if other not in seen:
                seen.add(other)
                ends.append(other)
    return target in seen and (target, source) not in net["deny"]


def _nasim(size: int) -> float | None:
    """Steps a second of NASim with as many hosts; None, said, when it is not installed."""
    warnings.simplefilter("ignore")
    try:
        import nasim
    except ImportError:
        print("NASim is not installed: pip install nasim")
        return None
    env = nasim.generate(num_hosts=size, num_services=3, seed=0)
    env.reset()
    draw, count = random.Random(0), env.action_space.n
    actions = [draw.randrange(count) for _ in range(1_000)]
    return round(1 / min(cpu(lambda number: env.step(actions[number]), len(actions), 1) for _ in range(5)))


# --- reachability ------------------------------------------------------------------------------------


def _reachability() -> None:
    rows = []
    for size in (100, 400, 1_600):
        world = Network(hosts=size, services=12, start="empty")
        draw, state = random.Random(0), world.initial(0)
        while sum(1 for _ in state.facts("link")) < 2 * size:
            state = world.step(state, Command("link_up", tuple(draw.sample(world.hosts, 2)))).state
        while sum(1 for _ in state.facts("service")) < size * 5 // 4:
            state = world.step(state, Command("svc_up", (draw.choice(world.hosts), draw.choice(world.ports)))).state
        for _ in range(size // 8):
            state = world.step(state, Command("fw_deny", tuple(draw.sample(world.hosts, 2)))).state
        facts = list(state.facts())
        scratch = cpu(lambda _, f=facts, s=state: reach(type(s).of(s.schema, f)), 1, 5) * 1e3
        reach(state)
        changes = [world.step(state, Command("link_down", key)).state for _, key, _ in list(state.facts("link"))[:50]]
        changes += [world.step(state, Command("host_down", (host,))).state for host in world.hosts[:50]]
        after = cpu(lambda number, c=changes: reach(c[number]), len(changes), 1) * 1e3
        pairs = sum(map(len, reach(state).values()))
        rows.append((size, 2 * size, size * 5 // 4, pairs, scratch, after))
    table(
        "Who reaches which service, milliseconds",
        ("hosts", "links", "services", "pairs", "from scratch, with loading the facts", "after one change"),
        rows,
    )


# --- distance ------------------------------------------------------------------------------------------


def _distance() -> None:
    from worldgate.horizon.apart import Apart

    rows = []
    for size in (5, 400, 10_000):
        world = Network(hosts=size, start="scattered")
        first, actions = _prepared(world, "everyday")
        moves, left, right = [], first, first
        for number, action in enumerate(actions[:1000]):
            one, two = world.step(left, action), world.step(right, action)
            if number % 50 == 7:  # the prediction is wrong now and then
                two = world.step(right, Command("host_down", (world.hosts[number % size],)))
            left, right = one.state, two.state
            moves.append((left, right, {edit[:2] for edit in (*one.delta, *two.delta)}))
        apart = Apart(first, first)
        start = time.process_time()
        for move in moves:
            apart.move(*move)
            apart.distance  # noqa: B018
        kept = (time.process_time() - start) / len(moves)
        whole = cpu(lambda _, a=left, b=right: distance(a, b), 20, 3)
        assert apart.distance == distance(left, right)
        rows.append((size, len(left), round(1 / kept), round(1 / whole)))
    table("Distances a second in a rollout that went apart", ("hosts", "facts", "kept", "facts.distance"), rows)


if __name__ == "__main__":
    main()
