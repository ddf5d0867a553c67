"""The question and its answer: how likely a plan leads beyond a policy's limits, and whether that is little enough.

A future breaches when a measure is beyond its limit after any action or bar, or when the market refuses an action of
the plan. The plan is approved only if the upper end of the interval around P(breach) is at most what is allowed. The
future that ends worst is played again by the world itself, and comes as a plan file that anyone can replay.

The interval is about chance in the sampling alone: that the next bars are like the sampler's is a premise, which
`calibrate` tests on bars that were held out. A policy's invariants and its limits on edits are not asked about here.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from ...facts import State
from ...gate.decision import Breach, Decision
from ...gate.policy import Policy
from ...gate.risk import BadRisk, Risk
from ...worlds.market.properties import facts_of
from ...worlds.market.units import show
from .answer import Assessment, Chance, Outcome, Spread, Worst
from .arrays import np
from .errors import BadFutures, Disagreement
from .estimate import interval, quantile, share, shortfall
from .futures import Sampler
from .plan import RiskPlan, script
from .play import REFUSED, Futures, Played, alone, needed, play
from .portfolio import Owned

if TYPE_CHECKING:
    from .arrays import Ints

MOST_BARS = 50_000_000
"""Of futures times steps: some ten seconds of computing."""
QUANTILES = tuple(map(Decimal, ("0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99")))
FAN = 20
"""At most so many steps at which the quantiles of the equity are told."""
BLOCK, BLOCK_BARS = 4096, 2**21
"""Futures that are computed together, fewer when they are long: arrays that stay in the cache."""


def assess(state: State, plan: RiskPlan, policy: Policy, settings: Risk, sampler: Sampler) -> Assessment:
    """Play the plan from `state` over the sampler's futures and judge. Raises the errors WG390 to WG393."""
    settings.check()
    purse = purse_of(settings, state)
    if policy.document.world != "market":
        raise BadRisk(f"a policy for {policy.document.world}", "one for market")
    if settings.futures * plan.steps > MOST_BARS:
        raise BadRisk(f"{settings.futures} futures of {plan.steps} bars", f"at most {MOST_BARS} bars in all")
    if missing := sorted(needed(state, plan) - set(sampler.symbols)):
        raise BadFutures(f"no futures of {', '.join(missing)}", "those of all that is held, on order or in the plan")
    found = _played(state, plan, policy, settings, sampler, purse)
    n, confidence = settings.futures, settings.confidence
    bounds: dict[str, Any] = {**policy.document.measures, REFUSED: "no action refused by the market"}
    rows = tuple(
        _chance(name, str(bound), int(found.all.breached[name].sum()), n, confidence) for name, bound in bounds.items()
    )
    overall = _chance("overall", "", int(_any(found.all).sum()), n, confidence)
    return Assessment(
        decision=_decided(overall, rows, settings, policy),
        plan=plan.digest,
        policy=policy.digest,
        enforced=policy.enforced,
        sampler=sampler.name,
        settings=settings,
        steps=plan.steps,
        account=purse[0],
        currency=purse[1],
        equity=show(state.get("book", purse).equity),
        overall=overall,
        limits=rows,
        profit=_outcome(found.all.profit, settings.level),
        spread=tuple(_spread(found.all.equity, found.times)),
        worst=found.worst.told(),
    )


def purse_of(settings: Risk, state: State) -> Owned:
    """The account and currency whose profit and loss is told."""
    (cash,) = facts_of(state, "cash")
    owned = [currency for account, currency in cash if account == settings.account]
    if settings.currency not in owned and (settings.currency or len(owned) != 1):
        found = f"account {settings.account}, currency {settings.currency or 'left out'}"
        raise BadRisk(found, ", ".join(" in ".join(purse) for purse in cash) or "an account with cash")
    return settings.account, settings.currency or owned[0]


class _Candidate(NamedTuple):
    """A future that may be the worst: first those that breach, then by profit, then by number."""

    kept: bool
    profit: int
    future: int
    breached: tuple[str, ...]
    script: str

    def told(self) -> Worst:
        return Worst(
            future=self.future,
            profit=show(self.profit),
            breached=self.breached,
            digest=sha256(self.script.encode()).hexdigest(),
            script=self.script,
        )


class _Found(NamedTuple):
    all: Played
    times: list[str]
    worst: _Candidate


def _played(state: State, plan: RiskPlan, policy: Policy, settings: Risk, sampler: Sampler, purse: Owned) -> _Found:
    """All futures, block by block; a block's bars are dropped when it is done."""
    size = max(min(BLOCK, BLOCK_BARS // plan.steps), 1)
    parts, worst = list[Played](), list[_Candidate]()
    for number, first in enumerate(range(0, settings.futures, size)):
        n = min(size, settings.futures - first)
        futures = Futures.of(state, sampler, n, plan.steps, settings.seed << 20 | number)
        part = play(state, plan, futures, policy.document.measures, purse)
        parts.append(part)
        worst = [min([*worst, _worst(state, plan, policy, futures, part, purse, first)])]
        parts[-1] = part._replace(equity=part.equity[[step - 1 for step in shown(plan.steps)]])
    breached = {name: np.concatenate([part.breached[name] for part in parts]) for name in parts[0].breached}
    profit = np.concatenate([part.profit for part in parts])
    equity = np.concatenate([part.equity for part in parts], axis=1)
    return _Found(Played(profit, equity, breached), list(futures.times), worst[0])


def _any(played: Played) -> Any:
    """Where anything was breached."""
    return np.logical_or.reduce(list(played.breached.values()))


def _worst(
    state: State, plan: RiskPlan, policy: Policy, futures: Futures, played: Played, purse: Owned, first: int
) -> _Candidate:
    """The worst of a block, played again by the world. Raises `Disagreement`."""
    breaches = _any(played)
    among = np.flatnonzero(breaches) if breaches.any() else np.arange(futures.n)
    at = int(among[np.argmin(played.profit[among])])
    profit, ticks = int(played.profit[at]), futures.ticks(at)
    breached = {name for name, found in played.breached.items() if found[at]}
    again = alone(state, plan.walk(ticks), policy.document.measures, purse)
    if (again.profit, again.equity, again.breached) != (profit, played.equity[:, at].tolist(), breached):
        found = f"profit {show(profit)}, breaches of {', '.join(sorted(breached)) or 'nothing'}"
        raise Disagreement(found, f"{show(again.profit)} and {', '.join(sorted(again.breached)) or 'nothing'}")
    note = f"future {first + at}: profit and loss {show(profit)} {purse[1]} of {purse[0]}"
    return _Candidate(not breaches.any(), profit, first + at, tuple(sorted(breached)), script(plan, ticks, note))


def _chance(name: str, bound: str, breaches: int, n: int, confidence: Decimal) -> Chance:
    low, high = interval(breaches, n, confidence)
    probability = f"{share(breaches, n):f}"
    return Chance(name=name, bound=bound, breaches=breaches, probability=probability, low=f"{low:f}", high=f"{high:f}")


def _decided(overall: Chance, rows: tuple[Chance, ...], settings: Risk, policy: Policy) -> Decision:
    allowed, most = settings.max_probability, max(rows, key=lambda row: row.breaches)
    if Decimal(overall.high) <= allowed:
        return Decision(verdict="approve", stage="risk")
    breach = Breach(
        number="WG463",
        rule="risk.max_probability",
        message=f"P(breach) is {overall.probability}, and may be {overall.high} at confidence {settings.confidence:f}: "
        f"more than {allowed:f}; mostly by {most.name}",
        found=overall.high,
        allowed=f"{allowed:f}",
        margin=f"{Decimal(overall.high) - allowed:f}",
    )
    return Decision(verdict="reject" if policy.enforced else "approve", stage="risk", breaches=(breach,))


def _outcome(profit: Ints, level: Decimal) -> Outcome:
    ordered = np.sort(profit).tolist()
    losses = [-amount for amount in reversed(ordered)]
    at, beyond = shortfall(losses, level)
    return Outcome(
        mean=show(round(Fraction(sum(ordered), len(ordered)))),
        quantiles={f"{q:f}": show(quantile(ordered, q)) for q in QUANTILES},
        level=f"{level:f}",
        value_at_risk=show(at),
        shortfall=show(beyond),
        largest_loss=show(losses[-1]),
    )


def shown(steps: int) -> list[int]:
    """Evenly spaced steps, counted from 1, the last among them."""
    most = min(FAN, steps)
    return [(number + 1) * steps // most for number in range(most)]


def _spread(equity: Ints, times: list[str]) -> Iterator[Spread]:
    """Quantiles of each row, which are those of the steps that are shown."""
    for step, row in zip(shown(len(times)), equity, strict=True):
        ordered = np.sort(row).tolist()
        yield Spread(
            step=step, time=times[step - 1], quantiles={f"{q:f}": show(quantile(ordered, q)) for q in QUANTILES}
        )
