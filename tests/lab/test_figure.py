"""Pages, tables and figures: the same bytes from the same records, and nothing without all of them."""

from __future__ import annotations

import csv
import io
import statistics
from pathlib import Path
from xml.etree import ElementTree

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.lab.tiny import elsewhere, tiny
from worldgate.horizon import measures as horizons
from worldgate.lab import expand, report, run
from worldgate.lab.errors import BadExperiment, MissingLibrary, MissingRecords
from worldgate.lab.experiment import DIMENSIONS, Drawing
from worldgate.lab.measures import MEASURES, _medians, interval
from worldgate.lab.plots import draw
from worldgate.lab.records import read
from worldgate.lab.tables import markdown, plain

CODE = """
import sys
from pathlib import Path
from tests.lab.tiny import tiny
from worldgate.lab import report
report(tiny(), Path(sys.argv[1]), Path(sys.argv[2]), "tiny.yaml")
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    run(tiny(), folder)
    return folder


def test_pages_and_figures_are_the_same_bytes_in_any_process(records: Path, tmp_path: Path) -> None:
    written = report(tiny(), records, tmp_path / "here" / "tiny.md", "tiny.yaml")
    ran = elsewhere(CODE, records, tmp_path / "there" / "tiny.md", env={"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"})
    assert ran.returncode == 0, ran.stderr
    assert [path.name for path in written] == ["tiny.csv", "tiny-policies.svg", "tiny-area.svg", "tiny.md"]
    for path in written:
        there = (tmp_path / "there" / path.name).read_bytes()
        assert there.replace(b"/there/", b"/here/") == path.read_bytes(), path
        assert sorted(path.parent.iterdir()) == sorted(written)


def test_a_figure_is_well_formed_and_says_what_it_shows(records: Path, tmp_path: Path) -> None:
    report(tiny(), records, tmp_path / "tiny.md", "tiny.yaml")
    texts = set(ElementTree.parse(tmp_path / "tiny-policies.svg").getroot().itertext())
    for word in (
        "fixed",
        "uncertainty",
        "induction",
        "null",
        "net, outages, coupled",
        "robot-cell, everyday, reanchor",
    ):
        assert word in texts


def test_the_page_keeps_what_was_written_by_hand(records: Path, tmp_path: Path) -> None:
    page = tmp_path / "tiny.md"
    report(tiny(), records, page, "tiny.yaml")
    first = page.read_text()
    assert first.startswith("# Tiny\n")
    page.write_text("Mine above.\n" + first + "Mine below.\n")
    report(tiny("question: Does it run?", "question: Does it run again?"), records, page, "tiny.yaml")
    text = page.read_text()
    assert text == "Mine above.\n" + first.replace("Does it run?", "Does it run again?") + "Mine below.\n"
    page.write_text("No marks.")
    with pytest.raises(BadExperiment, match="without the marks"):
        report(tiny(), records, page, "tiny.yaml")
    assert page.read_text() == "No marks."


def test_the_page_names_what_a_figure_must(records: Path, tmp_path: Path) -> None:
    report(tiny(), records, tmp_path / "tiny.md", "tiny.yaml")
    text = (tmp_path / "tiny.md").read_text()
    for said in (
        "`coupled`", "`reanchor`", "everyday, outages", "3 rollouts of 6 steps", "2 training sets", "Anything else.",
        "Left out, since it cannot run: uncertainty with null", "seeds 100 to 102", "seeds 0 to 3",
    ):  # fmt: skip
        assert said in text


def test_numbers_are_those_of_the_records(records: Path, tmp_path: Path) -> None:
    report(tiny(), records, tmp_path / "tiny.md", "tiny.yaml")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tiny.csv").read_text())))
    planned, _ = expand(tiny())
    assert len(rows) == len({tuple(one.at.values()) for one in planned}) == 24
    for row in rows:
        cells = [one for one in planned if all(str(one.at[name]) == row[name] for name in DIMENSIONS[1:])]
        ids = [one.cell.run(seed) for one in cells for seed in (100, 101, 102)]
        assert (int(row["runs"]), int(row["training_sets"])) == (len(ids), len(cells))
        for epsilon in (0, 0.05):
            name = f"horizon at {epsilon:g}"
            found = [horizons.horizon(kept.record, epsilon) for kept in read(records, ids).values()]
            assert row[name] == plain(sum(found) / len(found))
            assert float(row[f"{name} low"]) <= float(row[name]) <= float(row[f"{name} high"])
        assert row["settled"] == ""  # there is no second oracle


def test_nothing_is_shown_while_runs_are_missing(records: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingRecords, match="36 of 144 runs"):
        report(tiny("count: 3", "count: 4"), records, tmp_path / "tiny.md", "tiny.yaml")
    assert not list(tmp_path.iterdir())


def test_the_interval_is_the_percentile_bootstrap() -> None:
    values = [1.0, 4.0, 2.0, 8.0, 5.0, 7.0]
    found = interval([[(value, 1.0) for value in values]])
    known = horizons.bootstrap(values)
    assert found
    assert known
    assert found.mean == pytest.approx(known.mean)
    assert found[1:3] == pytest.approx(known[1:3], rel=0.15)
    assert found.number == 6


def test_the_interval_covers_training_sets_as_well_as_seeds() -> None:
    far = [[(10.0 * row, 1.0)] * 5 for row in range(4)]
    found = interval(far)
    assert found
    assert found.mean == 15
    assert found.low < 8 < 22 < found.high  # five seeds that agree say nothing of the next set
    assert interval([[(2.0, 4.0), None, (1.0, 2.0)]]) == (0.5, 0.5, 0.5, 2)
    assert interval([[None, (0.0, 0.0)]]) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=8))
def test_a_median_is_that_of_all_runs_as_often_as_they_are_drawn(runs: list[tuple[int, int]]) -> None:
    drawn = [value for value, times in runs for _ in range(times)]
    values = numpy.array([[float(value) for value, _ in runs]])
    times = numpy.array([[float(times) for _, times in runs]])
    found = _medians(values, numpy.ones_like(values), numpy.ones((1, 1)), times)
    assert found == ([statistics.median(drawn)] if drawn else [])


def test_the_interval_of_a_median_covers_training_sets_and_leaves_out_what_is_not_there() -> None:
    found = interval([[(10.0 * row, 1.0)] * 5 for row in range(5)], median=True)
    assert found
    assert found.mean == 20
    assert found.low < 11 < 29 < found.high
    assert interval([[(2.0, 4.0), None, (9.0, 1.0), (9.0, 1.0)]], median=True) == (9, 0.5, 9, 3)
    assert interval([[None, (0.0, 0.0)]], median=True) is None


def test_every_measure_measures_every_record(records: Path) -> None:
    planned, _ = expand(tiny())
    for kept in read(records, [one.cell.run(100) for one in planned]).values():
        for name, measure in MEASURES.items():
            found = measure.of(kept.record, 0.0)
            assert found is None or (len(found) == 2 and found[1] >= 0), name


def test_uncertainty_is_ranked_against_errors(records: Path) -> None:
    (kept,) = read(records, [expand(tiny())[0][0].cell.run(100)]).values()

    def ranked(signals: tuple[float | None, ...], bits: tuple[int, ...]) -> tuple[float, float] | None:
        return MEASURES["ranked"].of(replace(kept.record, signals=signals, bits=bits), 0.0)

    assert ranked((0.9, 0.1, 0.5, 0.5), (6, 0, 0, 6)) == (2 + 1.5, 4)
    assert ranked((None, 0.1, 0.5), (6, 0, 6)) == (1, 1)
    assert ranked((0.1, 0.2), (0, 0)) == (0, 0)


def test_what_learns_nothing_is_a_line_across_all_amounts_of_data() -> None:
    one, drawing = interval([[(1.0, 1.0)]]), Drawing("a", "area", x="data", lines="none", rows="none", columns="none")
    lines = {("none", "none", "null"): {0: one}, ("none", "none", "rules"): dict.fromkeys((10, 1000), one)}
    root = ElementTree.fromstring(draw(drawing, lines))
    paths = [path.get("d", "").split() for path in root.findall(".//{*}path") if "#1f77b4" in path.get("style", "")]
    left, right = (float(paths[0][at]) for at in (1, 4))
    assert right - left > 100


def test_numbers_along_an_axis_are_in_order_and_names_as_they_were_given() -> None:
    one = interval([[(1.0, 1.0)]])
    drawing = Drawing("a", "area", x="data", lines="none", rows="none", columns="none")
    rules, model = ("none", "none", "rules"), ("none", "none", "model")
    lines = {rules: dict.fromkeys((40, 10), one), model: dict.fromkeys((40, 2.5, 20), one)}
    assert markdown(drawing, lines)[0] == "| data 2.5 | data 10 | data 20 | data 40 |"
    assert markdown(drawing, {rules: dict.fromkeys(("none", 0.5), one)})[0] == "| none | data 0.5 |"
    assert b"found elsewhere" in draw(replace(drawing, marks={"found elsewhere": 0.5}), lines)
    root = ElementTree.fromstring(draw(drawing, lines))
    turned = {name: dict(sorted(points.items())) for name, points in lines.items()}
    assert ElementTree.tostring(root) == ElementTree.tostring(ElementTree.fromstring(draw(drawing, turned)))


def test_a_missing_library_names_the_extra(records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "matplotlib.backends.backend_svg"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(MissingLibrary, match=r"WG492.*Install worldgate\[lab\]"):
        report(tiny(), records, tmp_path / "tiny.md", "tiny.yaml")
