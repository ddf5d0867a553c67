"""Worlds: exact executable models under one contract."""

from .contract import Action, Driver, Observation, Outside, Property, Transition, World, transition
from .registry import UnknownWorld, get, names, register

__all__ = [
    "Action",
    "Driver",
    "Observation",
    "Outside",
    "Property",
    "Transition",
    "UnknownWorld",
    "World",
    "get",
    "names",
    "register",
    "transition",
]
