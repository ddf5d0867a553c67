"""The record of a rollout: what every table and figure is made from.

A record knows no epsilon: it holds how far apart prediction and truth were at each step, and every measure is computed
from that afterwards. It is plain data; `to_json` and `from_json` are exact inverses.
"""

from __future__ import annotations

import msgspec

from ..facts import canonical_json
from .costs import Cost
from .errors import BadRecord
from .settings import Settings

FORMAT = 1


class Look(msgspec.Struct, frozen=True, omit_defaults=True):
    """One consultation: of which step, at what cost, how far the prediction was from what was shown.

    `end` is the step at which it was asked; it differs from `step` when a window was checked and the rollout went back.
    `by` is the derived relation that was asked first, and `full` whether the full truth was shown as well: where it was
    not, the relation agreed and `cost` has no bits, or it did not and the budget refused the rest. `entity` is what was
    probed. `measured` is what the operator measures. `answered` is false where the oracle has no answer, which
    happens in states that only a wrong prediction leads to; nothing is corrected then.
    """

    step: int
    end: int
    cost: Cost
    error: float
    edits: int
    measured: float | None = None
    entity: str | None = None
    by: str | None = None
    full: bool = True
    answered: bool = True

    @property
    def agreed(self) -> bool:
        """Whether the derived relation settled it alone, as there was nothing in it to correct."""
        return self.by is not None and not self.full and not self.cost.bits


class Edits(msgspec.Struct, frozen=True):
    """Of one relation or kind of event, over all steps: true edits, those found, and false ones predicted."""

    true: int
    found: int
    false: int

    @property
    def missed(self) -> int:
        """True edits that were not predicted. A wrong value in the right place is both missed and false."""
        return self.true - self.found


class RunRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rollout. The lists have one entry a step.

    `proposed` is the distance from the true trajectory before the step's correction, `divergences` after it.
    `drift` is the latter within each relation that ever differs. `signals` are the uncertainties; `bits` what it takes
    to correct the predicted delta into the true one. `edits` counts by relation, `events` by relation and kind of
    change. `derived` is how faithful each judged relation was. `predictions` counts also those that were taken back,
    `declined` the looks that a policy asked for and the budget did not allow.
    """

    world: str
    version: str
    driver: str
    seed: int
    predictor: str
    settings: Settings
    divergences: tuple[float, ...]
    proposed: tuple[float, ...]
    signals: tuple[float | None, ...]
    bits: tuple[int, ...]
    drift: dict[str, tuple[float, ...]]
    edits: dict[str, Edits]
    events: dict[str, Edits]
    looks: tuple[Look, ...]
    spent: Cost
    derived: dict[str, tuple[float, ...]]
    predictions: int
    declined: int
    learned: int
    second: str | None = None
    format: int = FORMAT

    @property
    def steps(self) -> int:
        """The length of the rollout."""
        return len(self.divergences)


_decoder = msgspec.json.Decoder(RunRecord)


def to_json(record: RunRecord) -> bytes:
    """One line of canonical JSON: the same bytes for the same record."""
    return canonical_json(record)


def from_json(data: bytes | str) -> RunRecord:
    """The inverse of `to_json`; else `BadRecord` with what is wrong where."""
    try:
        found = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise BadRecord(str(error), "the JSON form of a record") from error
    if found.format != FORMAT:
        raise BadRecord(f"format {found.format}", f"format {FORMAT}")
    lists = (found.proposed, found.signals, found.bits, *found.drift.values(), *found.derived.values())
    if any(len(each) != found.steps for each in lists):
        raise BadRecord("lists of different lengths", f"one entry for each of {found.steps} steps")
    return found
