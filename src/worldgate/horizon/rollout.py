"""One rollout for every world and predictor: propose, apply, look, correct.

The true trajectory is there first; its actions are what the rollout goes through. At each step the predictor suggests a
delta, which is applied whatever it is; the policy may ask for a look, which the budget allows or not; what is shown
corrects the state. The distance from the true trajectory is kept at O(edits) a step. The predictor sees a state and an
action, and the loop knows nothing of how it predicts.

A look is priced before it is made use of: one that would pass any ceiling is declined, whole. Not covered: an oracle
that does not come back from a state that no step leads to (one that raises there has no answer, which is recorded).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from ..facts import SYMBOL_BITS, Delta, Error, State, symbols
from .apart import Apart
from .consultation import Moment, Setting, policy
from .costs import Cost
from .derived import Derived, faithfulness, glance
from .errors import BadPrediction, BadSettings, NoUncertainty
from .operators import OPERATORS, Told, growth, of_entity, of_whole
from .predictor import Prediction, Predictor
from .probes import Probes, told_entity
from .record import Look, RunRecord
from .settings import Settings, agreeing, ceilings, checked
from .tally import judge, tally
from .trajectory import Step, Trajectory
from .truth import Oracle, Row, Shown

PLAIN = Settings()
"""Nobody looks."""


def rollout(
    trajectory: Trajectory,
    predictor: Predictor,
    settings: Settings = PLAIN,
    *,
    second: Derived | None = None,
    judges: Sequence[Derived] = (),
) -> RunRecord:
    """Roll `predictor` along the actions of `trajectory`, corrected as `settings` say; the record of it.

    `second` is asked before the full oracle, which is then asked only where the two disagree. `judges` are derived
    relations whose faithfulness is recorded at each step; they cost what deriving them costs. With `learning` the
    predictor changes: give a fresh one to each rollout that is to stand by itself.
    Raises `BadSettings` where settings contradict themselves, `BadPrediction`, and `NoUncertainty`.
    """
    settings, unaided = checked(settings), None
    if settings.calibration:
        signals = rollout(trajectory, predictor).signals
        if None in signals:
            raise NoUncertainty(f"none from {predictor.name}", "a number at each step, to calibrate on")
        unaided = tuple(signal for signal in signals if signal is not None)
    return _Rollout(trajectory, predictor, settings, unaided, second, tuple(judges)).run()


class _After(NamedTuple):
    divergence: float
    drift: Mapping[str, float]
    derived: tuple[float, ...]


class _Rollout:
    def __init__(
        self,
        trajectory: Trajectory,
        predictor: Predictor,
        settings: Settings,
        unaided: tuple[float, ...] | None,
        second: Derived | None,
        judges: tuple[Derived, ...],
    ) -> None:
        self.trajectory, self.predictor, self.settings = trajectory, predictor, settings
        self.second, self.judges = second, judges
        self.schema, steps = trajectory.world.schema, len(trajectory.steps)
        self.policy = policy(settings.policy, Setting(steps, settings.rho, settings.seed, unaided), settings.options)
        self.back, self.seen = getattr(self.policy, "back", False), getattr(self.policy, "seen", None)
        self.free = self.seen is not None and getattr(self.policy, "free", False)
        self.learn = getattr(predictor, "learn", None) if settings.learning else None
        self.oracle = Oracle(trajectory, settings.semantics)
        self.probes = None
        if settings.probe is not None:
            random = Random(f"probe/{settings.seed}")
            self.probes = Probes(self.schema, settings.probe, settings.probe_kinds, settings.probe_global, random)
        self._check_together()
        self.budget = ceilings(settings, steps)
        self.state = self.anchored = trajectory.initial
        sizes = {name: 2 * size for name, size in trajectory.sizes.items()}
        self.apart = Apart(self.state, self.state, sizes)
        self.symbols = trajectory.symbols  # what it takes to say the state
        self.rows: list[Row] = []
        self.after: list[_After] = []
        self.looks: list[Look] = []
        self.spent, self.total = Cost(), 0.0
        self.anchor = self.predictions = self.declined = self.learned = 0

    def _check_together(self) -> None:
        settings = self.settings
        if settings.operator not in OPERATORS:
            raise BadSettings(f"operator {settings.operator!r}", f"one of {', '.join(OPERATORS)}")
        if settings.learning and self.learn is None:
            raise BadSettings(f"learning with {self.predictor.name}, which has no learn", "a predictor that learns")
        agreeing(settings, back=self.back, second=self.second is not None)
        if len({each.name for each in self.judges}) < len(self.judges):
            raise BadSettings("two judges of one name", "a name for each")

    # --- the loop --------------------------------------------------------------------------------

    def run(self) -> RunRecord:
        steps = self.trajectory.steps
        while len(self.rows) < len(steps):
            number = len(self.rows)
            self.propose(steps[number])
            if self.wants(number):
                self.consult(number)
            self.close()
        return self.record()

    def propose(self, step: Step) -> None:
        before = self.state
        prediction, state = _forced(before, self.predictor.predict(before, step.action), self.predictor.name)
        self.predictions += 1
        self.state = state
        said = {(edit[0], edit[1]): edit[3] for edit in prediction.delta}
        stood = before.fetcher()
        changes = [(place, was, now) for place, now in said.items() if (was := stood(place)) != now]
        self.symbols += growth(self.schema, changes)
        touched = {*said, *step.net}
        self.apart.move(state, step.state, touched)
        uncertainty = None if prediction.uncertainty is None else float(prediction.uncertainty)
        self.total += uncertainty or 0.0
        if self.probes:
            self.probes.predicted(prediction)
        judged = judge(self.schema, prediction.delta, changes, step)
        row = Row(before, state, uncertainty, self.apart.distance, judged, self.symbols, touched)
        self.rows.append(row)

    def wants(self, number: int) -> bool:
        row, steps = self.rows[number], len(self.trajectory.steps)
        since = number - self.anchor + 1
        asked = self.policy.asks(Moment(number, steps, row.uncertainty, self.total, since))
        if self.free and self.seen:
            shown = self.oracle.step(number, row, self.apart.differing)
            self.seen(self._told(shown).error if shown else 1.0)
        ceiling = self.budget.calls
        return asked or (
            self.settings.spend_down and ceiling is not None and ceiling - self.spent.calls >= steps - number
        )

    def close(self) -> None:
        apart, state = self.apart, self.trajectory.steps[len(self.rows) - 1].state
        derived = tuple(faithfulness(judge.predicted(self.state), judge.of(state)) for judge in self.judges)
        self.after.append(_After(apart.distance, apart.distances, derived))

    # --- a look ----------------------------------------------------------------------------------

    def consult(self, number: int) -> None:
        """Ask for the truth of this step, or for one that goes back of all since the last look, and correct by it."""
        price = self.settings.prices.of
        least = price(Cost(calls=1, steps=1))
        affordable = self.budget.allows(self.spent + least)
        if not affordable and not self.second:  # a second oracle may do without the first
            self.declined += 1
            return
        if self.back:
            shown = self.oracle.window(self.anchor, self.anchored, self.rows[self.anchor :])
        else:
            shown = self.oracle.step(number, self.rows[number], self.apart.differing)
        if shown is None and not affordable:
            self.declined += 1
            return
        if shown is None:
            self._looked(number, Look(number, number, least, 0.0, 0, answered=False))
            return
        first = None
        if self.second:
            first = glance(self.second, self.state, shown.state)
            if not self.budget.allows(self.spent + price(first.cost)):
                self.declined += 1
                return
            if first.agrees:
                look = Look(number, number, price(first.cost), 0.0, 0, by=self.second.name, full=False)
                self._looked(number, look)
                return
        self._correct(number, shown, first.cost if first else Cost())

    def _correct(self, number: int, shown: Shown, already: Cost) -> None:
        predicted = self.rows[shown.step].state
        entity = self.probes.choose(predicted) if self.probes else None
        told = self._told(shown) if entity is None else of_entity(entity, predicted, shown.state)
        difference = SYMBOL_BITS * symbols(self.schema, told.correction)
        operator = OPERATORS[self.settings.operator]
        facts, bits = (len(told.correction), difference) if operator.difference else (told.facts, told.bits)
        steps = shown.step - self.anchor + 1 if self.back else 1
        cost = self.settings.prices.of(already + Cost(calls=1, steps=steps, facts=facts, bits=bits))
        by = self.second.name if self.second else None
        if not self.budget.allows(self.spent + cost):
            self.declined += 1
            if by is not None:
                self._paid(Look(number, number, self.settings.prices.of(already), 0.0, 0, by=by, full=False))
            return
        state, measured = operator.correct(predicted, told)
        if self.seen and not self.free:
            self.seen(told.error)
        self._return_to(shown.step, state, told.correction)
        if self.probes and entity is not None:
            self.probes.looked(entity)
        if self.learn:
            for lesson in shown.lessons:
                self.learn(*lesson)
            self.learned += len(shown.lessons)
        name = None if entity is None else told_entity(entity)
        look = Look(shown.step, number, cost, told.error, len(told.correction), measured, name, by)
        self._looked(shown.step, look)

    def _told(self, shown: Shown) -> Told:
        row = self.rows[shown.step]
        return of_whole(self.schema, row.state, row.symbols, shown.state, shown.addresses)

    def _return_to(self, number: int, state: State, correction: Delta) -> None:
        """The rollout stands after step `number`, in `state`."""
        touched = {(edit.relation, edit.key) for edit in correction}
        if number < len(self.rows) - 1:
            touched.update(*(row.touched for row in self.rows[number + 1 :]))
            del self.rows[number + 1 :], self.after[number:]
        self.apart.move(state, self.trajectory.steps[number].state, touched)
        changes = [((edit.relation, edit.key), edit.before, edit.after) for edit in correction]
        self.state, self.symbols = state, self.rows[number].symbols + growth(self.schema, changes)

    def _paid(self, look: Look) -> None:
        self.looks.append(look)
        self.spent += look.cost

    def _looked(self, number: int, look: Look) -> None:
        self._paid(look)
        self.total, self.anchor, self.anchored = 0.0, number + 1, self.state

    # --- the record ------------------------------------------------------------------------------

    def record(self) -> RunRecord:
        trajectory, after = self.trajectory, self.after
        edits, events = tally(trajectory, [row.judged for row in self.rows])
        drifted = sorted({name for each in after for name in each.drift})
        return RunRecord(
            world=trajectory.world.name,
            version=trajectory.world.version,
            driver=trajectory.driver,
            seed=trajectory.seed,
            predictor=self.predictor.name,
            settings=self.settings,
            divergences=tuple(each.divergence for each in after),
            proposed=tuple(row.proposed for row in self.rows),
            signals=tuple(row.uncertainty for row in self.rows),
            bits=tuple(row.judged.bits for row in self.rows),
            drift={name: tuple(each.drift.get(name, 0.0) for each in after) for name in drifted},
            edits=edits,
            events=events,
            looks=tuple(self.looks),
            spent=self.spent,
            derived={
                judge.name: tuple(each.derived[place] for each in after) for place, judge in enumerate(self.judges)
            },
            predictions=self.predictions,
            declined=self.declined,
            learned=self.learned,
            second=self.second.name if self.second else None,
        )


def _forced(state: State, prediction: Prediction, name: str) -> tuple[Prediction, State]:
    """The prediction, its delta a tuple, and the state it leads to."""
    try:
        prediction = Prediction(tuple(prediction.delta), prediction.uncertainty)
        if prediction.uncertainty is not None and not math.isfinite(prediction.uncertainty):
            raise BadPrediction(f"uncertainty {prediction.uncertainty} from {name}", "a finite number, or None")
        return prediction, state.force(prediction.delta)
    except BadPrediction:
        raise
    except Error as error:
        raise BadPrediction(f"{error.found} from {name}", error.expected, error.do) from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadPrediction(f"{error} from {name}", "a Prediction: edits, and a number or None") from error
