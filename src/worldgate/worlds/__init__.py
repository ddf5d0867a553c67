"""Worlds: exact executable models under one contract."""

from .check import BrokenContract, Checked, check_actions, check_world
from .contract import Action, Driver, Measure, Observation, Outside, Property, Question, Transition, World, transition
from .registry import UnknownWorld, get, names, register, world_of

__all__ = [
    "Action",
    "BrokenContract",
    "Checked",
    "Driver",
    "Measure",
    "Observation",
    "Outside",
    "Property",
    "Question",
    "Transition",
    "UnknownWorld",
    "World",
    "check_actions",
    "check_world",
    "get",
    "names",
    "register",
    "transition",
    "world_of",
]
