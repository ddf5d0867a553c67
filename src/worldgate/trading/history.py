"""The bars that an account in a workspace has had, kept beside it: questions about its futures are answered from them.

They are written whole, as canonical CSV, when the account is opened and before each feed. Only those up to a state's
clock are looked at, so a run that is judged again later is asked about the same ones, and the ledger has their digest.
They must end with the account's latest bars. Without such bars there is no answer, which refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..facts import Error, State
from ..gate.decision import Breach
from ..gate.plan import Plan
from ..gate.policy import Policy
from ..gate.run import replace
from ..gate.store import numbered
from ..gate.verify import unanswered
from ..worlds.market.bars import Bars, part, read_bars


class History:
    """The bars kept in a gate's directory; it answers what policies ask (`gate.risk.Answers`)."""

    def __init__(self, gate: Path) -> None:
        self.path = gate / "bars.csv"

    def agrees(self, bars: Bars, clock: int) -> bool:
        """Whether the first so many of these bars are those that are kept, as far as any are."""
        kept = self._kept()
        if kept is None:
            return True
        clock = min(clock, len(kept))  # more are kept where a feed was stopped, fewer where two met
        return part(kept, 0, clock).digest == part(bars, 0, clock).digest

    def keep(self, bars: Bars, clock: int) -> None:
        """Keep the first so many of these bars."""
        if clock:
            with numbered():
                replace(self.path, part(bars, 0, clock).csv().encode())

    def __call__(self, state: State, plan: Plan, policy: Policy) -> Iterable[Breach]:
        """The breaches of the policy's question about a plan from a state."""
        bars = self.passed(state)
        if bars is None:
            return unanswered(state, plan, policy)
        from .risk.run import assessor  # which needs numpy

        return assessor(bars)(state, plan, policy)

    def rests(self, state: State) -> str:
        """The digest of the bars that an answer from this state rests on; "" where there are none."""
        bars = self.passed(state)
        return bars.digest if bars else ""

    def passed(self, state: State) -> Bars | None:
        """The kept bars up to the state's clock; None where there are none that end with the account's latest."""
        kept, clock = self._kept(), state.get("clock", ()) or 0
        if kept is None or not 0 < clock <= len(kept):
            return None
        last = kept.at(clock - 1).bars
        return part(kept, 0, clock) if all(state.get("bar", (symbol,)) == bar for symbol, bar in last) else None

    def _kept(self) -> Bars | None:
        try:
            return read_bars(self.path, gaps="leave")
        except Error:
            return None
