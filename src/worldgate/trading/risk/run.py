"""From loaded inputs to an assessment: what a command does, and what a session asks before each of its plans.

The market is that of a given state, or one that a market file opens and all bars have passed through. Futures begin at
its latest closes and are drawn from bars up to its time alone: later ones, in the same file, are not looked at.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from pathlib import Path

from ...facts import State
from ...gate.decision import Breach
from ...gate.plan import Plan
from ...gate.policy import Policy
from ...gate.risk import Assess, BadRisk, Risk
from ...gate.run import replace
from ...worlds.market.actions import instant
from ...worlds.market.bars import FIELDS, Bars, part
from ...worlds.market.spans import passed
from ...worlds.market.units import show
from ..inputs import Market
from .answer import Assessment, Ended
from .assess import assess, purse_of
from .errors import BadHistory
from .filtered import Filtered
from .futures import Bootstrap, Calendar, Sampler, starts
from .generated import Generated
from .plan import load_risk_plan, risk_plan, written
from .play import alone, needed


def run_risk(
    plan: str,
    bars: Bars,
    policy: Policy,
    settings: Risk | None = None,
    *,
    state: State | None = None,
    market: Market | None = None,
    worst: Path | None = None,
    name: str = "plan",
) -> Assessment:
    """Assess the plan of a text (`name` is for messages). The policy says what is asked; `settings` do where it does
    not. Without `state`, the plan starts after all the bars, in the market that `market` describes. The worst future
    is written to `worst`, as a plan file. Raises numbered errors."""
    if policy.risk and settings:
        raise BadRisk("other settings than the policy's", "none beside a policy with `risk`", "Change the policy.")
    asked = policy.risk or settings or Risk()
    found = load_risk_plan(plan, asked.steps, name)
    now = opened(market or Market(), bars) if state is None else state
    answer = assess(now, found, policy, asked, sampler_of(now, bars, asked, needed(now, found)))
    if worst is not None:
        replace(worst, answer.worst.script.encode())
    return answer


def replayed(plan: str, policy: Policy, state: State, name: str = "plan") -> Ended:
    """The one future that a plan file writes out with its bars, as `worst` is written, stepped through by the world
    from `state`. Raises numbered errors."""
    actions = written(plan, name)
    account, currency = purse = purse_of(policy.risk or Risk(), state)
    found = alone(state, actions, policy.document.measures, purse)
    return Ended(
        profit=show(found.profit),
        account=account,
        currency=currency,
        equity=tuple(map(show, found.equity)),
        breached=tuple(sorted(found.breached)),
    )


def assessor(bars: Bars) -> Assess:
    """Answers the question of a policy about any plan in a market that takes these bars."""

    def answered(state: State, plan: Plan, policy: Policy) -> tuple[Breach, ...]:
        asked = policy.risk or Risk()
        found = risk_plan(plan, asked.steps)
        return assess(
            state, found, policy, asked, sampler_of(state, bars, asked, needed(state, found))
        ).decision.breaches

    return answered


def opened(market: Market, bars: Bars) -> State:
    """The market after these bars. Raises `BadHistory` where it does not take them."""
    columns = {symbol: [list(bars.column(symbol, name)) for name in FIELDS] for symbol in bars.symbols}
    moved = passed(market.begin(bars.symbols), bars.times, columns)
    if moved is None:
        raise BadHistory(
            f"{len(bars)} bars of {', '.join(bars.symbols)}", "all symbols at all times, on the market's ticks"
        )
    return moved.state


def sampler_of(state: State, bars: Bars, settings: Risk, symbols: Collection[str] = ()) -> Sampler:
    """The sampler that the settings name, of these symbols (by default all), over the bars that have passed."""
    last = state.get("time", ())
    if last is None:
        raise BadHistory("a market before its first bar", "one that has had bars")
    history = part(bars, 0, bisect_right(bars.times, instant(last), key=instant))
    first = starts(state, sorted(symbols or history.symbols))
    if settings.sampler == "generator":
        return Generated(first, Calendar.of(history.times, last))
    kind = Filtered if settings.sampler == "filtered" else Bootstrap
    return kind(history, first, last, settings.block)
