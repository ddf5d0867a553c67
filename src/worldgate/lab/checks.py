"""What every file of the lab must keep to: plain names, disjoint seeds, figures that can be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import BadExperiment, SharedSeeds
from .experiment import Drawing, Seeds, Training, keeps
from .measures import Measure


def plain(name: str) -> bool:
    """Whether a name can be that of a folder and of a page."""
    return name.replace("-", "").replace("_", "").isalnum()


def listed(known: Any) -> str:
    """All names, as an error tells them."""
    return ", ".join(sorted(one for one in known if one))


def disjoint(train: Training, seeds: Seeds, name: str) -> None:
    """Raise `SharedSeeds` where a walk is both learned from and judged on."""
    shared = sorted(set(train.seeds) & set(seeds.all))
    if shared:
        raise SharedSeeds(f"{name}: seeds {shared[:5]} in both `$.train` and `$.seeds`", "disjoint ranges")


def drawable(
    drawing: Drawing,
    places: Sequence[Mapping[str, str | float]],
    dimensions: tuple[str, ...],
    measures: Mapping[str, Measure],
    where: str,
) -> None:
    """Raise `BadExperiment` for a figure of what is not there, or one that would mix what varies."""
    measure = measures.get(drawing.measure)
    if measure is None:
        raise BadExperiment(f"{where}: measure {drawing.measure!r}", f"one of {listed(measures)}")
    if measure.epsilon != (drawing.epsilon is not None):
        need = "an epsilon" if measure.epsilon else "no epsilon"
        raise BadExperiment(f"{where}: {drawing.measure} with epsilon {drawing.epsilon}", need)
    axes = (drawing.x, drawing.lines, drawing.rows, drawing.columns)
    for dimension in (*axes, *drawing.where):
        if dimension not in dimensions:
            raise BadExperiment(f"{where}: {dimension!r}", f"one of {', '.join(dimensions)}")
    if not drawing.name.replace("-", "").isalnum():
        raise BadExperiment(f"{where}: name {drawing.name!r}", "a plain name")
    kept = [at for at in places if keeps(drawing, at)]
    if not kept:
        raise BadExperiment(f"{where}: no cell is left", "at least one")
    named = {*axes, *(("world", "driver") if "place" in axes else ())}
    for dimension in dimensions[1:]:
        values = {at[dimension] for at in kept} - ({0} if dimension == "data" else set())  # 0: learns nothing
        if dimension not in named and len(values) > 1:
            raise BadExperiment(f"{where}: {dimension} varies", "an axis for it, or one value in `where`")
