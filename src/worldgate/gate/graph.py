"""A plan's graph as text and as SVG. Pure functions of the plan; no dependency.

`draw_text` gives one line a step, with rails for the needs as version-control logs have them, in at most
80 columns. `draw_svg` gives a self-contained picture in layers. Needs that others imply are left out.
Steps in `failed` (ids, or the `step` of a breach) are marked, and so are conditional steps; long labels
are clipped.

>>> from worldgate.gate.plan import load_plan
>>> print(draw_text(load_plan("[{id: a, do: one}, {id: b, do: two}, {id: c, do: three, needs: [a]}]")))
○ a  one
├─╮
○ │ b  two
  ○ c  three
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

from .plan import Plan, Step

COLUMNS = 80
_MOST_RAILS = 16
_MOST_ID = 16


def needs_drawn(plan: Plan) -> dict[str, list[str]]:
    """The needs of each step that no other need implies, in the plan's order."""
    above: dict[str, set[str]] = {}
    for step in plan.order:
        above[step.id] = set(step.needs or ()).union(*(above[need] for need in step.needs or ()))
    return {
        step.id: [
            need
            for need in dict.fromkeys(step.needs or ())
            if not any(need in above[other] for other in step.needs or ())
        ]
        for step in plan.order
    }


def clipped(text: str, width: int) -> str:
    """`text` on one line of at most `width` characters."""
    line = "".join(mark if mark.isprintable() else "\ufffd" for mark in " ".join(text.split()))
    return line if len(line) <= width else line[: max(width - 1, 0)] + "…"


def _named(failed: Collection[str]) -> set[str]:
    """The ids in `failed`, where an entry may also be several, as the `step` of a breach is."""
    return {*failed, *(name for entry in failed for name in entry.split(", "))}


# --- text ----------------------------------------------------------------------------------------


def draw_text(plan: Plan, failed: Collection[str] = ()) -> str:
    """The graph in at most 80 columns: ○ a step, ◇ a conditional step, ✗ a step in `failed`."""
    drawn, failed = needs_drawn(plan), _named(failed)
    then: dict[str, list[str]] = {step.id: [] for step in plan.order}
    for step in plan.order:
        for need in drawn[step.id]:
            then[need].append(step.id)
    rows: list[tuple[str, Step | None]] = []
    rails: list[str | None] = []
    for step in plan.order:
        at = _rail(rails, step.id)
        mark = "✗" if step.id in failed else "◇" if step.when else "○"
        rows.append(("".join((mark if i == at else "│" if rail else " ") + " " for i, rail in enumerate(rails)), step))
        rails[at] = None
        if turn := _turn(rails, at, then[step.id]):
            rows.append((turn, None))
        while rails and rails[-1] is None:
            rails.pop()
    if max(len(row.rstrip()) for row, _ in rows) > 2 * _MOST_RAILS:
        rows = [(f"{'✗' if step.id in failed else '◇' if step.when else '○'} ", step) for step in plan.order]
    return "\n".join(_line(row, step, min(max(len(s.id) for s in plan.order), _MOST_ID)) for row, step in rows)


def _line(rails: str, step: Step | None, width: int) -> str:
    if step is None:
        return rails.rstrip()
    when = f"  when {clipped(step.when, 30)}" if step.when else ""
    label = f"{rails.rstrip():<{len(rails) - 1}} {clipped(step.id, width):<{width}}  "
    room = COLUMNS - len(label) - len(when)
    return f"{label}{clipped(step.do, room)}{when}"


def _rail(rails: list[str | None], target: str) -> int:
    """The rail that leads to `target`; a free one, or a new one, when there is none."""
    for wanted in (target, None):
        if wanted in rails:
            at = rails.index(wanted)
            rails[at] = target
            return at
    rails.append(target)
    return len(rails) - 1


def _turn(rails: list[str | None], at: int, targets: Sequence[str]) -> str:
    """Send rails from column `at` to each target; the row that shows it, "" when one just goes on."""
    reached: dict[int, str] = {}
    fresh = [target for target in targets if target not in rails]
    if fresh:
        rails[at] = fresh[0]
    for target in [target for target in targets if target != rails[at]]:
        existed = target in rails
        reached[_rail(rails, target)] = "joins" if existed else "begins"
    if not reached:
        return ""
    left, right = min([at, *reached]), max([at, *reached])
    row = []
    for column in range(right + 1 if right >= len(rails) else len(rails)):
        row.append(_corner(rails, column, at, left, right, reached))
        row.append("─" if left <= column < right else " ")
    return "".join(row).rstrip()


def _corner(rails: list[str | None], column: int, at: int, left: int, right: int, reached: dict[int, str]) -> str:
    """The mark where column and turning row meet."""
    if column == at:
        goes_on, sides = rails[at] is not None, (left < at, right > at)
        return {(True, False): "┤╯", (False, True): "├╰", (True, True): "┼┴"}[sides][0 if goes_on else 1]
    if column in reached:
        ends = column in (left, right)
        if reached[column] == "begins":
            return ("╭" if column < at else "╮") if ends else "┬"
        return ("├" if column < at else "┤") if ends else "┼"
    inside, lives = left < column < right, column < len(rails) and rails[column] is not None
    return ("┼" if lives else "─") if inside else ("│" if lives else " ")


# --- SVG -----------------------------------------------------------------------------------------

_WIDE, _HIGH, _GAP, _DROP, _EDGE = 232, 54, 28, 46, 16
_STYLE = """
.b{fill:#fff;stroke:#64748b;stroke-width:1.3}.c{stroke-dasharray:5 3}.f{fill:#fef2f2;stroke:#dc2626;stroke-width:2}
.e{fill:none;stroke:#94a3b8;stroke-width:1.4}.i{font:600 13px system-ui,sans-serif;fill:#0f172a}
.d{font:11.5px ui-monospace,monospace;fill:#475569}.w{font:italic 11px system-ui,sans-serif;fill:#b45309}
@media (prefers-color-scheme:dark){.b{fill:#1e293b;stroke:#94a3b8}.f{fill:#450a0a;stroke:#f87171}.e{stroke:#64748b}
.i{fill:#f1f5f9}.d{fill:#cbd5e1}.w{fill:#fbbf24}}
"""


def draw_svg(plan: Plan, failed: Collection[str] = ()) -> str:
    """The graph as one SVG document, in light or dark as the reader's system is."""
    drawn, failed = needs_drawn(plan), _named(failed)
    layers, edges = _layers(plan, drawn)
    _untangle(layers, edges)
    wide = max(len(layer) for layer in layers) * (_WIDE + _GAP) - _GAP + 2 * _EDGE
    high = len(layers) * (_HIGH + _DROP) - _DROP + 2 * _EDGE
    place: dict[Name, tuple[float, float]] = {}
    for depth, layer in enumerate(layers):
        left = (wide - len(layer) * (_WIDE + _GAP) + _GAP) / 2
        for column, name in enumerate(layer):
            place[name] = (left + column * (_WIDE + _GAP), _EDGE + depth * (_HIGH + _DROP))
    body = [_edge(place, upper, lower) for upper, lower in edges]
    body += [_box(step, *place[step.id], step.id in failed) for step in plan.order]
    title = escape(clipped(plan.note or f"plan of {len(plan.steps)} steps", 120))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" role="img">'
        f"<title>{title}</title><style>{_STYLE}</style>"
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#94a3b8"/></marker></defs>' + "".join(body) + "</svg>\n"
    )


Name = str | tuple[str, str, int]
"""A step's id, or the place where an edge (from, to) passes a layer."""


def _layers(plan: Plan, drawn: dict[str, list[str]]) -> tuple[list[list[Name]], list[tuple[Name, Name]]]:
    """Each step one layer below its lowest need; edges cut at the layers they pass."""
    depth: dict[str, int] = {}
    for step in plan.order:
        depth[step.id] = max((depth[need] + 1 for need in drawn[step.id]), default=0)
    layers: list[list[Name]] = [[] for _ in range(max(depth.values()) + 1)]
    edges: list[tuple[Name, Name]] = []
    for step in plan.order:
        layers[depth[step.id]].append(step.id)
        for need in drawn[step.id]:
            upper: Name = need
            for level in range(depth[need] + 1, depth[step.id]):
                passing: Name = (need, step.id, level)
                layers[level].append(passing)
                edges.append((upper, passing))
                upper = passing
            edges.append((upper, step.id))
    return layers, edges


def _untangle(layers: list[list[Name]], edges: list[tuple[Name, Name]]) -> None:
    """Order each layer by the mean place of its neighbours, down and up a few times."""
    above: dict[Name, list[Name]] = {}
    below: dict[Name, list[Name]] = {}
    for upper, lower in edges:
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    for near, sweep in ((above, layers[1:]), (below, layers[-2::-1])) * 4:
        at = {name: (column + 0.5) / len(layer) for layer in layers for column, name in enumerate(layer)}
        for layer in sweep:
            middle = {
                name: sum(at[other] for other in near[name]) / len(near[name]) if name in near else at[name]
                for name in layer
            }
            layer.sort(key=middle.__getitem__)
            at.update({name: (column + 0.5) / len(layer) for column, name in enumerate(layer)})


def _edge(place: dict[Name, tuple[float, float]], upper: Name, lower: Name) -> str:
    x1, y1 = place[upper][0] + _WIDE / 2, place[upper][1] + _HIGH
    x2, y2 = place[lower][0] + _WIDE / 2, place[lower][1]
    start = f"M{x1:g} {y1 - _HIGH:g}V{y1:g}" if isinstance(upper, tuple) else f"M{x1:g} {y1:g}"
    bend = (y1 + y2) / 2
    arrow = "" if isinstance(lower, tuple) else ' marker-end="url(#a)"'
    return f'<path class="e" d="{start}C{x1:g} {bend:g} {x2:g} {bend:g} {x2:g} {y2:g}"{arrow}/>'


def _box(step: Step, x: float, y: float, failed: bool) -> str:
    kinds = "b" + (" c" if step.when else "") + (" f" if failed else "")
    when = ""
    if step.when:
        text = escape(clipped(f"when {step.when}", 23))
        when = f'<text class="w" x="{x + _WIDE - 10:g}" y="{y + 20:g}" text-anchor="end">{text}</text>'
    name = escape(("✗ " if failed else "") + clipped(step.id, 11 if step.when else 24))
    return (
        f"<g><title>{escape(clipped(f'{step.id}: {step.do}', 400))}</title>"
        f'<rect class="{kinds}" x="{x:g}" y="{y:g}" width="{_WIDE}" height="{_HIGH}" rx="9"/>'
        f'<text class="i" x="{x + 11:g}" y="{y + 21:g}">{name}</text>{when}'
        f'<text class="d" x="{x + 11:g}" y="{y + 41:g}">{escape(clipped(step.do, 30))}</text></g>'
    )
