"""The numbered errors of strategies. `path` is the JSON path of what is wrong, such as `$.rules[0].short_window`."""

from __future__ import annotations

from ...facts import Error


class BadStrategy(Error):
    """The file is not a strategy: no JSON object, an unknown or missing field, a value of the wrong type or size."""

    number, title = "WG340", "strategy is not well-formed"
    path: str

    def __init__(self, found: str, expected: str, do: str = "", *, path: str = "$") -> None:
        super().__init__(f"{path}: {found}", expected, do)
        self.path = path


class BadNumber(BadStrategy):
    """A number that is not finite, has more than eight decimals, is a truth value or is of the wrong sign."""

    number, title = "WG341", "number of a strategy is not exact"


class Contradiction(BadStrategy):
    """Settings that exclude each other, or a rule that could never say anything."""

    number, title = "WG342", "settings of a strategy contradict each other"


class OutsideUniverse(BadStrategy):
    """A rule or a limit about a symbol that the universe does not have."""

    number, title = "WG343", "symbol is outside the universe"


class RepeatedSymbol(BadStrategy):
    """The universe has a symbol twice."""

    number, title = "WG344", "symbol of the universe is repeated"


class ConflictingRules(BadStrategy):
    """Two rules are about one symbol, and the strategy does not say which holds."""

    number, title = "WG345", "rules of one symbol could conflict"


class UnfitMarket(BadStrategy):
    """The market does not have a symbol of the strategy, or not in these quantities."""

    number, title = "WG346", "strategy does not fit the market"


class OutOfStep(Error):
    """The bars that a view observed are not those that the state has seen."""

    number, title = "WG347", "view is not at the state's clock"
