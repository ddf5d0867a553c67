"""The market's commands: open a paper account, feed it bars, run a strategy, replay what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import HERE, BadOption, Json, Where, budget_of, policy_of, text_of
from .terminal import print_json, print_lines, progress, propose, stepping


class Rounded(StrEnum):
    """What becomes of numbers finer than their tick."""

    refuse = "refuse"
    nearest = "nearest"


class Gapped(StrEnum):
    """What becomes of times at which a symbol has no bar."""

    refuse = "refuse"
    leave = "leave"


app = typer.Typer(help="The market: strategies on paper, every order verified.", no_args_is_help=True)

BarFiles = Annotated[list[Path], typer.Option("--bars", metavar="FILE", help="Bars: CSV, Parquet or JSON; repeatable.")]
MarketFile = Annotated[
    Path | None, typer.Option("--market", metavar="FILE", help="Cash, costs, ticks and lots; without one, defaults.")
]
Rounding = Annotated[
    Rounded,
    typer.Option("--rounding", metavar="refuse|nearest", help="What becomes of a price that is finer than its tick."),
]
Gaps = Annotated[
    Gapped,
    typer.Option(
        "--gaps", metavar="refuse|leave", help="What becomes of a time at which only some symbols have a bar."
    ),
]
PolicyFile = Annotated[Path | None, typer.Option("--policy", metavar="FILE", help="A policy; without one, none.")]
Limit = Annotated[list[str], typer.Option("--budget", metavar="NAME=LIMIT", help="Limit a resource: steps=20.")]


class Way(StrEnum):
    """Which way money moves."""

    deposit = "deposit"
    withdraw = "withdraw"


@app.command()
def generate(
    symbols: Annotated[list[str], typer.Argument(metavar="SYMBOL=PRICE...", help="Symbols and what they begin at.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new CSV file.")],
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="How many bars.")] = 250,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same bars.")] = 0,
    as_json: Json = False,
) -> None:
    """Make up bars: correlated symbols that go through calm, falling and stormy times. Never overwrites a file."""
    from .worlds.market import generator
    from .worlds.market.bars import write_csv

    if out.suffix.lower() != ".csv":
        raise BadOption(f"--out {out}", "a name that ends in .csv")
    pairs = dict(symbol.partition("=")[::2] for symbol in symbols)
    if len(pairs) < len(symbols):
        raise BadOption(" ".join(symbols), "each symbol once")
    baseline = {symbol: price or "100" for symbol, price in pairs.items()}
    with progress("generating"):
        table = generator.generate(list(baseline), steps, seed, baseline=baseline)
    with progress("writing"):
        write_csv(table, out)
    if as_json:
        print_json({"file": str(out), "digest": table.digest, "bars": len(table), "symbols": list(table.symbols)})
    else:
        typer.echo(f"{len(table)} bars of {', '.join(table.symbols)} in {out}")


@app.command(name="open")
def open_(
    bars: BarFiles,
    market: MarketFile = None,
    rounding: Rounding = Rounded.refuse,
    gaps: Gaps = Gapped.refuse,
    at: Annotated[int, typer.Option("--at", metavar="N", min=0, help="How many bars have already passed.")] = 1,
    directory: Annotated[Path, typer.Argument(help="The directory to keep the account in.")] = HERE,
    as_json: Json = False,
) -> None:
    """Make a workspace with a paper account, after so many bars."""
    from itertools import islice

    from .gate.workspace import Workspace
    from .trading.history import History
    from .worlds.market import MarketWorld

    if (directory / ".worldgate").exists():
        raise BadOption(f"{directory}, which is a workspace already", "a new directory")
    settings, world = _market(market), MarketWorld()
    table = _bars(bars, None, settings, rounding, gaps)
    state = settings.begin(table.symbols)
    if at > len(table):
        raise BadOption(f"--at {at}", f"at most {len(table)}, the bars that there are")
    for tick in islice(table.ticks(), at):
        state = world.step(state, tick).state
    workspace = Workspace.make(directory, "market", first=state)
    History(workspace.gate).keep(table, at)
    if as_json:
        print_json({"workspace": str(workspace.root), "world": "market", "symbols": list(table.symbols), "bars": at})
    else:
        typer.echo(f"workspace {workspace.root} over world market: {', '.join(table.symbols)} after {at} bars")


@app.command()
def feed(
    bars: BarFiles,
    rounding: Rounding = Rounded.refuse,
    gaps: Gaps = Gapped.refuse,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, help="How many bars.")] = 1,
    directory: Where = HERE,
    as_json: Json = False,
) -> None:
    """Let the next bars happen in a workspace: orders fill, positions are marked; recorded like any run."""
    from itertools import islice

    from .gate.workspace import Workspace
    from .trading.history import History

    workspace = Workspace.find(directory)
    state, history = workspace.state(), History(workspace.gate)
    ticks_of = {str(key[0]): instrument.tick for _, key, instrument in state.facts("instrument")}
    table, now = _read(bars, None, ticks_of, rounding, gaps), state.get("clock", ()) or 0
    seen = dict(table.at(min(now, len(table)) - 1).bars) if now else {}
    if any(state.get("bar", (symbol,)) != bar for symbol, bar in seen.items()) or not history.agrees(table, now):
        raise BadOption(f"bars of which the first {now} are not the account's", "the file that the account began with")
    ticks = [str(tick) for tick in islice(table.ticks(), now, now + count)]
    if len(ticks) < count:
        raise BadOption(f"{len(table)} bars, of which {now} have passed", f"{count} more", "Give -n what is left.")
    with progress("feeding"):
        history.keep(table, now + count)
        proposal = workspace.happen(ticks)
    _happened(workspace, proposal, as_json)


@app.command()
def transfer(
    way: Annotated[Way, typer.Argument(help="deposit or withdraw.")],
    amount: Annotated[str, typer.Argument(help="How much.")],
    currency: Annotated[str, typer.Argument(help="In which currency.")] = "USD",
    directory: Where = HERE,
    as_json: Json = False,
) -> None:
    """Move money into the account or out of it: an event that you bring about, and no plan can."""
    from .gate.workspace import Workspace

    workspace = Workspace.find(directory)
    _happened(workspace, workspace.happen([f"{way.value} {amount} {currency}"]), as_json)


@app.command()
def run(
    strategy: Annotated[Path, typer.Argument(metavar="STRATEGY", help="A strategy file (JSON).")],
    bars: BarFiles,
    market: MarketFile = None,
    rounding: Rounding = Rounded.refuse,
    gaps: Gaps = Gapped.refuse,
    policy: PolicyFile = None,
    budget: Limit = [],  # noqa: B006
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where the record goes; by default a new folder."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a strategy over bars on paper: each order verified before it is placed, each step recorded once.

    Stopped at any moment, the same command goes on where it stopped.
    """
    from .gate.policy import explain
    from .planners.strategy import load_strategy
    from .trading.desk import Desk, describe
    from .worlds.market import MarketWorld

    found = load_strategy(text_of(strategy), strategy.name)
    rules = policy_of(policy, MarketWorld(), [])
    settings = _market(market)
    table = _bars(bars, found.universe.symbols, settings, rounding, gaps)
    with ExitStack() as stack:
        with progress("opening the session"):
            inputs = describe(found, rules, budget_of(budget), settings, table)
            folder = out or Path(f"session-{inputs.digest[:12]}")
            desk = stack.enter_context(Desk.at(folder, inputs, table))
        with stepping("bars", len(table)) as step:
            desk.run(step)
        with stepping("report", len(table)) as step:
            summary = desk.report(step)
    if as_json:
        print_json({"session": inputs.digest, "folder": str(folder), **summary})
    else:
        ground = "" if policy else "no policy given: only the market's own rules hold"
        print_lines(_told(summary, folder, explain(rules) if policy else ground))


@app.command()
def risk(
    file: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan, in which `tick N` lets N bars pass.")],
    bars: BarFiles,
    market: MarketFile = None,
    policy: PolicyFile = None,
    futures: Annotated[int | None, typer.Option(metavar="N", help="How many futures.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="The same seed gives the same answer.")] = None,
    worst: Annotated[
        Path | None, typer.Option("--worst", metavar="FILE", help="Write the worst future, as a plan with its bars.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--replay", help="Play the one future that PLAN writes out, as `--worst` wrote it.")
    ] = False,
    directory: Annotated[
        Path | None, typer.Option("--directory", "-C", metavar="DIR", help="Start from this workspace's account.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Play a plan over many sampled futures: how likely it leads beyond the policy's limits. Nothing is changed.

    The policy's `risk` says what is asked. It starts from a workspace's account (-C), or from a new one (--market)
    after all the bars.
    """
    from .gate.risk import Risk
    from .gate.workspace import Workspace
    from .render import verdict
    from .trading.risk.run import opened, replayed, run_risk
    from .worlds.market import MarketWorld

    rules = policy_of(policy, MarketWorld(), [])
    given: dict[str, Any] = {name: value for name, value in (("futures", futures), ("seed", seed)) if value is not None}
    if given and rules.risk:
        options = " and ".join(f"--{name}" for name in given)
        raise BadOption(f"{options} beside a policy with `risk`", "one of them", "Change what the policy asks.")
    state = Workspace.find(directory).state() if directory else None
    table = _bars(bars, None, _market(market), Rounded.refuse, Gapped.refuse)
    if again:
        if given or worst:
            raise BadOption("--replay with options of a sampled answer", "--replay alone")
        ended = replayed(text_of(file), rules, state or opened(_market(market), table), file.name)
        if as_json:
            print_json(ended)
        else:
            print_lines([("", str(ended))])
        if ended.breached:
            raise typer.Exit(2)
        return
    with progress("playing futures"):
        answer = run_risk(
            text_of(file), table, rules, Risk(**given) if given else None,
            state=state, market=_market(market), worst=worst, name=file.name,
        )  # fmt: skip
    if as_json:
        print_json(answer)
    else:
        first, *more = answer.lines()
        print_lines([(verdict(answer.decision)[0], first), *(("", line) for line in more)])
        if policy is None:
            print_lines([("dim", "no policy given: only what the market refuses counts as a breach")])
    if answer.decision.verdict != "approve":
        raise typer.Exit(2)


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="tape.json or executions.json of a session.")],
    bars: Annotated[
        list[Path], typer.Option("--bars", metavar="FILE", help="The bars; by default bars.csv beside the file.")
    ] = [],  # noqa: B006
    rounding: Rounding = Rounded.refuse,
    gaps: Gaps = Gapped.leave,
    as_json: Json = False,
) -> None:
    """Compute a session's tape or executions again from its inputs, and compare: 0 the same, 2 different."""
    from .trading.replay import inputs_of
    from .trading.replay import replay as again

    _, inputs = inputs_of(file)
    table = _bars(bars or [file.parent / "bars.csv"], inputs.bars.symbols, inputs.market, rounding, gaps)
    with stepping("bars", len(table)) as step:
        found = again(file, table, step)
    if as_json:
        print_json(found)
    elif found.same:
        print_lines([("bold green", f"the same: {found.rows} rows of {found.kind}, session {found.session[:12]}")])
    else:
        print_lines([("bold red", f"different at line {found.line} of {file.name}"), *_difference(found)])
    if not found.same:
        raise typer.Exit(2)


def _happened(workspace: Any, proposal: Any, as_json: bool) -> None:
    """Commit what happened, and tell it."""
    if proposal.approved:
        workspace.commit(proposal.id)
    propose(proposal, as_json, ["committed" if proposal.approved else "nothing was done"])


def _difference(found: Any) -> Iterator[tuple[str, str]]:
    """The two lines from a little before the place where they part."""
    place = next(
        (at for at, (one, other) in enumerate(zip(found.found, found.expected, strict=False)) if one != other),
        min(len(found.found), len(found.expected)),
    )
    start = max(place - 30, 0)
    for style, name, text in (("red", "found   ", found.found), ("green", "computed", found.expected)):
        yield style, f"  {name} {'...' if start else ''}{text[start : start + 60]}"


def _told(summary: dict[str, Any], folder: Path, rules: str) -> Iterator[tuple[str, str]]:
    plans = f"{summary['approved']} plans approved, {summary['rejected']} rejected"
    yield "bold green", f"done: {summary['bars']} bars, {plans}"
    for name in ("equity", "return", "max_drawdown", "fees"):
        yield "", f"  {name.replace('_', ' '):14} {summary[name]}"
    for reason in summary["refusals"]:
        yield "red", f"  refused: {reason}"
    yield "", f"  report         {folder / 'report.html'}"
    for line in rules.splitlines():
        yield "dim", line
    yield "dim", f"to compute it again: worldgate replay {folder / 'tape.json'}"


def _bars(files: list[Path], symbols: tuple[str, ...] | None, market: Any, rounding: Rounded, gaps: Gapped) -> Any:
    """The bars of these files, on the ticks of a market file."""
    from .worlds.market.bars import read_bars

    with progress("looking for symbols"):
        named = symbols or read_bars(files, gaps="leave", rounding="nearest").symbols
    return _read(files, symbols, market.ticks(named), rounding, gaps)


def _read(files: list[Path], symbols: Any, ticks: dict[str, int], rounding: Rounded, gaps: Gapped) -> Any:
    from .worlds.market.bars import read_bars

    with progress("reading bars"):
        return read_bars(files, symbols=symbols, tick=ticks, rounding=rounding.value, gaps=gaps.value)


def _market(file: Path | None) -> Any:
    from .trading.inputs import Market, load_market

    return Market() if file is None else load_market(text_of(file), file.name)
