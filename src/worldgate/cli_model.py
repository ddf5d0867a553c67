"""The commands of learned predictors: train one from a file, say what a checkpoint is."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import BadOption, Interrupted, Json, Uses, text_of
from .system import use
from .terminal import fail, print_json, print_lines, stepping

if TYPE_CHECKING:
    from .models.checkpoint import Card

model_app = typer.Typer(help="Learned predictors: training files and checkpoints.", no_args_is_help=True)


@model_app.command()
def train(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A training file (YAML).")],
    to: Annotated[Path, typer.Option("--to", metavar="CKPT", help="The checkpoint to write. Never overwritten.")],
    workers: Annotated[
        int, typer.Option("--workers", "-j", metavar="N", min=0, help="How many processes make batches.")
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it was stopped.")] = False,
    save_every: Annotated[int, typer.Option(metavar="N", min=1, help="Save the state every N steps.")] = 100,
    threads: Annotated[
        int, typer.Option(metavar="N", min=1, help="Threads of the net; they are part of what is promised.")
    ] = 1,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu, or cuda or cuda:N.")] = "cpu",
    uses: Uses = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Train a model. Stopped at any moment, the same command with --resume goes on."""
    from .models.checkpoint import digest
    from .models.document import load_training
    from .models.training import saved
    from .models.training import train as make

    use(uses, BadOption)
    training = load_training(text_of(file), file.name)
    losses: deque[float] = deque(maxlen=100)
    steps = training.loop.steps
    if resume and not to.exists() and not saved(to):
        print_lines([("dim", f"nothing is saved for {to}: it begins anew")], err=True)
    try:
        with stepping("steps", steps) as step:

            def told(done: int, loss: float) -> None:
                losses.append(loss)
                step(done)

            make(
                training, to, workers=workers, resume=resume, save_every=save_every, threads=threads, device=device,
                uses=uses, step=told,
            )  # fmt: skip
    except KeyboardInterrupt:
        do = "The same command with --resume goes on from there" if (done := saved(to)) else "Begin anew"
        fail(Interrupted(f"an interrupt, with {done} steps saved", f"all {steps} steps", do))
        raise typer.Exit(130) from None
    if as_json:
        print_json({"checkpoint": str(to), "digest": digest(to), "steps": steps, "losses": list(losses)})
        return
    print_lines([("bold green", f"{steps} steps of {training.family} in {to}")])
    if losses:
        print_lines([("dim", f"mean loss of the last {len(losses)} steps: {sum(losses) / len(losses):.4g}")])


@model_app.command()
def show(
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT", help="A checkpoint.")],
    uses: Uses = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Say what a checkpoint is: its family, what it was trained on, how far, and what by."""
    from .facts import canonical_json
    from .models.checkpoint import describe, digest, notes

    use(uses, BadOption)
    card = describe(checkpoint)
    if as_json:
        print_json({"digest": digest(checkpoint), "card": card})
        return
    source = card.training.get("source", {})
    rows = {
        "family": f"{card.family} {canonical_json(card.config).decode()}",
        "schema": f"{card.schema} {card.digest[:12]}",
        "trained on": canonical_json(source.get("places") or source.get("walks")).decode(),
        "steps": f"{card.steps}, seed {card.training.get('seed')}",
        "calibrated": _calibrated(card),
        "made by": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
        "digest": digest(checkpoint),
    }
    print_lines(("", f"{name:<10}  {said}") for name, said in (rows | notes(card)).items())


def _calibrated(card: Card) -> str:
    found = card.calibration
    return f"on {found.asked} predictions, {found.wrong} of them wrong" if found else "no"
