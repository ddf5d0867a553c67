"""The state in which a market begins, from explicit settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ...facts import Draft, Fact, State
from .actions import NAME, Transfer
from .errors import BadAccount, BadCash, BadCosts, BadInstrument, BadMarket
from .orders import FREE, transfer
from .schema import SCHEMA, Book, Costs, Instrument
from .units import MOST, ONE

_NAME = re.compile(NAME, re.ASCII)


def open_market(
    instruments: Mapping[str, Instrument],
    *,
    cash: Mapping[str, Mapping[str, int]],
    costs: Costs | Mapping[str, Costs] = FREE,
    shorting: Iterable[str] = (),
) -> State:
    """A market before its first bar.

    `cash` maps account to currency to amount (0 opens a book without money); an account trades in the
    currencies it has. `costs` are for all symbols, or by symbol (free where one is not named).
    `shorting` names the accounts that may sell more than they hold. Amounts are in hundred-millionths.
    Raises `BadInstrument`, `BadCosts`, `BadCash`, `BadAccount` or `BadMarket`.
    """
    if not isinstance(instruments, Mapping) or not isinstance(cash, Mapping) or not instruments or not cash:
        raise BadMarket(f"{instruments!r:.60} and {cash!r:.60}", "at least one instrument and one account")
    by_symbol = dict.fromkeys(instruments, costs) if isinstance(costs, Costs) else dict(_mapping(costs))
    allowed = set(_names(shorting))
    for symbol, instrument in instruments.items():
        _check_instrument(symbol, instrument)
    for symbol, terms in by_symbol.items():
        _check_costs(symbol, terms, instruments)
    for account, purses in cash.items():
        _check_account(account, purses)
    if unknown := sorted(allowed - cash.keys()):
        raise BadAccount(f"shorting for {', '.join(unknown)}", f"accounts: {', '.join(cash)}")
    facts: list[Fact] = [("clock", (), 0)]
    facts += [("instrument", (symbol,), instrument) for symbol, instrument in instruments.items()]
    facts += [("costs", (symbol,), by_symbol.get(symbol, FREE)) for symbol in instruments]
    facts += [("shorting", (account,), True) for account in allowed]
    facts += [("sequence", (account,), 0) for account in cash]
    for account, purses in cash.items():
        facts += [("cash", (account, currency), 0) for currency in purses]
        facts += [("book", (account, currency), Book()) for currency in purses]
    draft = Draft(State.of(SCHEMA, facts))
    for account, purses in cash.items():
        for currency, amount in purses.items():
            if amount:
                transfer(draft, Transfer("deposit", amount, currency, account))
    return draft.finish()[0]


def _check_instrument(symbol: object, instrument: Instrument) -> None:
    if not _is_name(symbol) or type(instrument) is not Instrument or not _is_name(instrument.currency):
        raise BadInstrument(f"{symbol!r:.40}: {instrument!r:.80}", "a name, and an Instrument in a named currency")
    _, tick, lot, margin = instrument
    if not (_is_amount(tick) and _is_amount(lot) and _is_amount(margin) and tick and lot and 0 < margin <= ONE):
        raise BadInstrument(f"{symbol}: {instrument}", "tick and lot above 0, margin above 0 and at most 1")
    if tick * lot % ONE:
        raise BadInstrument(f"{symbol}: tick {tick} times lot {lot}", f"a multiple of {ONE}, so that values are exact")


def _check_costs(symbol: object, costs: Costs, instruments: Mapping[str, Instrument]) -> None:
    if symbol not in instruments or type(costs) is not Costs or not all(map(_is_amount, costs)):
        raise BadCosts(f"{symbol!r:.40}: {costs!r:.120}", "Costs of amounts that are not negative, for a known symbol")
    if max(costs.rate, costs.spread, costs.slippage, costs.volume_share) > ONE:
        raise BadCosts(f"{symbol}: {costs}", "fractions of at most 1")


def _check_account(account: object, purses: object) -> None:
    if not _is_name(account):
        raise BadAccount(f"{account!r:.60}", "letters, digits and ._^=/-, beginning with a letter or digit")
    if not isinstance(purses, Mapping) or not purses:
        raise BadCash(f"{account}: {purses!r:.60}", "amounts by currency, at least one")
    for currency, amount in purses.items():
        if not _is_name(currency) or not _is_amount(amount):
            raise BadCash(
                f"{account}: {currency!r:.40} {amount!r:.40}", "a named currency, an int that is not negative"
            )


def _is_name(given: object) -> bool:
    return type(given) is str and _NAME.fullmatch(given) is not None


def _is_amount(given: object) -> bool:
    return type(given) is int and 0 <= given <= MOST


def _mapping(costs: object) -> Mapping[str, Costs]:
    if not isinstance(costs, Mapping):
        raise BadCosts(f"{costs!r:.60}", "Costs, or Costs by symbol")
    return costs


def _names(shorting: object) -> list[str]:
    if (
        isinstance(shorting, str)
        or not isinstance(shorting, Iterable)
        or not all(map(_is_name, found := list(shorting)))
    ):
        raise BadAccount(f"shorting {shorting!r:.60}", "names of accounts")
    return found
