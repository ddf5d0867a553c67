"""A small real family: deltas lifted over the words of actions, chosen by a linear model over the facts touched.

With a training and an experiment, for this process and others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from worldgate.facts import Edit, Schema, State, canonical_json, json_decode
from worldgate.horizon.induction.reading import read
from worldgate.horizon.predictor import Prediction
from worldgate.horizon.trajectory import Step
from worldgate.lab import Experiment, load_experiment
from worldgate.models import family as families


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many features are told apart, and how many are dropped in training."""

    features: int = 256
    dropout: float = 0.0


class Document(msgspec.Struct, frozen=True):
    features: int
    deltas: list[str]


class Asked(NamedTuple):
    outcome: str
    features: np.ndarray
    answer: int


class Encoder:
    """Deltas seen in the sample are the answers; a delta never seen is answer 0, which changes nothing."""

    def __init__(self, schema: Schema, document: Document) -> None:
        self.schema, self.made = schema, document
        self.answers = {text: at for at, text in enumerate(document.deltas)}

    def questions(self, step: Step) -> Sequence[Asked]:
        text, call = lifted(step), read(step.action)
        return [
            Asked(f"{call.name}: {len(step.net)}", self.features(step.before, step.action), self.answers.get(text, 0))
        ]

    def windows(self, steps: Sequence[Step]) -> Sequence[Asked]:
        """All steps but the last are context here, which a linear model has no use for."""
        return [asked._replace(outcome=f"after {len(steps)}") for asked in self.questions(steps[-1])]

    def batch(self, questions: Sequence[Asked]) -> dict[str, np.ndarray]:
        return {
            "features": np.stack([one.features for one in questions]),
            "answer": np.array([one.answer for one in questions], dtype=np.int64),
        }

    def document(self) -> Document:
        return self.made

    def features(self, state: State, action: Any) -> np.ndarray:
        call, found = read(action), np.zeros(self.made.features, dtype=np.float32)
        places = {word: f"?{at}" for at, word in reversed(tuple(enumerate(call.words)))}
        for relation, key, value in state.facts():
            if not key or any(part in places for part in key):
                said = [call.name, relation, [places.get(part, "*") for part in key], places.get(value, str(value))]
                found[_hash(canonical_json(said)) % self.made.features] = 1.0
        found[_hash(call.name.encode()) % self.made.features] = 1.0
        return found

    def lowered(self, answer: int, state: State, action: Any) -> tuple[Edit, ...]:
        words, text = read(action).words, self.made.deltas[answer]
        for at, word in enumerate(words):
            text = text.replace(f"?{at}", word)
        edits = []
        for relation, key, after, by in json_decode(text.encode()):
            before = state.get(relation, tuple(key))
            value = (before or 0) + by if by else after
            if value is None or not self.schema.relations[relation].value.problem(value):
                edits.append(Edit(relation, tuple(key), before, value))
        return tuple(edits)


def lifted(step: Step) -> str:
    """Its edits with the places of words for words, and of numbers the difference."""
    rows = []
    for relation, key, before, after in step.delta:
        by = after - before if type(before) is int and type(after) is int else 0
        rows.append([relation, key, None if by else after, by])
    text = canonical_json(rows).decode()
    for at, word in enumerate(read(step.action).words):
        text = text.replace(f'"{word}"', f'"?{at}"')
    return text


def _hash(data: bytes) -> int:
    found = 0
    for byte in data:
        found = (found * 257 + byte) % 1_000_003
    return found


def made(config: Config, schema: Schema, sample: Sequence[Step]) -> Encoder:
    deltas = dict.fromkeys(["[]", *(lifted(step) for step in sample)])
    return Encoder(schema, Document(config.features, list(deltas)))


def restored(document: Document, schema: Schema) -> Encoder:
    return Encoder(schema, document)


def net(config: Config, encoder: Encoder) -> Any:
    import torch

    from worldgate.models.drawing import draw

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = torch.nn.Dropout(config.dropout)
            self.scores = torch.nn.Linear(config.features, len(encoder.made.deltas))

        def loss(self, batch):
            return torch.nn.functional.cross_entropy(self.scores(self.drop(batch["features"])), batch["answer"])

        def asked(self, pairs):
            features = np.stack([encoder.features(state, action) for state, action in pairs])
            return self.scores(families.tensors({"features": features}, self.scores.weight.device)["features"])

        def drawn(self, pairs):
            logs = self.asked(pairs).log_softmax(-1)
            answers = draw(logs)
            said = zip(answers.tolist(), pairs, strict=True)
            return [encoder.lowered(answer, *pair) for answer, pair in said], logs.gather(1, answers[:, None])[:, 0]

        def predict(self, pairs):
            chances = self.asked(pairs).softmax(-1).max(-1)
            return [
                Prediction(encoder.lowered(answer, state, action), 1.0 - chance)
                for answer, chance, (state, action) in zip(
                    chances.indices.tolist(), chances.values.tolist(), pairs, strict=True
                )
            ]

    return Net()


FAMILY = families.Family(Config, Document, made, restored, net)
families.register("bag", "tests.models.bag:FAMILY")

TRAINING = """
family: bag
config: {features: 128, dropout: 0.1}
source:
  places: [{world: network, options: {hosts: 4, start: scattered}, drivers: [everyday]}]
  batch: 16
  share: 3
  sample: 8
  episode: 12
  burn_in: 20
  walks_each: 2
loop: {steps: 30, rate: 0.05}
seed: 3
"""

EXPERIMENT = """
name: models
title: Models
question: Do they run?
expected: They do.
limits: [Anything else.]
worlds: [{world: network, options: {hosts: 4, start: scattered}, drivers: [everyday]}]
steps: 5
seeds: {first: 100, count: 2}
train: {first: 0, count: 2, steps: 10, sets: 2}
predictors:
  - {name: "null"}
  - name: learned
    family: bag
    config: {features: 64}
    train: {source: {batch: 8, balance: 0.5}, loop: {steps: 6, rate: 0.05}}
    seed: 5
policies: [{name: fixed}, {name: uncertainty, calibration: own_unaided_signals}]
rho: [0.5]
measures: [horizon]
drawings: [{name: a, measure: horizon, epsilon: 0, x: policy}]
"""


def experiment(old: str = "", new: str = "") -> Experiment:
    assert old in EXPERIMENT
    return load_experiment(EXPERIMENT.replace(old, new), "models.yaml")
