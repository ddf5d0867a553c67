"""Declared worlds: any domain from a YAML file, under the same contract as every other world.

>>> from worldgate.worlds.declared import world_from_text
>>> world = world_from_text('''
... world: lamp
... version: "1"
... values: {lit: bool}
... start: {lit: false}
... actions:
...   light: {requires: ["!lit()"], effects: {lit(): true}, undo: quench()}
...   quench: {requires: ["lit()"], effects: {lit(): false}, undo: light()}
... ''')
>>> world.step(world.initial(0), world.parse("light()")).delta
(Edit(relation='lit', key=(), before=False, after=True),)
>>> world.step(world.initial(0), world.parse("quench()")).observation["refused"]["number"]
'WG266'
"""

from importlib.resources import files

from .document import json_schema
from .errors import BadFormula, BadStart, BadWorldFile, DuplicateName, Refused, UnknownName
from .world import DeclaredWorld, world_from_file, world_from_text

__all__ = [
    "BadFormula",
    "BadStart",
    "BadWorldFile",
    "DeclaredWorld",
    "DuplicateName",
    "Refused",
    "UnknownName",
    "json_schema",
    "robot_cell",
    "support_desk",
    "world_from_file",
    "world_from_text",
]


def support_desk() -> DeclaredWorld:
    """Orders, payments and refunds, with limits a day and a customer."""
    return _shipped("support_desk.yaml")


def robot_cell() -> DeclaredWorld:
    """One arm, one gripper, two camera channels, a battery, bins and parts."""
    return _shipped("robot_cell.yaml")


def _shipped(name: str) -> DeclaredWorld:
    return world_from_text(files(__package__).joinpath(name).read_text(encoding="utf-8"), name)
