"""One grounding study: train an encoder and a latent predictor in a world, and measure both on states held out.

The encoder of the graph family sums a state and an action up as one vector; a small network predicts from it what the
next state is summed up as. `target` says what that is: "oracle", a fixed random projection of what is true in the next
state, or "learned", the encoder's own vector of it. `machinery` is what keeps a learned target from collapsing: it is
computed by a moving average of the encoder, and VICReg's terms spread the vectors. With `negatives` the predictor must
tell the encoder's vector of the next state from those of so many states that are wrong, instead of being near it.

Health is measured on all held-out states and actions, retrieval on branches of them: is the predicted vector nearer to
the true successor's than to those that the state's other actions lead to? Of vectors as near as one another each is
equally likely to be the first. Successors whose target is the same vector under untrained weights are told apart by no
training; `ceiling` is what can be retrieved at most. The encoder costs O(facts), a negative what it edits and one more
graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec

from ...facts import State
from ...worlds import world_of
from ...worlds.documents import converted
from ..errors import library
from ..family import Count, Size
from ..graph import Encoder, GraphConfig
from ..graph.config import Identity, NotGraphable
from ..graph.encoder import Packed, packed
from ..graph.features import graph_of
from .examples import Branch, Example, branches, examples, walked

if TYPE_CHECKING:
    from torch import Tensor

NO_ACTION = ""
"""Beside it a state is summed up alone."""
SAME = 1e-5
"""Less than this share apart is rounding."""


class Study(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A config. `seeds` of `steps` steps are learned from, `held` ones of `held_steps` are measured on; of those each
    state is asked `actions` actions."""

    world: str
    driver: str
    seeds: tuple[int, ...]
    held: tuple[int, ...]
    options: dict[str, int | str] = {}
    steps: Size = 40
    held_steps: Size = 24
    actions: Annotated[int, msgspec.Meta(ge=2)] = 8
    target: Literal["oracle", "learned"] = "learned"
    machinery: bool = False
    negatives: Count = 0
    identity: Identity = "none"
    closed: tuple[str, ...] = ()
    width: Size = 48
    rounds: Size = 3
    iterations: Size = 400
    batch: Size = 32
    rate: Annotated[float, msgspec.Meta(gt=0)] = 3e-3
    average: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.99
    temperature: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    seed: int = 0


class Measured(NamedTuple):
    """Health of the vectors (`rank`, `deviation`), retrieval (`first`: top-1, `mrr`), top-1 by chance and at most, of
    how many branch actions, and the last loss."""

    rank: float
    deviation: float
    first: float
    mrr: float
    chance: float
    ceiling: float
    asked: int
    loss: float


class Data(NamedTuple):
    """What a study is about, made once for all its arms."""

    encoder: Encoder
    learned: list[Example]
    held: list[Branch]
    asked: list[tuple[State, Any]]


def checked(study: Study) -> Study:
    """The same; `NotGraphable` for one that makes no sense, `UnknownWorld` for its world."""
    if study.negatives and study.target == "oracle":
        raise NotGraphable("negatives with the oracle's target", "a learned target, which they are to shape")
    try:
        converted(msgspec.to_builtins(study), Study, "$.study")
    except msgspec.ValidationError as error:
        raise NotGraphable(str(error), "what docs/models.md tells of a study") from error
    known = world_of(study.world, study.options).drivers
    if study.driver not in known:
        raise NotGraphable(f"driver {study.driver!r}", f"one that {study.world} has: {', '.join(sorted(known))}")
    return study


def data_of(study: Study) -> Data:
    """The examples and branches of a study; no torch."""
    world = world_of(study.world, checked(study).options)
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
        rows = [row_of(data.encoder, example) for example in data.learned]
        optimizer = torch.optim.AdamW(latent.parameters(), lr=study.rate)
        random = Random(f"study/{study.seed}")
        with torch.no_grad():
            ceiling = _ceiling(latent.eval(), data)
        latent.train()
        loss: Any = 0.0
        for _ in range(study.iterations):
            loss = latent.loss(random.choices(rows, k=study.batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            latent.follow()
        with torch.no_grad():
            return _measured(latent.eval(), data, ceiling, float(loss))


class Row(NamedTuple):
    """The graphs of an example."""

    before: Packed
    after: Packed
    wrong: list[Packed]


def row_of(encoder: Encoder, example: Example) -> Row:
    before, after = _graph(encoder, example.state, example.action), _graph(encoder, example.after)
    return Row(before, after, [_graph(encoder, state) for state in example.wrong])


def _graph(encoder: Encoder, state: State, action: Any = NO_ACTION) -> Packed:
    return packed(graph_of(encoder.layout, state, action))


def _measured(latent: Any, data: Data, ceiling: float, loss: float) -> Measured:
    from .objectives import deviation, effective_rank

    vectors = latent.sums([_graph(data.encoder, *pair) for pair in data.asked])
    places: list[tuple[int, int]] = []
    chances: list[float] = []
    for state, actions, after in data.held:
        guesses = latent.guesses([_graph(data.encoder, state, action) for action in actions])
        places += _places(latent.nearness(guesses, _targets(latent, data, after)))
        chances += [1 / len(actions)] * len(actions)
    first = _mean([(above == 0) / same for above, same in places])
    mrr = _mean([sum(1 / (above + at) for at in range(1, same + 1)) / same for above, same in places])
    return Measured(effective_rank(vectors), deviation(vectors), first, mrr, _mean(chances), ceiling, len(places), loss)


def _ceiling(latent: Any, data: Data) -> float:
    """Top-1 of one who knows the target's vector."""
    shares: list[float] = []
    for branch in data.held:
        truths = _targets(latent, data, branch.after)
        apart = (truths[:, None] - truths[None]).norm(dim=-1)
        shares += (1 / (apart <= SAME * truths.norm(dim=-1)).sum(dim=1)).tolist()
    return _mean(shares)


def _targets(latent: Any, data: Data, after: Sequence[State]) -> Tensor:
    found: Tensor = latent.truths([_graph(data.encoder, one) for one in after])
    return found


def _places(nearness: Tensor) -> list[tuple[int, int]]:
    """Of each row, how many columns are nearer than its own and how many are as near, itself among them."""
    own = nearness.diagonal()[:, None]
    same = (nearness - own).abs() <= SAME * nearness.abs().amax(dim=1, keepdim=True)
    above = ((nearness > own) & ~same).sum(dim=1)
    return list(zip(above.tolist(), same.sum(dim=1).tolist(), strict=True))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))
