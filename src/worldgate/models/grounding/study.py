"""One grounding study: train an encoder and a latent predictor in a world, and measure both on states held out.

The encoder of the graph family sums a state and an action up as one vector; a small network predicts from it what the
next state is summed up as. `target` says what that is: "oracle", a fixed random projection of what is true in the next
state, or "learned", the encoder's own vector of it. `machinery` is what keeps a learned target from collapsing: it is
computed by a moving average of the encoder, and VICReg's terms spread the vectors. With `negatives` the predictor must
tell the encoder's vector of the next state from those of so many states that are wrong, instead of being near it.

Health is measured on all held-out states and actions, retrieval on branches of them: is the predicted vector nearer to
the true successor's than to those that the state's other actions lead to? Ties count half. The encoder costs O(facts),
a negative what it edits and one more graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from ...facts import State
from ...worlds import world_of
from ..errors import library
from ..graph import Encoder, GraphConfig
from ..graph.config import Identity, NotGraphable
from ..graph.features import Graph, graph_of
from .examples import Branch, Example, branches, examples, walked

if TYPE_CHECKING:
    from torch import Tensor

NO_ACTION = ""
"""Beside it a state is summed up alone."""


class Study(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config. `seeds` of `steps` steps are learned from, `held` ones of `held_steps` are measured on; of those each
    state is asked `actions` actions."""

    world: str
    driver: str
    seeds: tuple[int, ...]
    held: tuple[int, ...]
    options: dict[str, int | str] = {}
    steps: int = 40
    held_steps: int = 24
    actions: int = 8
    target: Literal["oracle", "learned"] = "learned"
    machinery: bool = False
    negatives: int = 0
    identity: Identity = "none"
    closed: tuple[str, ...] = ()
    width: int = 48
    rounds: int = 3
    iterations: int = 400
    batch: int = 32
    rate: float = 3e-3
    average: float = 0.99
    temperature: float = 0.1
    seed: int = 0


class Measured(NamedTuple):
    """Health of the vectors (`rank`, `deviation`), retrieval (`first`: top-1, `mrr`), what chance retrieves, of how
    many branch actions, and the last loss."""

    rank: float
    deviation: float
    first: float
    mrr: float
    chance: float
    asked: int
    loss: float


class Data(NamedTuple):
    """What a study is about, made once for all its arms."""

    encoder: Encoder
    learned: list[Example]
    held: list[Branch]
    asked: list[tuple[State, Any]]


def data_of(study: Study) -> Data:
    """The examples and branches of a study; no torch. `NotGraphable` for a study that makes no sense."""
    if study.negatives and study.target == "oracle":
        raise NotGraphable("negatives with the oracle's target", "a learned target, which they are to shape")
    world = world_of(study.world, study.options)
    steps = walked(world, study.driver, study.seeds, study.steps)
    held = walked(world, study.driver, study.held, study.held_steps)
    config = GraphConfig(identity=study.identity, closed=study.closed, width=study.width, rounds=study.rounds)
    return Data(
        Encoder.of(config, world.schema, steps),
        examples(world, study.driver, steps, study.negatives, study.seed),
        branches(world, study.driver, held, study.actions, study.seed),
        [(step.before, step.action) for step in held],
    )


def run(study: Study, *, threads: int = 1) -> Measured:
    """Train and measure; the same numbers for the same study, on one machine and number of threads."""
    torch = library("torch")
    from ..training import torched
    from .latent import Latent

    data = data_of(study)
    with torched(torch, threads, "cpu"):
        torch.manual_seed(study.seed)
        latent = Latent(study, data.encoder)
        rows = [_graphs(data.encoder, example) for example in data.learned]
        optimizer = torch.optim.AdamW(latent.parameters(), lr=study.rate)
        random = Random(f"study/{study.seed}")
        loss: Any = 0.0
        for _ in range(study.iterations):
            loss = latent.loss(random.choices(rows, k=study.batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            latent.follow()
        with torch.no_grad():
            return _measured(latent.eval(), data, float(loss))


class Row(NamedTuple):
    """The graphs of an example."""

    before: Graph
    after: Graph
    wrong: list[Graph]


def _graphs(encoder: Encoder, example: Example) -> Row:
    layout = encoder.layout
    before, after = graph_of(layout, example.state, example.action), graph_of(layout, example.after, NO_ACTION)
    return Row(before, after, [graph_of(layout, state, NO_ACTION) for state in example.wrong])


def _measured(latent: Any, data: Data, loss: float) -> Measured:
    from .objectives import deviation, effective_rank

    layout = data.encoder.layout
    vectors = latent.sums([graph_of(layout, *pair) for pair in data.asked])
    ranks: list[float] = []
    chances: list[float] = []
    for state, actions, after in data.held:
        guesses = latent.guesses([graph_of(layout, state, action) for action in actions])
        truths = latent.truths([graph_of(layout, one, NO_ACTION) for one in after])
        ranks += _ranks(latent.nearness(guesses, truths))
        chances += [1 / len(actions)] * len(actions)
    count = max(1, len(ranks))
    first = sum(max(0.0, 2.0 - rank) for rank in ranks) / count
    mrr = sum(1 / rank for rank in ranks) / count
    return Measured(effective_rank(vectors), deviation(vectors), first, mrr, sum(chances) / count, len(ranks), loss)


def _ranks(nearness: Tensor) -> Sequence[float]:
    """The rank of each row's own column, ties counting half."""
    own = nearness.diagonal()[:, None]
    above, same = (nearness > own).sum(dim=1), (nearness == own).sum(dim=1) - 1
    return [float(rank) for rank in 1 + above + same / 2]
