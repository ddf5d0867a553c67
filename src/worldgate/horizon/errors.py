"""The numbered errors of rollouts and their records."""

from __future__ import annotations

from ..facts import Error


class NoTrajectory(Error):
    number, title = "WG480", "no such trajectory"


class BadSettings(Error):
    number, title = "WG481", "settings that no rollout can follow"


class NoUncertainty(Error):
    """A policy that weighs uncertainty was given a predictor that has none."""

    number, title = "WG482", "the predictor gives no uncertainty"


class BadPrediction(Error):
    """What a predictor returned does not fit the world's schema, or its uncertainty is no finite number."""

    number, title = "WG483", "not a prediction"


class BadRecord(Error):
    number, title = "WG484", "not the record of a rollout"


class BadMeasure(Error):
    number, title = "WG485", "nothing to measure by that"
