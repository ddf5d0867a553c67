"""The family `flat`: whatever its weights it says deltas of the schema; trained, it says the ones it was shown."""

from __future__ import annotations

import copy
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from tests.models.test_text import WORLDS, assert_fits, steps
from worldgate.facts import State, references
from worldgate.horizon.trajectory import net
from worldgate.models.checkpoint import load
from worldgate.models.document import load_training
from worldgate.models.errors import BadTraining
from worldgate.models.family import config_of, family_of
from worldgate.models.flat.encoder import Config
from worldgate.models.text.grammar import nameable
from worldgate.models.training import train
from worldgate.worlds import get

FLAT = family_of("flat")
TINY = Config(layers=2, heads=2, width=16, block=192, reply=32)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def drawn(world: str, config: Config = TINY) -> Any:
    """A net with weights drawn so large that it says many things."""
    torch.manual_seed(1)
    made = FLAT.net(config, FLAT.encoder(config, get(world).schema, steps(world)))
    for weight in made.parameters():
        weight.data.mul_(8.0)
    return made.eval()


def pairs(world: str, count: int) -> list[tuple[State, Any]]:
    return [(step.before, step.action) for step in steps(world)[:count]]


@torch.no_grad()
def slowly(made: Any, state: State, action: Any) -> tuple[Any, float, float]:
    """A prediction made anew for each token, from everything before it: the delta, how likely it is, mean entropy."""
    tokens, cursor, likely, entropies = made.encoder.prompt(state, action), made.grammar.cursor(state), 1.0, []
    for _ in range(made.encoder.reply):
        allowed = torch.from_numpy(cursor.allowed)
        chances = made.head(made(torch.tensor([tokens])))[0, -1][allowed].double().softmax(0)
        best = int(chances.argmax())
        likely *= float(chances[best])
        entropies.append(-sum(float(p) * math.log(p) for p in chances if p > 0))
        tokens.append(int(allowed[best]))
        cursor.push(tokens[-1])
        if cursor.allowed is None:
            break
    else:
        likely = 0.0
    said = tuple(edit for edit in cursor.edits if edit.before != edit.after)
    return said, 1 - likely, sum(entropies) / len(entropies)


@pytest.mark.parametrize("scale", [0.02, 0.3, 3.0])
@pytest.mark.parametrize("world", WORLDS)
def test_whatever_the_weights_the_delta_fits_the_schema(world: str, scale: float) -> None:
    small = msgspec.structs.replace(TINY, block=128)
    made = FLAT.net(small, FLAT.encoder(small, get(world).schema, steps(world)[::2])).eval()
    generator = torch.Generator().manual_seed(3)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=scale, generator=generator)
    asked = pairs(world, 64)
    for (state, _), said in zip(asked, made.predict(asked), strict=True):
        assert_fits(state.schema, said.delta)
        state.force(said.delta)
        assert 0.0 <= said.uncertainty <= 1.0


@pytest.mark.parametrize("world", ["network-0", "support-desk"])
def test_a_batch_with_kept_keys_says_what_each_says_alone_without(world: str) -> None:
    asked = pairs(world, 6)
    likely = drawn(world).predict(asked)
    torn = drawn(world, msgspec.structs.replace(TINY, uncertainty="entropy")).predict(asked)
    for (state, action), prediction, other in zip(asked, likely, torn, strict=True):
        delta, wrong, unsure = slowly(drawn(world), state, action)
        assert prediction.delta == delta
        assert prediction.uncertainty == pytest.approx(wrong, abs=1e-4)
        assert other.uncertainty == pytest.approx(unsure, abs=1e-4)


@torch.no_grad()
def test_only_the_delta_is_learned() -> None:
    made = drawn("network-0")
    asked = [question for step in steps("network-0")[:6] for question in made.encoder.questions(step)]
    losses, count = 0.0, 0
    for one in asked:
        begin, reply = made.encoder.prompt(one.before, one.action), made.encoder.vocabulary.delta(one.before, one.net)
        logs = made.head(made(torch.tensor([begin + reply])))[0].log_softmax(-1)
        losses -= sum(float(logs[len(begin) - 1 + at, token]) for at, token in enumerate(reply))
        count += len(reply)
    assert float(made.loss(as_tensors(made.encoder.batch(asked)))) == pytest.approx(losses / count, rel=1e-4)


def as_tensors(arrays: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def test_it_learns_what_it_is_shown() -> None:
    lessons = [step for step in steps("network-0") if step.net][:8]
    config = msgspec.structs.replace(TINY, width=32)
    torch.manual_seed(0)
    encoder = FLAT.encoder(config, get("network-0").schema, lessons)
    made = FLAT.net(config, encoder)
    batch = as_tensors(encoder.batch([question for step in lessons for question in encoder.questions(step)]))
    before = right(made, lessons)
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-2)
    for _ in range(70):
        loss = made.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert before == 0
    assert right(made, lessons) == len(lessons)


def right(made: Any, asked: Sequence[Any]) -> int:
    said = made.predict([(step.before, step.action) for step in asked])
    return sum(net(one.delta) == step.net for one, step in zip(said, asked, strict=True))


def test_only_known_entities_are_named_if_asked() -> None:
    config = msgspec.structs.replace(TINY, named=True)
    for state, action in pairs("network-0", 16):
        (said,) = drawn("network-0", config).predict([(state, action)])
        known = nameable(state, action)
        assert all(name in known[kind] for kind, name in references(state.schema).among(said.delta))


TRAINING = """
family: flat
config: {layers: 1, heads: 2, width: 16, block: 128, reply: 32}
source:
  batch: 8
  walks: [{world: network, options: {hosts: 3, start: empty}, driver: weighted, seeds: [0, 1], steps: 10}]
loop: {steps: 6, rate: 0.003}
"""


def test_a_checkpoint_predicts_as_the_net_that_was_saved(tmp_path: Path) -> None:
    training = load_training(TRAINING, "a training")
    one, other = (train(training, tmp_path / name) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    schema = get("network-0").schema
    kept = load(one, schema)
    again = pickle.loads(pickle.dumps(kept.encoder))
    assert again.document() == kept.encoder.document()
    assert again.prompt(*pairs("network-0", 1)[0]) == kept.encoder.prompt(*pairs("network-0", 1)[0])
    assert copy.deepcopy(kept.net).predict(pairs("network-0", 4)) == kept.net.predict(pairs("network-0", 4))


@pytest.mark.parametrize("change", [{"width": 15}, {"block": 36}, {"layers": 0}, {"reply": 0}])
def test_sizes_that_make_no_model_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(BadTraining):
        config_of(FLAT, msgspec.to_builtins(TINY) | change)


def test_workers_make_batches_without_torch() -> None:
    code = "import sys, worldgate.models.flat, worldgate.models.language; sys.exit('torch' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        ).returncode
        == 0
    )
