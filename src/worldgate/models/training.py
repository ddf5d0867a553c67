"""Training: a document says all that decides the result; steps, never seconds, decide when it ends.

On a CPU with the same number of threads and the same versions the same document gives the same checkpoint, byte for
byte, whatever the number of workers and wherever it was stopped and resumed. The state of the loop is saved beside the
checkpoint every `save_every` steps, whole or not at all, and removed when the checkpoint is there. Randomness of step t
is seeded by (seed, t). On other devices sums may be taken in another order; nothing is promised there but that it goes
on from what was saved.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec

from .. import __version__
from ..facts import canonical_json
from ..worlds import world_of
from ..worlds.documents import load_document
from .checkpoint import FORMAT, Card, describe, read, save
from .errors import BadCheckpoint, BadTraining, Diverged, library
from .family import Encoder, config_of, family_of
from .forcing import SelfForcing, forced, problems
from .source import Source, checked, places, sample, windows_of, world
from .stream import Stream


class Loop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """AdamW (Loshchilov and Hutter, 2019) for `steps` steps.

    The rate rises to `rate` over the share `warm_up` of the steps, then falls to zero as `decay` says. Weights of two
    and more dimensions decay by `weight_decay`. Gradients are clipped to the norm `clip` (0: not). With `ema`, what is
    kept is the exponential moving average of the weights, of that decay.
    """

    steps: int = 1000
    rate: float = 1e-3
    warm_up: float = 0.05
    decay: Literal["cosine", "linear"] = "cosine"
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.0
    self_forcing: SelfForcing | None = None

    def rate_at(self, step: int) -> float:
        """The rate of a step, from 0 on."""
        warm = self.warm_up * self.steps
        if step < warm:
            return self.rate * (step + 1) / (warm + 1)
        left = 1.0 - (step - warm) / (self.steps - warm)
        return self.rate * (left if self.decay == "linear" else 0.5 - 0.5 * math.cos(math.pi * left))


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training file: a family with its config, what to train on, and how. The seed decides all that is drawn."""

    family: str
    source: Source
    config: dict[str, Any] = {}
    loop: Loop = Loop()
    seed: int = 0


def load_training(text: str, name: str) -> Training:
    """The training of a YAML or JSON text, or `BadTraining` with the place in it."""
    try:
        training = msgspec.convert(load_document(text, name, BadTraining), Training)
    except msgspec.ValidationError as error:
        raise BadTraining(f"{name}: {error}", "a training, as docs/models.md tells it") from error
    return proven(training)


def proven(training: Training) -> Training:
    """The training, or `BadTraining` with what is wrong in it."""
    loop = training.loop
    config_of(family_of(training.family), training.config)
    checked(training.source)
    if loop.steps < 1 or loop.rate <= 0 or not math.isfinite(loop.rate):
        raise BadTraining(f"loop: {loop.steps} steps at rate {loop.rate}", "at least 1, at a rate above 0")
    if not 0 <= loop.warm_up < 1 or not 0 <= loop.ema < 1 or loop.clip < 0 or loop.weight_decay < 0:
        raise BadTraining(f"loop: {loop}", "warm_up and ema in [0, 1), clip and weight_decay of 0 or more")
    for problem in problems(loop.self_forcing) if loop.self_forcing else ():
        raise BadTraining(f"loop: {problem}", "what docs/models.md tells")
    return training


def train(
    training: Training,
    path: Path,
    *,
    workers: int = 0,
    resume: bool = False,
    save_every: int = 1000,
    device: str = "cpu",
    threads: int = 1,
    step: Callable[[int, float], None] = lambda _, __: None,
) -> Path:
    """Train, and write the checkpoint to `path`; `step` is told how many steps are done and the loss of the last.

    With `resume` it goes on from the state saved beside `path`, if there is one, and is done where the checkpoint is
    there; without, neither may be there. Raises `BadTraining`, `BadCheckpoint` (a file of another training),
    `WorkerEnded`, `Diverged` and `MissingLearn`.
    """
    torch, state = library("torch"), path.with_name(f"{path.name}.state")
    library("safetensors.torch")
    proven(training)
    if not resume and (path.exists() or state.exists()):
        there = path if path.exists() else state
        raise BadCheckpoint(f"{there}, which is there already", "a new file", "Resume, or name another file")
    with _torch(torch, threads, device):
        run = _Run(torch, training, device)
        if path.exists():
            run.same(path, describe(path))
            return path
        if state.exists():
            run.restore(state)
        stream = Stream(training.source, run.encoder, training.seed)
        ahead = (number for number in range(run.done, training.loop.steps) if not run.forces(number))
        with closing(stream.batches(ahead, workers)) as batches:
            while run.done < training.loop.steps:
                arrays = run.own() if run.forces(run.done) else next(batches)
                step(run.done, run.step(arrays))
                if run.done % save_every == 0 and run.done < training.loop.steps:
                    save(state, run.card, run.state())
        save(path, run.card, run.weights())
        state.unlink(missing_ok=True)
    return path


class _Run:
    """A training after `done` steps."""

    def __init__(self, torch: Any, training: Training, device: str) -> None:
        self.torch, self.training, self.device, self.done = torch, training, device, 0
        self.schema = world(training.source).schema
        family = family_of(training.family)
        config = config_of(family, training.config)
        self.encoder: Encoder = family.encoder(config, self.schema, sample(training.source, training.seed))
        if training.source.unroll > 1:
            windows_of(self.encoder)
        self._seed("weights")
        self.net = family.net(config, self.encoder).to(device)
        named = list(self.net.named_parameters())
        groups = [[pair for pair in named if (pair[1].ndim >= 2) == decays] for decays in (True, False)]
        self.named = [pair for group in groups for pair in group]
        decays = (training.loop.weight_decay, 0.0)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [weight for _, weight in group], "weight_decay": decay}
                for group, decay in zip(groups, decays, strict=True)
                if group
            ]
        )
        self.average = {name: weight.detach().clone() for name, weight in named} if training.loop.ema else {}

    def forces(self, number: int) -> bool:
        """Whether the batch of that step comes from the model's own rollouts."""
        how, seed = self.training.loop.self_forcing, self.training.seed
        return how is not None and Random(f"forces/{seed}/{number}").random() < how.at(
            number / self.training.loop.steps
        )

    def own(self) -> Any:
        """The batch of this step, from the model's own rollouts."""
        how = self.training.loop.self_forcing
        assert how is not None
        self.net.eval()
        with self.torch.no_grad():
            return forced(how, self.net, self.training.source, self.encoder, self.training.seed, self.done)

    def step(self, arrays: Any) -> float:
        """One step of the optimiser; the loss."""
        torch, loop, numpy = self.torch, self.training.loop, library("numpy")
        self._seed(self.done)
        batch = {
            name: torch.from_numpy(numpy.require(array, requirements="CW")).to(self.device)
            for name, array in arrays.items()
        }
        loss = self.net.train().loss(batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"loss {value} at step {self.done}", "a finite number", "Lower the rate, or clip gradients")
        self.optimizer.zero_grad()
        loss.backward()
        if loop.clip:
            torch.nn.utils.clip_grad_norm_([weight for _, weight in self.named], loop.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = loop.rate_at(self.done)
        self.optimizer.step()
        self.done += 1
        keep = min(loop.ema, self.done / (self.done + 9))  # the first weights, drawn at random, are soon forgotten
        for name, weight in self.named if self.average else ():
            self.average[name].lerp_(weight.detach(), 1.0 - keep)
        return value

    @property
    def card(self) -> Card:
        """What a file written now says of itself."""
        training = self.training
        listed = places(training.source)
        worlds = {f"world {one.world}": world_of(one.world, one.options).version for one in listed}
        made = {"worldgate": __version__, "torch": str(self.torch.__version__), "numpy": library("numpy").__version__}
        return Card(
            FORMAT, training.family, training.config, msgspec.to_builtins(self.encoder.document()), self.schema.name,
            self.schema.digest, msgspec.to_builtins(training), self.done, {**made, "device": self.device, **worlds},
        )  # fmt: skip

    def weights(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {name: _kept(self.average.get(name, value)) for name, value in self.net.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        found = {f"net.{name}": _kept(value) for name, value in self.net.state_dict().items()}
        found |= {f"ema.{name}": _kept(value) for name, value in self.average.items()}
        for at, moments in self.optimizer.state_dict()["state"].items():
            found |= {f"{part}.{self.named[at][0]}": _kept(value) for part, value in moments.items()}
        return found

    def restore(self, path: Path) -> None:
        """Go on from a saved state; `BadCheckpoint` for that of another training."""
        card, tensors = read(path)
        self.same(path, card)
        self.done = card.steps
        parts: dict[str, dict[str, Any]] = {}
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = value
        self.net.load_state_dict(parts.pop("net"))
        self.average = {name: value.to(self.device) for name, value in parts.pop("ema", {}).items()}
        moments = [{part: found[name] for part, found in parts.items() if name in found} for name, _ in self.named]
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict(
            {"state": {at: one for at, one in enumerate(moments) if one}, "param_groups": groups}
        )

    def same(self, path: Path, card: Card) -> None:
        """Refuse a file of another training."""
        mine = msgspec.structs.replace(self.card, steps=card.steps)
        if canonical_json(card) != canonical_json(mine):
            fields = (name for name in Card.__struct_fields__ if _told(card, name) != _told(mine, name))
            raise BadCheckpoint(f"{path}, which differs in {', '.join(fields)}", "one of this training", "Name another")

    def _seed(self, what: object) -> None:
        data = hashlib.sha256(f"{self.training.seed}/{what}".encode()).digest()
        self.torch.manual_seed(int.from_bytes(data[:8], "big") >> 1)


def _told(card: Card, name: str) -> bytes:
    return canonical_json(getattr(card, name))


def _kept(value: Any) -> Any:
    """A copy on the CPU that shares nothing."""
    return value.detach().to("cpu", copy=True).contiguous()


@contextmanager
def _torch(torch: Any, threads: int, device: str) -> Iterator[None]:
    """So many threads; torch's random numbers are afterwards as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[] if device == "cpu" else None):
            yield
    finally:
        torch.set_num_threads(before)
