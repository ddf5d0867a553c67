"""The settings of a rollout: plain data, part of its record."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from .costs import Budget, Prices, calls_at
from .errors import BadSettings


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one rollout is corrected. Names are those of the tables of policies, operators and probes.

    `semantics`: the truth is the oracle's step from where the rollout stands (`coupled`), or the true trajectory's
    state (`reanchor`). `rho` is the share of steps that may be consulted: floor(rho * steps) calls, a ceiling beside
    those of `budget`. `probe` names how the one entity to look at is chosen, among those of `probe_kinds` (none named:
    of all kinds) and, with `probe_global`, the facts that refer to no entity; None shows the whole state.
    `spend_down` looks anyway as soon as there are as many calls left as steps. `calibration` sets the threshold of a
    policy from the uncertainties of the same rollout run without any look, as published: it has seen the future.
    `learning` shows the predictor the truth of the steps that were consulted.
    """

    policy: str = "never"
    options: dict[str, float | bool] = {}
    rho: float | None = None
    semantics: Literal["coupled", "reanchor"] = "reanchor"
    operator: str = "hard_reset"
    probe: str | None = None
    probe_kinds: tuple[str, ...] = ()
    probe_global: bool = False
    budget: Budget = Budget()
    prices: Prices = Prices()
    spend_down: bool = False
    calibration: Literal["", "own_unaided_signals"] = ""
    learning: bool = False
    seed: int = 0


def checked(settings: Settings) -> Settings:
    """The settings as their JSON would be read, each checked by itself."""
    try:
        settings = msgspec.convert(msgspec.to_builtins(settings), Settings)
    except (msgspec.ValidationError, TypeError) as error:
        raise BadSettings(str(error), "settings of the declared types") from error
    if settings.rho is not None and not 0 <= settings.rho <= 1:
        raise BadSettings(f"rho {settings.rho}", "between 0 and 1")
    if not all(map(math.isfinite, settings.options.values())):
        raise BadSettings(f"options {settings.options}", "finite numbers")
    return settings


def agreeing(settings: Settings, *, back: bool, second: bool) -> None:
    """Refuse what contradicts itself. `back`: the policy goes back; `second`: another oracle is asked first."""
    if settings.learning and settings.probe is not None:
        raise BadSettings("learning from probes", "the full truth, since one view is not a step's delta")
    if back and (settings.probe is not None or second):
        raise BadSettings(f"policy {settings.policy} with probes or a second oracle", "the full oracle alone")


def ceilings(settings: Settings, steps: int) -> Budget:
    """The budget, with the calls that rho allows."""
    if settings.rho is None:
        return settings.budget
    calls = calls_at(settings.rho, steps)
    given = settings.budget.calls
    return msgspec.structs.replace(settings.budget, calls=calls if given is None else min(given, calls))
