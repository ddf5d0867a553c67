"""What a family of models is, and the table of families.

A family is two things. Its *encoder* turns labelled transitions into questions and questions into arrays: pure,
picklable, numpy alone, since it works in processes that never import torch. Its *net* takes these arrays and says a
loss, and takes states and actions and says predictions. Neither knows of loops, files, worlds or drivers.

Both must be deterministic: no wall clock, no unseeded randomness, no order of sets. A net may use torch's own random
numbers in `loss`; the loop seeds them at each step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol

import msgspec

from ..facts import Error, Schema, State
from ..horizon.predictor import Prediction
from ..horizon.trajectory import Step
from ..worlds.documents import converted
from .errors import BadTraining, library

if TYPE_CHECKING:
    import numpy as np
    import torch

Arrays = Mapping[str, "np.ndarray[Any, Any]"]
Size = Annotated[int, msgspec.Meta(ge=1)]
"""A field of a config that is 1 or more."""
Count = Annotated[int, msgspec.Meta(ge=0)]
"""One that is 0 or more."""


def tensors(arrays: Arrays, device: Any = "cpu") -> dict[str, torch.Tensor]:
    """The arrays as tensors on a device. Each is copied to where torch puts a new one: sums of floats depend in their
    last bits on how memory is aligned, and an array that came from another process lies anywhere.
    """
    torch, row_major = library("torch"), library("numpy").ascontiguousarray
    return {name: torch.tensor(row_major(array), device=device) for name, array in arrays.items()}


class Question(Protocol):
    """One thing to learn from a transition."""

    @property
    def outcome(self) -> str:
        """The class by which training is balanced."""


class Encoder(Protocol):
    """Turns transitions into arrays.

    It may also have `windows(steps: Sequence[Step]) -> Sequence[Question]`, the questions of several steps in a row, to
    be learned as one, which the source's `unroll` needs; and for its `look` `residual(question, split)`: what `split`
    leaves open of a question when it is given edits, or None for nothing.
    """

    def questions(self, step: Step) -> Sequence[Question]:
        """The questions of one transition. `step.before` may be a state that no step leads to."""

    def batch(self, questions: Sequence[Any]) -> Arrays:
        """The questions as arrays, each with all of them; whatever `torch.from_numpy` takes."""

    def document(self) -> msgspec.Struct:
        """All that is needed to make it again (see `Family.document`)."""


class Net(Protocol):
    """A `torch.nn.Module` whose weights are all that it learns.

    It may also have `drawn(pairs) -> (deltas, logs)`, which the loop's `reward` needs: of each pair a delta drawn from
    what the net holds probable, in `train` mode, by torch's random numbers, and the logarithms of the probabilities of
    what was drawn (pairs), with gradients. A call counts as one of `loss`.
    """

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The mean loss of a batch, a scalar."""

    def predict(self, pairs: Sequence[tuple[State, Any]]) -> list[Prediction]:
        """A prediction for each state and action, computed together. Without gradients, in `eval` mode. Arrays are to
        become tensors by `tensors`, on the device of the weights; edits must fit the schema."""


class Family(NamedTuple):
    """One row of the table. `config` and `document` are the types of its two documents, both msgspec Structs; `config`
    has a default for each field and says its bounds, in types such as `Size` or in `__post_init__`, which may raise
    `BadTraining` as the functions may, for what makes no sense.
    """

    config: type[Any]
    document: type[Any]
    encoder: Callable[[Any, Schema, Sequence[Step]], Encoder]
    """Of a config, a schema and a sample of transitions."""
    restored: Callable[[Any, Schema], Encoder]
    """Of its document."""
    net: Callable[[Any, Any], Any]
    """Of a config and an encoder: a new `Net`, its weights drawn from torch's random numbers. Imports torch."""


FAMILIES: dict[str, str] = {
    "flat": "worldgate.models.flat:FAMILY",
    "graph": "worldgate.models.graph:FAMILY",
    "language": "worldgate.models.language:FAMILY",
    "neurosymbolic": "worldgate.models.neurosymbolic:FAMILY",
    "relational": "worldgate.models.relational:FAMILY",
}
"""Where the row of each family is; imported on first use, and without torch."""


def register(name: str, place: str) -> None:
    """Make the row at `place` (`module:attribute`) known as a family. Replacing a name is an error."""
    if FAMILIES.setdefault(name, place) != place:
        raise BadTraining(f"a second family named {name!r}", "a name not yet taken")


def family_of(name: str) -> Family:
    """The family of that name, or `BadTraining`; `MissingLearn` where the extra is not installed."""
    if name not in FAMILIES:
        do = "Import the module that registers a family of yours: --use MODULE, or `uses` in an experiment"
        raise BadTraining(f"{name!r} at `$.family`", f"one of {', '.join(sorted(FAMILIES))}", do)
    library("numpy")
    module, _, attribute = FAMILIES[name].partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (AttributeError, ModuleNotFoundError) as error:
        raise BadTraining(f"family {name}, registered at {FAMILIES[name]}: {error}", "`module:attribute`") from error
    if not isinstance(found, Family):
        raise BadTraining(f"{FAMILIES[name]}, a {type(found).__name__}", "a Family")
    return found


def offered(part: object, name: str, option: str, family: str = "") -> Any:
    """What an encoder or net may have beside what all have; `BadTraining` where an option needs it and it lacks."""
    if not hasattr(part, name):
        found = f"family {family}" if family else type(part).__name__
        raise BadTraining(f"{option} with {found}", f"a family that has `{name}`", "Leave it out")
    return getattr(part, name)


def config_of(family: Family, given: Mapping[str, Any]) -> Any:
    """Its config from plain data, or `BadTraining` with the place."""
    try:
        return converted(given, family.config, "$.config")
    except msgspec.ValidationError as error:
        raise BadTraining(str(error), "what the family takes") from error
    except Error as error:
        raise BadTraining(f"{error.found} at `$.config`", error.expected, error.do) from error
