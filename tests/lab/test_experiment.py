"""Experiment files: what they come to, and that every wrong one is one numbered error that names the place."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.lab.tiny import ROOT, TINY, tiny
from worldgate.facts import Error
from worldgate.lab import Experiment, expand, load_experiment, report, run
from worldgate.lab.experiment import DIMENSIONS, Drawing, Place
from worldgate.lab.figure import setup
from worldgate.lab.measures import MEASURES
from worldgate.lab.parts import PREDICTORS, Predicting

FILES = sorted((ROOT / "examples" / "lab").glob("*.yaml"))

WRONG = [
    ("steps: 6", "steps: 6\nsteps: 7", "WG490", "a second time on line"),
    ("steps: 6", "steps: six", "WG490", "`$.steps`"),
    ("steps: 6", "steps: 0", "WG490", "`$.steps`"),
    ("steps: 6", "stepz: 6", "WG490", "`stepz`, not one of name, title"),
    ("title: Tiny\n", "", "WG490", "title"),
    ("name: tiny", "name: ../tiny", "WG490", "`$.name`"),
    ("count: 3", "count: 0", "WG490", "`$.seeds.count`"),
    ("sets: 2", "sets: 0", "WG490", "`$.train`"),
    ("count: 2, steps: 8", "count: [1, 3], steps: 8", "WG490", "data varies"),
    ("count: 2, steps: 8", "count: [], steps: 8", "WG490", "`$.train`"),
    ("first: 0, count: 2", "first: 99, count: 2", "WG491", "[100, 101, 102]"),
    ("first: 0, count: 2", "first: 97, count: 2", "WG491", "[100]"),
    ('name: "null"', "name: null", "WG490", "`$.predictors[0].name`"),
    ("name: induction", "name: inductoin", "WG490", "`$.predictors[1].name`"),
    ("error: 0.3", "error: 1.5", "WG490", "`$.predictors[2].error`"),
    ("{name: induction}", "{name: induction, error: 0.1}", "WG490", "`$.predictors[1].error`"),
    ('{name: "null"}', "{name: induction}", "WG490", "`$.predictors`"),
    ("predictors: [", "predictors: []\nlimitz: [", "WG490", "limitz"),
    ("train: {", "prices: {calls: 1}\nexpected_train: {", "WG490", "expected_train"),
    ("{name: fixed}", "{name: sometimes}", "WG490", "`$.policies[0].name`"),
    ("{name: fixed}", "{name: conformal, options: {tolerance: .inf}}", "WG490", "`$.policies"),
    ("{name: fixed}", "{name: fixed, options: {often: 1}}", "WG490", "often"),
    ("{name: fixed}", "{name: look-ahead}", "WG490", "options k"),
    ("steps: 6", "steps: 6\nuses: [no_such_module]", "WG490", "PYTHONPATH"),
    ("rho: [0.5]", "rho: [1.5]", "WG490", "1.5"),
    ("rho: [0.5]", "rho: []", "WG490", "`$.rho`"),
    ("epsilon: [0, 0.05]", "epsilon: [0, -1]", "WG490", "`$.epsilon[1]`"),
    ("drivers: [everyday, outages]", "drivers: []", "WG490", "`$.worlds[0].drivers`"),
    (
        "semantics: [coupled, reanchor]",
        "semantics: [couple]",
        "WG490",
        "one of coupled, reanchor - at `$.semantics[0]`",
    ),
    ("rho: [0.5]", "rho: [0.5]\ncorrections: [{operator: soft}]", "WG490", "`$.corrections[0].operator`"),
    ("rho: [0.5]", "rho: [0.5]\ncorrections: [{probe: newest}]", "WG490", "`$.corrections[0].probe`"),
    (
        "{name: fixed}, {name: uncertainty, calibration: own_unaided_signals}",
        "{name: look-ahead, options: {k: 2}}]\ncorrections: [{probe: random}",
        "WG490",
        "with probes or a second oracle at `$.policies` and `$.corrections`",
    ),
    ("rho: [0.5]", "rho: [0.5]\nbudgets: [{calls: -1}]", "WG490", "limits of 0 or more"),
    ("rho: [0.5]", "rho: [0.5]\noracles: [reachability]", "WG490", "`$.worlds[1]`"),
    ("rho: [0.5]", "rho: [0.5]\njudges: [reach]", "WG490", "`$.worlds[0]`"),
    ("world: robot-cell", "world: robot", "WG490", "WG202"),
    ("world: robot-cell", "world: robot-cell, options: {arms: 3}", "WG490", "options"),
    ("world: network", "world: netwrk", "WG490", "one of deep-files"),
    ("hosts: 4", "guests: 4", "WG490", "`guests`, not one of hosts"),
    ("hosts: 4", "hosts: 1", "WG490", "`$.options.hosts`"),
    ("start: scattered", "start: strewn", "WG490", "strewn"),
    ("label: net", "label: robot-cell", "WG490", "`$.worlds`"),
    ("drivers: [everyday, outages]", "drivers: [everyday, weekends]", "WG490", "weekends"),
    ("trained_on: everyday", "trained_on: weekends", "WG490", "weekends"),
    ("trained_on: everyday", "trained_in: {world: robot}", "WG490", "WG202"),
    ("trained_on: everyday", "trained_in: {world: market}", "WG490", "`$.worlds[1].trained_in`"),
    ("drivers: [everyday, outages]", "trained_in: {world: network-0}, drivers: [everyday, routed]", "WG490", "routed"),
    ("trained_on: everyday", "wrong: {facts: 0}", "WG490", "`$.worlds[1].wrong.facts`"),
    ("trained_on: everyday", "wrong: {facts: 1, relations: [link]}", "WG490", "`$.worlds[1].wrong`"),
    ("trained_on: everyday", "wrong: {facts: 1, relations: []}", "WG490", "`$.worlds[1].wrong`"),
    ("scattered}", "scattered}, wrong: {facts: 5, relations: [up]}", "WG490", "4 facts of up"),
    ("measures: [horizon", "measures: [horizons", "WG490", "`$.measures[0]`"),
    ("measure: area", "measure: areas", "WG490", "`$.drawings[1]`"),
    ("measure: area", "measure: area, epsilon: 0", "WG490", "no epsilon"),
    ("epsilon: 0, x: policy", "x: policy", "WG490", "an epsilon"),
    ("x: policy", "x: policies", "WG490", "`$.drawings[0]`"),
    (", x: policy", "", "WG490", "policy varies"),
    ("world: [net]", "world: [nets]", "WG490", "no cell"),
    ("world: [net]", "wold: [net]", "WG490", "wold"),
    ("name: area", "name: a/b", "WG490", "a/b"),
    ("{name: fixed}", "{name: fixed}, {name: fixed, options: {}}", "WG490", "labels"),
    (
        "{name: fixed}",
        "{name: fixed}, {name: conformal, options: {tolerance: 0}}, {name: conformal, options: {tolerance: 1}}",
        "WG490",
        "labels",
    ),
    ("rho: [0.5]", "rho: [0.5, 0.5]", "WG490", "labels"),
    (TINY, "- a list", "WG490", "object"),
    (TINY, "a: [", "WG490", "tiny.yaml"),
]


@pytest.mark.parametrize(("old", "new", "number", "place"), WRONG, ids=lambda part: str(part)[:24])
def test_a_wrong_file_is_a_numbered_error_that_names_the_place(old: str, new: str, number: str, place: str) -> None:
    with pytest.raises(Error) as caught:
        tiny(old, new)
    assert caught.value.number == number
    assert place in str(caught.value)
    assert "tiny.yaml" in str(caught.value)


def test_cells_are_the_product_of_what_is_listed() -> None:
    cells, left_out = expand(tiny())
    # 3 places x 2 semantics x (null, oracle: fixed alone; induction: 2 training sets x 2 policies)
    assert len(cells) == 3 * 2 * (1 + 1 + 2 * 2)
    assert len({one.cell.digest for one in cells}) == len(cells)
    assert left_out == [
        "uncertainty with null, which says no uncertainty",
        "uncertainty with oracle wrong at 0.3, which says no uncertainty",
    ]
    taught = {one.cell.taught for one in cells} - {None}
    assert {(each.driver, each.seeds) for each in taught} == {
        (driver, seeds) for driver in ("everyday", "outages") for seeds in ((0, 1), (2, 3))
    }


def test_settings_that_contradict_one_another_are_left_out() -> None:
    def left(*lines: str) -> tuple[list[str], set[tuple[str, str]]]:
        policies = "policies: [{name: fixed}, {name: look-ahead, options: {k: 2}}]"
        text = TINY.replace("rho: [0.5]", "\n".join(("rho: [0.5]", *lines))).replace(
            "policies: [{name: fixed}, {name: uncertainty, calibration: own_unaided_signals}]", policies
        )
        text = text[: text.index("drawings:")] + "drawings: []\n"
        cells, left_out = expand(load_experiment(text, "left.yaml"))
        return left_out, {
            (str(one.at["policy"]), f"{one.at['correction']}, {one.at['predictor']}, {one.at['oracle']}")
            for one in cells
        }

    back, learning = "policy look-ahead with probes or a second oracle", "learning from probes"
    every = left()[1]
    left_out, kept = left("corrections: [{}, {probe: random}]")
    assert left_out == [back]
    assert kept == every | {("fixed", how.replace("hard_reset", "probe random")) for _, how in every}
    left_out, kept = left("learning: true", "corrections: [{}, {probe: random}]")
    assert left_out == [back, learning]
    assert kept == every | {("fixed", f"probe random, {name}, full") for name in ("null", "oracle wrong at 0.3")}


def test_words_of_a_file_do_not_change_its_runs() -> None:
    def ids(old: str = "", new: str = "") -> set[str]:
        return {one.cell.run(100) for one in expand(tiny(old, new))[0]}

    assert ids("title: Tiny", "title: Other") == ids()
    assert ids("measures: [horizon, area", "measures: [area") == ids()
    assert ids("error: 0.3}", "error: 0.3}, {name: oracle}") > ids()
    assert ids("count: 3", "count: 30") == ids()
    assert not ids("steps: 6", "steps: 7") & ids()
    assert not ids("rho: [0.5]", "rho: [0.5]\nspend_down: true") & ids()


def test_an_id_is_of_cell_seed_and_world_version(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = expand(tiny())[0][0].cell
    before = cell.run(1)
    assert before != cell.run(2)
    monkeypatch.setattr("worldgate.worlds.network.Network.version", "other")
    assert before != cell.run(1)


def test_of_several_counts_the_smaller_sets_begin_the_larger() -> None:
    whole = tiny()
    assert whole.train
    planned, _ = expand(replace(whole, train=replace(whole.train, count=(1, 3))))
    learning = [one for one in planned if one.cell.taught]
    assert {one.at["data"] for one in planned if not one.cell.taught} == {0}
    assert {(one.at["data"], one.training, one.cell.taught.seeds) for one in learning if one.cell.taught} == {
        (8, 0, (0,)), (24, 0, (0, 1, 2)), (8, 1, (3,)), (24, 1, (3, 4, 5)),
    }  # fmt: skip


def test_of_several_counts_a_predictor_learns_from_those_it_lists_and_runs_as_if_there_were_no_others() -> None:
    whole = tiny()
    assert whole.train
    every = replace(whole, train=replace(whole.train, count=(1, 3)))
    some = replace(every, predictors=tuple(
        replace(one, counts=(3,)) if one.name == "induction" else one for one in every.predictors
    ))  # fmt: skip
    there = {one.cell.run(0): (one.at["predictor"], one.at["data"]) for one in expand(every)[0]}
    kept = {one.cell.run(0) for one in expand(some)[0]}
    assert {there[run] for run in there.keys() - kept} == {("induction", 8)}
    assert kept < there.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_experiments_load_and_have_their_page(path) -> None:
    experiment = load_experiment(path.read_text(encoding="utf-8"), path.name)
    assert experiment.name == path.stem
    assert experiment.train
    sets = experiment.train.sets if any(PREDICTORS[one.name].learns for one in experiment.predictors) else 1
    assert experiment.seeds.count * sets >= (15 if sets > 1 else 30)
    page = (ROOT / "docs" / "lab" / f"{path.stem}.md").read_text(encoding="utf-8")
    assert f"# {experiment.title}" in page
    for said in (*experiment.semantics, *experiment.limits, f"{experiment.seeds.count} rollouts", "## What came out"):
        assert " ".join(said.split()) in page
    for name, what in setup(experiment):
        assert f"| {name} | {what} |" in page


def test_the_page_of_the_lab_explains_every_field_and_measure_and_its_example_loads() -> None:
    page = (ROOT / "docs" / "lab" / "index.md").read_text(encoding="utf-8")
    experiment = load_experiment(page.split("```yaml\n")[1].split("```")[0], "index.md")
    assert experiment.name == "small"
    for name in (*Experiment.__struct_fields__, *Drawing.__struct_fields__, *Place.__struct_fields__, *MEASURES):
        assert f"`{name}`" in page, name
    for name in (*DIMENSIONS, *PREDICTORS):
        assert name in page


def _small(asked: Predicting) -> Predicting:
    if not asked.train:
        return asked
    source = replace(asked.train.source, batch=4, sample=4, walks_each=1, episode=4, burn_in=0)
    loop = asked.train.loop
    loop = replace(loop, steps=1, rate=loop.rate / loop.steps)  # what differs in length alone stays different
    return replace(asked, train=replace(asked.train, source=source, loop=loop))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_experiments_run_when_made_small(path, tmp_path) -> None:
    whole = load_experiment(path.read_text(encoding="utf-8"), path.name)
    train = replace(whole.train, count=2, steps=10, sets=1)
    small = replace(whole, steps=6, seeds=replace(whole.seeds, count=1), train=train, rho=whole.rho[-1:])
    if any(one.name == "learned" for one in whole.predictors):
        small = replace(small, predictors=tuple(map(_small, whole.predictors)), worlds=whole.worlds[:1])
    there = {"rho": whole.rho[-1:], "world": tuple(place.label or place.world for place in small.worlds)}
    small = replace(small, drawings=tuple(replace(one, where={**one.where, **there}) for one in whole.drawings))
    run(small, tmp_path / "records")
    written = report(small, tmp_path / "records", tmp_path / "page.md", path.name)
    assert len(written) == 2 + len(whole.drawings)
