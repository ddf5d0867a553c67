"""Training: steps, never seconds, decide when it ends.

On a CPU with the same number of threads and the same versions the same document gives the same checkpoint, byte for
byte, whatever the number of workers and wherever it was stopped and resumed. The state of the loop is saved beside the
checkpoint every `save_every` steps, whole or not at all, and removed when the checkpoint is there. Randomness of step t
is seeded by (seed, t). On other devices sums may be taken in another order; nothing is promised there but that it goes
on from what was saved.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from .. import __version__
from ..facts import canonical_json, json_decode
from ..system import writable
from .calibration import calibrate, fresh
from .checkpoint import FORMAT, Card, card_of, describe, read, save
from .document import Training, proven
from .errors import BadCheckpoint, BadTraining, Diverged, library
from .family import Encoder, config_of, family_of, offered, tensors
from .forcing import SelfForcing, forced
from .pools import sample
from .reward import Reward, rewarded
from .source import versions, world
from .stream import Stream


def train(
    training: Training,
    path: Path,
    *,
    workers: int = 0,
    resume: bool = False,
    save_every: int = 100,
    device: str = "cpu",
    threads: int = 1,
    uses: Sequence[str] = (),
    step: Callable[[int, float], None] = lambda _, __: None,
) -> Path:
    """Train, and write the checkpoint to `path`; `step` is told how many steps are done and the loss of the last.
    Processes that make batches import the modules `uses` first, which add worlds and families.

    With `resume` it goes on from the state saved beside `path`, if there is one, and is done where the checkpoint is
    there; without, neither may be there. Raises `BadTraining`, `BadCheckpoint` (a file of another training),
    `WorkerEnded`, `Diverged` and `MissingLearn`.
    """
    torch = library("torch")
    library("safetensors.torch")
    proven(training)
    writable(path)
    state = state_of(path)
    if not resume and (path.exists() or state.exists()):
        there = path if path.exists() else state
        raise BadCheckpoint(
            f"{there}, which is there already", "a new file", "Resume by --resume, or give another --to"
        )
    with torched(torch, threads, device):
        run = _Run(torch, training, device)
        if path.exists():
            run.same(path, describe(path))
            state.unlink(missing_ok=True)  # where it was killed before it could
            return path
        if state.exists():
            run.restore(state)
        stream = Stream(training.source, run.encoder, training.seed, uses)
        ahead = (number for number in range(run.done, training.loop.steps) if not run.own(number))
        with closing(stream.batches(ahead, workers)) as batches:
            while run.done < training.loop.steps:
                loss = run.step(batches)
                step(run.done, loss)
                if run.done % save_every == 0 and run.done < training.loop.steps:
                    save(state, run.card, run.state())
        if training.calibrate:  # which may take a while, or fail
            save(state, run.card, run.state())
        save(path, run.calibrated(), run.weights())
        state.unlink(missing_ok=True)
    return path


def state_of(path: Path) -> Path:
    """Where the state of a training lies whose checkpoint will be at `path`."""
    return path.with_name(f"{path.name}.state")


def saved(path: Path) -> int:
    """From how many steps the training to `path` can go on; 0 where none are saved."""
    return card_of(state_of(path)).steps if state_of(path).exists() else 0


class _Run:
    """A training after `done` steps."""

    def __init__(self, torch: Any, training: Training, device: str) -> None:
        self.torch, self.training, self.device, self.done = torch, training, device, 0
        self.schema = world(training.source).schema
        family = family_of(training.family)
        config = config_of(family, training.config)
        self.encoder: Encoder = family.encoder(config, self.schema, sample(training.source, training.seed))
        if training.source.unroll > 1:
            offered(self.encoder, "windows", "unroll", training.family)
        if training.source.look:
            offered(self.encoder, "residual", "look", training.family)
        self._seed("weights")
        self.net = family.net(config, self.encoder).to(device)
        named = list(self.net.named_parameters())
        groups = [[pair for pair in named if (pair[1].ndim >= 2) == decays] for decays in (True, False)]
        self.named = [pair for group in groups for pair in group]
        decays = zip(groups, (training.loop.weight_decay, 0.0), strict=True)
        some = [{"params": [one for _, one in group], "weight_decay": decay} for group, decay in decays if group]
        self.optimizer = torch.optim.AdamW(some)
        self.average = {name: weight.detach().clone() for name, weight in named} if training.loop.ema else {}
        self.baseline = math.nan
        if training.loop.reward:
            offered(self.net, "drawn", "reward", training.family)

    def own(self, number: int) -> SelfForcing | Reward | None:
        """What has that step learn from the model's own episodes instead of a batch of the stream."""
        loop, seed = self.training.loop, self.training.seed
        for name, how in (("forces", loop.self_forcing), ("rewards", loop.reward)):
            if how and Random(f"{name}/{seed}/{number}").random() < how.at(number / loop.steps):
                return how
        return None

    def step(self, batches: Iterator[Any]) -> float:
        """One step of the optimiser; the loss."""
        self._seed(self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = self.training.loop.rate_at(self.done)
        value = one_step(self.torch, self.net, self.optimizer, self._loss(batches), clip=self.training.loop.clip)
        if not math.isfinite(value):
            raise Diverged(f"loss {value} at step {self.done}", "a finite number", "Lower the rate, or clip gradients")
        self.done += 1
        # the first weights, drawn at random, are soon forgotten
        keep = min(self.training.loop.ema, self.done / (self.done + 9))
        for name, weight in self.named if self.average else ():
            self.average[name].lerp_(weight.detach(), 1.0 - keep)
        return value

    def _loss(self, batches: Iterator[Any]) -> Any:
        how, source, seed = self.own(self.done), self.training.source, self.training.seed
        if isinstance(how, Reward):
            loss, self.baseline = rewarded(how, self.net.train(), source, seed, self.done, self.baseline)
            return loss
        if how:
            self.net.eval()
            with self.torch.no_grad():
                arrays = forced(how, self.net, source, self.encoder, seed, self.done)
        else:
            arrays = next(batches)
        return self.net.train().loss(tensors(arrays, self.device))

    @property
    def card(self) -> Card:
        """What a file written now says of itself."""
        training = self.training
        worlds = {f"world {name}": version for name, version in versions(training.source).items()}
        made = {"worldgate": __version__, "torch": str(self.torch.__version__), "numpy": library("numpy").__version__}
        made |= {"device": self.device, "threads": str(self.torch.get_num_threads()), **worlds}
        made["processor"] = self.torch.backends.cpu.get_cpu_capability()
        return Card(
            FORMAT, training.family, training.config, msgspec.to_builtins(self.encoder.document()), self.schema.name,
            self.schema.digest, msgspec.to_builtins(training), self.done, made,
        )  # fmt: skip

    def calibrated(self) -> Card:
        """The card of the checkpoint."""
        if not self.training.calibrate:
            return self.card
        net = deepcopy(self.net).eval()
        net.load_state_dict(self.weights())
        with self.torch.no_grad():
            found = calibrate(net, fresh(self.training.source, self.training.seed, self.training.calibrate))
        return msgspec.structs.replace(self.card, calibration=found or msgspec.UNSET)

    def weights(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {name: _kept(self.average.get(name, value)) for name, value in self.net.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        found = {f"net.{name}": _kept(value) for name, value in self.net.state_dict().items()}
        found |= {f"ema.{name}": _kept(value) for name, value in self.average.items()}
        for at, moments in self.optimizer.state_dict()["state"].items():
            found |= {f"{part}.{self.named[at][0]}": _kept(value) for part, value in moments.items()}
        if self.training.loop.reward:
            found["reward.baseline"] = self.torch.tensor(self.baseline, dtype=self.torch.float64)
        return found

    def restore(self, path: Path) -> None:
        """Go on from a saved state; `BadCheckpoint` for that of another training."""
        card, tensors = read(path)
        self.same(path, card)
        self.done = card.steps
        parts: dict[str, dict[str, Any]] = {}
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = value.clone()  # at a place in memory as torch chooses it
        self.average = {name: value.to(self.device) for name, value in parts.pop("ema", {}).items()}
        self.baseline = float(parts.pop("reward", {}).get("baseline", math.nan))
        weights, groups = parts.pop("net", {}), self.optimizer.state_dict()["param_groups"]
        moments = [{part: found[name] for part, found in parts.items() if name in found} for name, _ in self.named]
        known = {at: one for at, one in enumerate(moments) if one}
        try:
            self.net.load_state_dict(weights)
            self.optimizer.load_state_dict({"state": known, "param_groups": groups})
        except (RuntimeError, ValueError) as error:
            raise BadCheckpoint(f"{path}: {error!s:.160}", "the saved state of a training", "Begin anew") from error

    def same(self, path: Path, card: Card) -> None:
        """Refuse a file of another training."""
        mine = msgspec.structs.replace(self.card, steps=card.steps, calibration=card.calibration)
        if canonical_json(card) != canonical_json(mine):
            there, here = (json_decode(canonical_json(one)) for one in (card, mine))
            # what else differs where the document does follows from it
            differs = [*_differing(there["training"], here["training"], "training")] or [*_differing(there, here)]
            do = "Resume by --resume with what it was begun with, or give another --to"
            raise BadCheckpoint(f"{path}, which differs in {'; '.join(differs)}", "one of this training", do)

    def _seed(self, what: object) -> None:
        data = hashlib.sha256(f"{self.training.seed}/{what}".encode()).digest()
        self.torch.manual_seed(int.from_bytes(data[:8], "big") >> 1)


def _differing(there: Any, here: Any, place: str = "") -> Iterator[str]:
    """Each field that is not the same in two cards, with both values."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in sorted({*there, *here}):
            yield from _differing(there.get(name), here.get(name), f"{place}.{name}".lstrip("."))
    elif there != here:
        yield f"{place} ({there!s:.40} there, {here!s:.40} here)"


def _kept(value: Any) -> Any:
    """A copy on the CPU that shares nothing."""
    return value.detach().to("cpu", copy=True).contiguous()


def one_step(torch: Any, net: Any, optimizer: Any, loss: Any, *, clip: float) -> float:
    """One step of the optimiser down a loss; its value. Where that is no finite number, nothing is changed."""
    value = float(loss.detach())
    if math.isfinite(value):
        optimizer.zero_grad()
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
    return value


@contextmanager
def torched(torch: Any, threads: int, device: str) -> Iterator[None]:
    """So many threads, and torch's random numbers afterwards as they were; `BadTraining` without such a device."""
    if device != "cpu":
        try:
            if torch.device(device).type != "cuda":
                raise RuntimeError("of another kind")
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            said = str(error).partition("\n")[0][:80]
            raise BadTraining(f"device {device!r}: {said}", "cpu, or cuda or cuda:N where torch has it") from error
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    if device == "cpu" and threads > 1:  # else threads add up gradients in the order that they come
        torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[] if device == "cpu" else [device]):
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
