"""What leaving out equivalent orders saves: states looked at and CPU time, with and without.

Both searches give the same results and the same breaches (a property in tests/gate/test_interleave.py). The claim:
steps that have nothing to do with one another cost one order, not all of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import cpu, table

from worldgate.gate.interleave import check
from worldgate.gate.plan import Plan, Step, make_plan
from worldgate.worlds import get

BOUND = 1 << 13


def parallel(world: str, *branches: list[str]) -> Plan:
    """Branches, each a chain, side by side."""
    steps = []
    for number, branch in enumerate(branches):
        for place, do in enumerate(branch):
            needs = (f"b{number}-{place - 1}",) if place else ()
            steps.append(Step(id=f"b{number}-{place}", do=do, needs=needs))
    return make_plan(steps, world=world)


def tickets(count: int) -> Plan:
    return parallel("support-desk", *([f'open_ticket(ticket: "x{n}", customer: "ada")'] for n in range(count)))


def talks(count: int) -> Plan:
    def talk(n: int) -> list[str]:
        ticket = f'ticket: "x{n}"'
        return [f'open_ticket({ticket}, customer: "ada")', f'answer({ticket}, text: "Yes.")', f"close_ticket({ticket})"]

    return parallel("support-desk", *map(talk, range(count)))


def refunds(count: int) -> Plan:
    refund = 'refund(refund: "x{}", order: "o3", customer: "ben", amount: 10 eur)'
    return parallel("support-desk", *([refund.format(n)] for n in range(count)))


def files(count: int) -> Plan:
    return parallel("filesystem", *([f"mkdir d{n}", f"touch d{n}/f", f"mv d{n}/f d{n}/g"] for n in range(count)))


def row(name: str, plan: Plan) -> tuple[str | int | float, ...]:
    world = get(plan.world)
    state = world.initial(0)
    less, more = (check(world, state, plan, bound=BOUND, reduce=reduce) for reduce in (True, False))
    if less.breaches or less.final != more.final:
        raise SystemExit(f"{name}: {less} and {more}")
    fast = cpu(lambda _: check(world, state, plan, bound=BOUND), 1, 3) * 1e3
    slow = cpu(lambda _: check(world, state, plan, bound=BOUND, reduce=False), 1, 3) * 1e3
    return name, less.explored, more.explored, more.explored / less.explored, fast, slow, slow / fast


def main() -> None:
    plans = {f"{n} new tickets": tickets(n) for n in (4, 8)}
    plans |= {f"{n} talks of three steps": talks(n) for n in (3, 5)}
    plans |= {f"{n} refunds that share a limit": refunds(n) for n in (4, 8)}
    plans |= {f"{n} directories, three steps each": files(n) for n in (2, 4)}
    head = ("plan", "states", "without", "ratio", "ms", "without, ms", "ratio of times")
    table("Orders of parallel branches", head, [row(name, plan) for name, plan in plans.items()])


if __name__ == "__main__":
    main()
