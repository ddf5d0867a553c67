"""The lab's commands: run an experiment, make its page from the records, write transitions for training."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import BadOption, Interrupted, Json, Uses, text_of
from .system import use
from .terminal import fail, print_json, print_lines, stepping

lab_app = typer.Typer(help="The lab: experiments as data files, from runs to figures.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A file of an experiment or of studies (YAML).")]
Records = Annotated[
    Path | None,
    typer.Option("--records", metavar="DIR", help="Where the records are kept; by default records/ and its name."),
]


@lab_app.command()
def run(
    file: File,
    records: Records = None,
    workers: Annotated[int, typer.Option("--workers", "-j", metavar="N", min=1, help="How many processes.")] = 1,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="Run on Ray: local, auto, or the address of a cluster."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the runs of an experiment that are not recorded yet. Stopped at any moment, the same command goes on."""
    from .lab import load, total
    from .lab import run as make

    experiment = load(text_of(file), file.name)
    folder = _folder(records, experiment)
    runs = total(experiment)
    try:
        with stepping("runs", runs) as step:
            ran = make(experiment, folder, workers=workers, ray=ray, step=step)
    except KeyboardInterrupt:
        fail(Interrupted("an interrupt", f"{runs} runs", f"What was finished is in {folder}; the same command goes on"))
        raise typer.Exit(130) from None
    if as_json:
        print_json({"records": str(folder), **ran._asdict()})
        return
    print_lines([("bold green", f"{ran.runs} runs in {folder}, {ran.new} of them new")])
    print_lines(("dim", f"left out: {one}") for one in ran.left_out)
    there = ("--records", str(records)) if records else ()
    print_lines([("dim", f"to see them: {shlex.join(('worldgate', 'lab', 'figure', str(file), *there))}")])


@lab_app.command()
def figure(
    file: File,
    records: Records = None,
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE", help="The page; by default its name and .md. What you wrote is kept."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the page of an experiment, with its tables and figures, from the records alone."""
    from .lab import load, report

    experiment = load(text_of(file), file.name)
    written = report(experiment, _folder(records, experiment), page or Path(f"{experiment.name}.md"), str(file))
    if as_json:
        print_json({"written": [str(path) for path in written]})
    else:
        print_lines(("", str(path)) for path in written)


@lab_app.command()
def data(
    world: Annotated[str, typer.Argument(metavar="WORLD", help="A world, such as network.")],
    driver: Annotated[str, typer.Option(metavar="NAME", help="The random workload.")],
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="How many transitions.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new Parquet file.")],
    negatives: Annotated[int, typer.Option(metavar="K", min=0, help="Wrong deltas for each transition.")] = 0,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the first walk; each next has the next seed.")] = 0,
    episode: Annotated[int, typer.Option(metavar="N", min=1, help="The steps of a walk.")] = 250,
    option: Annotated[
        list[str], typer.Option("--option", metavar="NAME=VALUE", help="An option of the world: hosts=100.")
    ] = [],  # noqa: B006
    uses: Uses = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Write labelled transitions of a world, with wrong deltas to learn from. Never overwrites a file."""
    from .lab.stream import Stream, write
    from .worlds import world_of

    use(uses, BadOption)
    asked = Stream(driver, steps, negatives, seed, episode)
    with stepping("transitions", steps) as step:
        write(world_of(world, dict(map(_option, option))), asked, out, step)
    if as_json:
        print_json({"file": str(out), "bytes": out.stat().st_size, **asked._asdict()})
    else:
        typer.echo(f"{steps} transitions of {world} in {out}")


def _folder(records: Path | None, experiment: Any) -> Path:
    return records or Path("records") / str(experiment.name)


def _option(text: str) -> tuple[str, int | str]:
    name, given, value = text.partition("=")
    if not given or not name:
        raise BadOption(f"--option {text}", "NAME=VALUE, such as hosts=100")
    return name, int(value) if value.removeprefix("-").isdecimal() else value
