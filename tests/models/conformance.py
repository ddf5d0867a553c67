"""What every family keeps, as one named assert."""

from __future__ import annotations

import hashlib
import math
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.lab.tiny import elsewhere
from worldgate.facts import canonical_json
from worldgate.horizon import roll
from worldgate.models import checkpoint
from worldgate.models.document import Loop, Training, proven
from worldgate.models.family import FAMILIES, config_of, family_of, register
from worldgate.models.pools import sample
from worldgate.models.predictor import learned
from worldgate.models.source import Place, Source, world
from worldgate.models.stream import Stream
from worldgate.models.training import train
from worldgate.worlds import world_of

PLACE = Place("network", ("everyday", "outages"), {"hosts": 4, "start": "scattered"})
SOURCE = Source(6, (PLACE,), walks_each=2, episode=6, sample=4, balance=0.5, noise=0.3, counterfactuals=1)


def assert_keeps_the_contract(name: str, config: dict[str, Any], folder: Path) -> None:
    """Its documents and batches depend on no process, hash seed or torch; it is made again from its document; its net
    learns, predicts alone what it predicts among others, and what it predicts fits the schema."""
    training = proven(Training(name, SOURCE, config, Loop(steps=3), seed=1))
    given = msgspec.json.encode(training).decode()
    another = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    said = elsewhere(CODE, name, FAMILIES[name], given, env={"PYTHONHASHSEED": another})
    assert said.returncode == 0, said.stderr[-2000:]
    assert said.stdout.strip() == told(training)

    path = train(training, folder / name)
    assert train(training, folder / f"{name} again", workers=1).read_bytes() == path.read_bytes()
    made = world_of(PLACE.world, PLACE.options)
    found = checkpoint.load(path, made.schema)
    assert batches(training, found.encoder) == batches(training, encoder(training))

    predictor = learned(path, made.schema)
    steps = roll(made, "everyday", 7, 8).steps
    together = predictor.predict_all([(step.before, step.action) for step in steps])
    for step, one in zip(steps, together, strict=True):
        alone = predictor.predict(step.before, step.action)
        step.before.force(one.delta)
        assert alone.delta == one.delta
        if one.uncertainty is not None:
            assert math.isfinite(one.uncertainty)
            assert alone.uncertainty == pytest.approx(one.uncertainty, abs=1e-4)


def encoder(training: Training) -> Any:
    """The encoder of a training, made anew."""
    family, source = family_of(training.family), training.source
    return family.encoder(config_of(family, training.config), world(source).schema, sample(source, training.seed))


def batches(training: Training, encoder: Any) -> list[Any]:
    """The first batches, as plain data."""
    made = Stream(training.source, encoder, training.seed)
    found = made.batches(range(3))
    return [{name: (array.dtype.str, array.shape, array.tobytes()) for name, array in batch.items()} for batch in found]


def told(training: Training) -> str:
    """A digest of the encoder's document and of the first batches."""
    made = encoder(training)
    return hashlib.sha256(canonical_json(made.document()) + repr(batches(training, made)).encode()).hexdigest()


def say(name: str, place: str, given: str) -> None:
    """What another process tells."""
    register(name, place)
    print(told(msgspec.json.decode(given, type=Training)))
    assert "torch" not in sys.modules


CODE = "import sys; from tests.models.conformance import say; say(*sys.argv[1:])"
