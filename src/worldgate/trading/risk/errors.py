"""The numbered errors of futures."""

from __future__ import annotations

from ...facts import Error

NUMBERS = {"WG463": ("probability of a breach", "A plan leads beyond the limits more likely than it may.")}
"""What an assessment can say: number, name, meaning."""


class BadRiskPlan(Error):
    """A plan says what is done and how many bars pass in between; what those bars are is not for it to say."""

    number, title = "WG391", "plan cannot be asked about its futures"


class BadFutures(Error):
    """A sampler's bars are ints on the tick grid, 0 < low <= open, close <= high, one for every future and step."""

    number, title = "WG392", "sampled bars cannot be"


class Disagreement(Error):
    """The worst future, computed again by the world itself, came out otherwise: nothing is claimed then."""

    number, title = "WG393", "bulk evaluation and world differ"


class NoNumpy(Error):
    """Futures are computed in bulk with numpy, of the extra `market`."""

    number, title = "WG394", "numpy is not installed"


class BadHistory(Error):
    """Futures are drawn from bars that have passed; there are too few of them, or some are missing."""

    number, title = "WG395", "no history to draw futures from"
