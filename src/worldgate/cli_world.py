"""The worlds' commands: list them, check one against its contract."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import BadOption, Json, Uses
from .system import use
from .terminal import print_json, progress

world_app = typer.Typer(help="The worlds: list them, check one against its contract.", no_args_is_help=True)


@world_app.command("list")
def world_list(as_json: Json = False) -> None:
    """List the registered worlds."""
    from .worlds import get, names

    rows = [(name, get(name)) for name in names()]
    if as_json:
        print_json([{"name": n, "version": w.version, "relations": list(w.schema.relations)} for n, w in rows])
    else:
        for name, world in rows:
            typer.echo(f"{name:13}{world.version:3}{', '.join(world.drivers)}")


@world_app.command("check")
def world_check(
    name: Annotated[str, typer.Argument(help="A world's name, or a world file (YAML).")],
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Random walks per driver.")] = 3,
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="Steps of each walk.")] = 100,
    uses: Uses = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Check a world against the contract: determinism, purity, the laws of facts, its own properties."""
    from .worlds import check_world, get

    use(uses, BadOption)
    if name.endswith((".yaml", ".yml")):
        from .worlds.declared import world_from_file

        with progress("walking the world"):
            report = check_world(world_from_file(name), seeds=range(seeds), steps=steps, processes=False)
    else:
        with progress("walking the world"):
            report = check_world(get(name), seeds=range(seeds), steps=steps, uses=uses)
    if as_json:
        print_json(report)
    else:
        rate = 100 * report.succeeded // max(report.steps, 1)
        typer.echo(
            f"{report.world}: {report.steps} steps, {report.states} states, {rate} % succeeded; it keeps the contract"
        )
