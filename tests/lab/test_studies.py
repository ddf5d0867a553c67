"""Files of grounding studies: what they come to, records that are not made twice, pages, and numbered errors."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.lab.test_cli_lab import lab
from tests.lab.tiny import ROOT, contents
from worldgate.facts import Error
from worldgate.lab import Studies, load, report, total
from worldgate.lab import run as lab_run
from worldgate.lab.studies import GIVEN, MEASURES, expand, numbers_of
from worldgate.models.grounding import Study, run

pytest.importorskip("torch")

FILES = sorted((ROOT / "examples" / "studies").glob("*.yaml"))

TINY = """
name: studied
title: Studied
question: Does it run?
expected: It does.
limits: [Anything else.]
study: {world: network, driver: everyday, options: {hosts: 4, start: scattered}, width: 8, iterations: 2, batch: 4}
vary:
  hosts: {4: {}, 6: {options: {hosts: 6}}}
  arm: {bare: {}, contrast: {negatives: 2}}
train: {first: 0, count: 1, steps: 6, sets: 2}
seeds: {first: 100, count: 1}
steps: 4
drawings:
  - {name: first, measure: top-1, x: hosts, lines: arm, rows: none, columns: none}
"""


def studies(old: str = "", new: str = "") -> Studies:
    assert old in TINY
    found = load(TINY.replace(old, new), "studied.yaml")
    assert isinstance(found, Studies)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_studies_load_have_their_page_and_run_when_made_small(path: Path, tmp_path: Path) -> None:
    found = load(path.read_text(encoding="utf-8"), path.name)
    assert isinstance(found, Studies)
    assert found.name == path.stem
    assert found.train.sets >= 5
    page = (ROOT / "docs" / "lab" / f"{path.stem}.md").read_text(encoding="utf-8")
    for said in (f"# {found.title}", *found.limits, f"Mean over {found.train.sets} training sets", "## What came out"):
        assert " ".join(said.split()) in page
    for choices in found.vary.values():
        assert all(str(label) in page for label in choices)
    small = replace(
        found,
        study={**found.study, "iterations": 1, "width": 8, "batch": 2},
        vary={dimension: dict(list(choices.items())[:2]) for dimension, choices in found.vary.items()},
        train=replace(found.train, count=1, steps=4, sets=1),
        seeds=replace(found.seeds, count=1),
        steps=3,
    )
    assert lab_run(small, tmp_path).new == total(small)
    report(small, tmp_path, tmp_path / "small.md", "small.yaml")


def test_studies_are_what_varies_multiplied_out_with_walks_of_their_own() -> None:
    listed = [(at["hosts"], at["arm"], study.negatives, study.seeds, study.seed) for at, study in expand(studies())]
    assert listed == [
        (hosts, arm, negatives, (number,), number)
        for hosts in (4, 6)
        for arm, negatives in (("bare", 0), ("contrast", 2))
        for number in (0, 1)
    ]
    assert {(study.held, study.steps, study.held_steps) for _, study in expand(studies())} == {((100,), 6, 4)}


def test_a_run_is_recorded_once_and_is_the_study(tmp_path: Path) -> None:
    small = studies("sets: 2", "sets: 1")
    assert lab_run(small, tmp_path)[:2] == (4, 4) == (total(small), 4)
    there = contents(tmp_path)
    assert lab_run(studies(), tmp_path)[:2] == (8, 4)
    assert lab_run(studies(), tmp_path)[:2] == (8, 0)
    assert there.items() <= contents(tmp_path).items()
    numbers = numbers_of(studies(), tmp_path)
    at, study = next(expand(studies()))
    key = tuple(at[dimension] for dimension in studies().dimensions)
    assert numbers.groups[key][0][0].record == run(study)


def test_from_a_file_to_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("studied.yaml").write_text(TINY)
    with pytest.raises(Error, match=r"WG494.*8 of 8 runs"):
        lab("figure", "studied.yaml")
    assert json.loads(lab("run", "studied.yaml", "--json"))["new"] == 8
    assert lab("figure", "studied.yaml").split() == ["studied.csv", "studied-first.svg", "studied.md"]
    text = Path("studied.md").read_text()
    assert "| arm | hosts 4 | hosts 6 |" in text
    assert "Mean over 2 training sets" in text
    assert "contrast (negatives 2)" in text
    rows = list(csv.DictReader(Path("studied.csv").read_text().splitlines()))
    assert [(row["hosts"], row["arm"], row["training_sets"]) for row in rows][-1] == ("6", "contrast", "2")
    assert all(float(row["chance"]) < float(row["ceiling"]) <= 1 for row in rows)


@pytest.mark.parametrize(
    ("old", "new", "number", "said"),
    [
        ("width: 8", "breadth: 8", "WG490", "`breadth`, not one of world, driver"),
        ("width: 8", "width: 0", "WG490", "`$.study.width`"),
        ("iterations: 2", "iterations: 0", "WG490", "`$.study.iterations`"),
        ("negatives: 2", "negatives: -8", "WG490", "`$.study.negatives`"),
        ("width: 8", "seed: 8", "WG490", "seed, which"),
        ("driver: everyday", "driver: weekends", "WG490", "'weekends'; expected one that network has: adversarial"),
        ("world: network", "world: net", "WG490", "one of deep-files"),
        ("negatives: 2", "negatives: 2, target: oracle", "WG490", "negatives"),
        ("negatives: 2", "negatives: 0", "WG490", "the same"),
        ("sets: 2", "sets: 0", "WG490", "`$.train`"),
        ("count: 1, steps: 6", "count: 0, steps: 6", "WG490", "`$.train`"),
        ("count: 1, steps: 6", "count: [], steps: 6", "WG490", "`$.train`"),
        ("first: 100", "first: 1", "WG491", "[1]"),
        ("measure: top-1", "measure: horizon", "WG490", "`$.drawings[0]`"),
        ("x: hosts", "x: place", "WG490", "arm"),
        ("lines: arm", "lines: none", "WG490", "arm varies"),
        ("name: studied", "name: ../studied", "WG490", "`$.name`"),
        ("expected: It does.\n", "", "WG490", "expected"),
    ],
)
def test_what_is_wrong_is_one_numbered_error(old: str, new: str, number: str, said: str) -> None:
    with pytest.raises(Error, match=number) as caught:
        studies(old, new)
    assert said in str(caught.value)


def test_axes_that_are_not_named_show_nothing() -> None:
    assert studies(", rows: none, columns: none", "").drawings == studies().drawings
    with pytest.raises(Error, match="arm varies"):
        studies("lines: arm, rows: none, columns: none", "log: false")


def test_a_study_that_no_file_says_is_refused_too() -> None:
    with pytest.raises(Error, match=r"`\$.study.actions`"):
        run(next(replace(study, actions=1) for _, study in expand(studies())))


def test_a_study_is_data() -> None:
    study = next(study for _, study in expand(studies()))
    assert msgspec.json.decode(msgspec.json.encode(study), type=Study) == study


def test_the_page_of_the_lab_explains_every_field_and_measure_and_its_example_loads() -> None:
    page = (ROOT / "docs" / "lab" / "index.md").read_text(encoding="utf-8")
    found = load(page.split("```yaml\n")[2].split("```")[0], "index.md")
    assert isinstance(found, Studies)
    assert total(found) == 10
    for name in (*Studies.__struct_fields__, *MEASURES):
        assert f"`{name}`" in page, name
    told = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for name in set(Study.__struct_fields__) - GIVEN:
        assert f"`{name}`" in told, name
