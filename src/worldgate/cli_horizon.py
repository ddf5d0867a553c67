"""The command of the horizon: shipped predictors beside the truth, without a look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import BadOption, Json
from .system import writable
from .terminal import print_json, print_lines, stepping

horizon_app = typer.Typer(help="The horizon: how far predictions stay true.", no_args_is_help=True)


@horizon_app.command()
def demo(
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="How many steps.")] = 1000,
    hosts: Annotated[int, typer.Option(metavar="N", min=2, max=100_000, help="How many hosts the network has.")] = 5,
    driver: Annotated[
        str,
        typer.Option(metavar="NAME", help="The random workload: uniform, weighted, adversarial, everyday or outages."),
    ] = "weighted",
    start: Annotated[
        str, typer.Option(metavar="NAME", help="What is there at first: empty, scattered, ring, tree or islands.")
    ] = "empty",
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same walk.")] = 1000,
    to: Annotated[Path | None, typer.Option("--to", metavar="FOLDER", help="Draw horizon-demo.svg there.")] = None,
    as_json: Json = False,
) -> None:
    """Roll two predictors that come with the package along a walk of a network; neither is ever shown the truth."""
    from .lab.demo import SHIPPED, curve, figure, rolled, table
    from .lab.errors import library
    from .worlds import world_of
    from .worlds.network.starts import LEVEL_0

    if start not in LEVEL_0:
        raise BadOption(f"--start {start}", f"one of {', '.join(LEVEL_0)}")
    if to:
        library("matplotlib")  # before the work, not after
        writable(to / "horizon-demo.svg")
    world = world_of("network", {"hosts": hosts, "start": start})
    with stepping("steps", len(SHIPPED) * steps) as step:
        rows = rolled(world, driver, seed, steps, step)
    asked = {"steps": steps, "hosts": hosts, "driver": driver, "start": start, "seed": seed}
    written = figure(rows, f"{hosts} hosts, {driver}", to) if to else None
    if as_json:
        told = [
            {"predictor": row.predictor, "checkpoint": row.checkpoint, **row.numbers()}
            | {"divergences": row.record.divergences}
            for row in rows
        ]
        print_json({**asked, "predictors": told, "figure": str(written) if written else None})
        return
    print_lines([("bold", f"{steps} steps of a network of {hosts} hosts, no look at the truth"), ("", "")])
    print_lines(("", line) for line in (*table(rows), "", *curve(rows)))
    if written:
        print_lines([("", ""), ("", str(written))])
