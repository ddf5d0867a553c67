"""A trained net as one file: safetensors, with all that is needed to use it in its metadata.

Format 1: the weights of the net by name, and one metadata entry `worldgate`, canonical JSON: family, config, the
encoder's document, name and digest of the schema, what it was trained on and how far, what by, and, where it was
calibrated, how. The same training
gives the same bytes. Loading runs no code of the file. A file is written whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..facts import Error, Schema, canonical_json
from ..system import replace, unreadable
from .calibration import Calibration
from .errors import BadCheckpoint, library
from .family import Encoder, config_of, family_of

FORMAT = 1


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a checkpoint says of itself. `training` is the training's document, `steps` how many of it were done."""

    format: int
    family: str
    config: dict[str, Any]
    encoder: Any
    schema: str
    digest: str
    training: dict[str, Any]
    steps: int
    versions: dict[str, str]
    calibration: Calibration | msgspec.UnsetType = msgspec.UNSET


class Checkpoint(NamedTuple):
    """A net in `eval` mode with its encoder; `digest` is the SHA-256 of the file."""

    card: Card
    encoder: Encoder
    net: Any
    digest: str


def save(path: Path, card: Card, tensors: Mapping[str, Any]) -> None:
    """Write a checkpoint in the place of `path`, durable when this returns."""
    data = library("safetensors.torch").save(dict(tensors), {"worldgate": canonical_json(card).decode()})
    replace(path, lambda temporary: temporary.write_bytes(data))


def read(path: Path) -> tuple[Card, dict[str, Any]]:
    """The card and the tensors of a checkpoint, or of the state of a training; else `BadCheckpoint`."""
    card = card_of(path)
    try:
        tensors: dict[str, Any] = library("safetensors.torch").load_file(path)
    except (OSError, library("safetensors").SafetensorError) as error:
        raise BadCheckpoint(unreadable(path, error), "a whole checkpoint") from error
    return card, tensors


def describe(path: Path) -> Card:
    """The card of a checkpoint alone, without torch; else `BadCheckpoint`, also for a state that a training goes on
    from."""
    card = card_of(path)
    try:
        steps = card.training["loop"]["steps"]
    except (KeyError, TypeError) as error:
        raise BadCheckpoint(f"{path} without the steps of its training", "a checkpoint's metadata") from error
    if card.steps != steps:
        found = f"{path}, the state of an unfinished training, after {card.steps} of {steps} steps"
        raise BadCheckpoint(found, "a checkpoint", "Go on with that training by --resume")
    return card


def card_of(path: Path) -> Card:
    """The card of a checkpoint or a state; `BadCheckpoint` where it is none, is cut off, or of another format."""
    safetensors = library("safetensors")
    try:
        with safetensors.safe_open(path, "numpy") as file:
            said = (file.metadata() or {}).get("worldgate")
    except (OSError, safetensors.SafetensorError) as error:
        raise BadCheckpoint(unreadable(path, error), "a whole safetensors file") from error
    try:
        version = msgspec.json.decode(said or b"null")
        if not isinstance(version, dict) or version.get("format") != FORMAT:
            found = version.get("format") if isinstance(version, dict) else "nothing of worldgate"
            raise BadCheckpoint(f"{path}: {found!r}", f"a checkpoint of format {FORMAT}")
        return msgspec.convert(version, Card)
    except msgspec.MsgspecError as error:
        raise BadCheckpoint(f"{path}: {error}", "a checkpoint's metadata") from error


def notes(card: Card) -> dict[str, str]:
    """What the encoder's document says of itself in words, of families whose documents do; `BadCheckpoint` for one that
    is none."""
    document = family_of(card.family).document
    if not hasattr(document, "notes"):
        return {}
    try:
        said: dict[str, str] = msgspec.convert(card.encoder, document).notes()
    except msgspec.ValidationError as error:
        raise BadCheckpoint(f"encoder: {error}", f"a document of {card.family}") from error
    return said


def load(path: Path, schema: Schema) -> Checkpoint:
    """The net of a checkpoint for a world of that schema, on the CPU; else `BadCheckpoint`."""
    card = fits(path, schema)
    _, tensors = read(path)
    try:
        family = family_of(card.family)
        encoder = family.restored(msgspec.convert(card.encoder, family.document), schema)
        net = family.net(config_of(family, card.config), encoder)
        net.load_state_dict(tensors)
    except (Error, msgspec.ValidationError, RuntimeError) as error:
        raise BadCheckpoint(f"{path}: {error!s:.300}", f"weights of family {card.family} as it is here") from error
    return Checkpoint(card, encoder, net.eval(), digest(path))


def fits(path: Path, schema: Schema) -> Card:
    """The card of a checkpoint for a world of that schema; else `BadCheckpoint`."""
    card = describe(path)
    if card.digest != schema.digest:
        trained = f"{path} of schema {card.schema} {card.digest[:12]}"
        raise BadCheckpoint(trained, f"one of {schema.name} {schema.digest[:12]}", "Train on this world")
    return card


def digest(path: Path) -> str:
    """SHA-256 of the file, or `BadCheckpoint` where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BadCheckpoint(unreadable(path, error), "a readable file") from error
