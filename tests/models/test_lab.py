"""Models in experiments: trained once for each training set, found again, loaded by whatever worker runs the cell."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as parquet
import pytest
from msgspec.structs import replace

from tests.lab.tiny import contents, elsewhere
from tests.models import bag
from tests.models.bag import EXPERIMENT, experiment
from worldgate.facts import Error
from worldgate.horizon import Prediction, roll, rollout
from worldgate.lab import expand, load_experiment, run
from worldgate.lab.figure import setup
from worldgate.lab.records import read
from worldgate.lab.trained import file_of, members, training_of
from worldgate.lab.work import Recalling
from worldgate.models.document import load_training
from worldgate.models.predictor import Committee, learned
from worldgate.models.training import train
from worldgate.worlds import world_of

CODE = """
import sys
from pathlib import Path
from tests.models.bag import experiment
from worldgate.lab import run

if __name__ == "__main__":
    run(experiment(), Path(sys.argv[1]), workers=2)
"""
PLACE = "world: network, options: {hosts: 4, start: scattered}"
FRESH = f"places: [{{{PLACE}, drivers: [everyday]}}], episode: 8, walks_each: 1, batch: 8, sample: 4"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert run(experiment(), folder).new == 2 * (1 + 2 * 2)
    return folder


def rows(folder: Path) -> list[dict]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in parquet.read_table(path).to_pylist()]


def test_each_training_set_has_its_model_and_records_say_which(whole: Path) -> None:
    made = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (whole / "models").iterdir()}
    assert len(made) == 2
    assert {row["checkpoint"] for row in rows(whole) if row["predictor"] == "learned bag"} == made
    assert {row["checkpoint"] for row in rows(whole) if row["predictor"] == "null"} == {""}
    planned = [one for one in expand(experiment())[0] if one.cell.predictor.family == "bag"]
    assert {(one.training, one.cell.predictor.seed) for one in planned} == {(0, 5), (1, 6)}


def test_a_training_file_says_the_same_as_what_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "bag.yaml"
    file.write_text(
        "family: bag\nsource: {walks: [{world: robot-cell, driver: everyday, seeds: [0], steps: 9}], batch: 8}\n"
        "calibrate: 3\n"
    )
    inline = "{name: learned, family: bag, config: {}, train: {source: {batch: 8}, calibrate: 3}, seed: 0, label: b}"
    texts = [
        EXPERIMENT.replace("predictors:\n", f"predictors:\n  - {one}\n")
        for one in (inline, f"{{name: learned, training: {file}, label: b}}")
    ]
    first, second = (expand(load_experiment(text, "x"))[0] for text in texts)
    assert [one.cell for one in first] == [one.cell for one in second]
    assert training_of(first[0].cell).calibrate == 3
    for wrong in (f"{{name: learned, training: {file}, family: bag}}", "{name: learned, training: missing.yaml}"):
        with pytest.raises(Error, match=r"predictors\[0\].training"):
            load_experiment(EXPERIMENT.replace("predictors:\n", f"predictors:\n  - {wrong}\n"), "x")


def test_modules_of_yours_are_imported_before_training_files_that_need_them(tmp_path: Path) -> None:
    (tmp_path / "bag.yaml").write_text(bag.TRAINING)
    asked = f"predictors:\n  - {{name: learned, training: {tmp_path}/bag.yaml, label: b}}\n"
    (tmp_path / "x.yaml").write_text(f"uses: [tests.models.bag]\n{EXPERIMENT.replace('predictors:', asked, 1)}")
    code = "import sys; from worldgate.lab import load; print(load(open(sys.argv[1]).read(), 'x').predictors[0].family)"
    assert elsewhere(code, tmp_path / "x.yaml").stdout == "bag\n"


def test_a_model_is_found_again(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worldgate.lab.trained.train", lambda *_, **__: pytest.fail("trained again"))
    assert run(experiment("count: 2}\ntrain", "count: 3}\ntrain"), whole).new == 1 + 2 * 2


def test_other_processes_train_and_run_the_same(whole: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(CODE)
    ran = elsewhere(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')", tmp_path / "records")
    assert ran.returncode == 0, ran.stderr[-2000:]
    parts = contents(tmp_path / "records")
    assert parts.items() <= contents(whole).items()
    assert len(parts) == 1 + 2 * 2


def test_records_are_those_of_a_model_that_is_asked_anew(whole: Path) -> None:
    planned = [one.cell for one in expand(experiment())[0] if one.cell.predictor.family]
    found = read(whole, [cell.run(100) for cell in planned])
    for cell in planned:
        world = world_of(cell.world, cell.options)
        true, model = roll(world, cell.driver, 100, cell.steps), learned(file_of(cell, whole), world.schema)
        assert found[cell.run(100)].record == rollout(true, model, replace(cell.settings, seed=100))


def test_what_a_model_said_of_a_state_and_an_action_is_kept(whole: Path) -> None:
    cell = next(one.cell for one in expand(experiment())[0] if one.cell.predictor.family)
    world = world_of(cell.world, cell.options)
    model, asked = learned(file_of(cell, whole), world.schema), []
    model.predict = lambda state, action: asked.append(action) or Prediction(())  # type: ignore[method-assign]
    recalling, true = Recalling(model), roll(world, cell.driver, 100, 5)
    first = [recalling.predict(step.before, step.action) for step in true.steps]
    again = roll(world, cell.driver, 100, 5)
    assert [recalling.predict(step.before, step.action) for step in again.steps] == first
    assert len(asked) == 5


def test_actions_of_different_types_with_equal_fields_are_asked_about_apart(whole: Path) -> None:
    class Open(NamedTuple):
        what: str

    class Close(NamedTuple):
        what: str

    cell = next(one.cell for one in expand(experiment())[0] if one.cell.predictor.family)
    world = world_of(cell.world, cell.options)
    model = learned(file_of(cell, whole), world.schema)
    model.predict = lambda _, action: Prediction((), 0.1 if type(action) is Open else 0.2)  # type: ignore[method-assign]
    recalling, state = Recalling(model), world.initial(0)
    assert Open("door") == Close("door")
    assert [recalling.predict(state, kind("door")).uncertainty for kind in (Open, Close)] == [0.1, 0.2]


def test_a_predictor_that_cannot_learn_stays_as_it_is_beside_one_that_does(tmp_path: Path) -> None:
    both = EXPERIMENT.replace("rho: [0.5]", "rho: [0.5]\nlearning: true")
    learner = EXPERIMENT[EXPERIMENT.index("  - name: learned") : EXPERIMENT.index("policies:")]
    both = both.replace("policies:", f"{learner}    label: learner\n    learn: {{rate: 0.1}}\npolicies:")
    found = load_experiment(both, "both.yaml")
    run(found, tmp_path)
    kept = {(one.at["predictor"], one.cell.run(100)) for one in expand(found)[0]}
    records = read(tmp_path, [id_ for _, id_ in kept])
    lessons = {(name, records[id_].record.learned > 0) for name, id_ in kept}
    assert lessons == {("null", False), ("learned bag", False), ("learner", True)}


def test_a_model_may_learn_from_some_of_the_counts() -> None:
    some = EXPERIMENT.replace("count: 2, steps: 10", "count: [1, 2], steps: 10").replace(
        "x: policy", "x: policy, rows: data"
    )
    data = {
        counts: {one.at["data"] for one in expand(load_experiment(text, "c.yaml"))[0] if one.cell.predictor.family}
        for counts, text in ((2, some), (1, some.replace("seed: 5", "seed: 5\n    counts: [1]")))
    }
    assert data == {2: {10, 20}, 1: {10}}


def test_a_model_of_fresh_walks_has_a_seed_a_set_and_needs_no_walks(tmp_path: Path) -> None:
    fresh = EXPERIMENT.replace("batch: 8, balance: 0.5", FRESH)
    planned = [one for one in expand(load_experiment(fresh, "f.yaml"))[0] if one.cell.predictor.family]
    assert {(one.cell.taught, one.cell.predictor.seed) for one in planned} == {(None, 5), (None, 6)}
    alone = load_experiment(fresh.replace("train: {first: 0, count: 2, steps: 10, sets: 2}", ""), "f.yaml")
    assert len(expand(alone)[0]) == 1 + 2
    run(alone, tmp_path)
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_a_committee_is_of_the_nets_of_a_set_and_those_after_it(tmp_path: Path) -> None:
    fresh = EXPERIMENT.replace("batch: 8, balance: 0.5", FRESH)
    found = load_experiment(fresh.replace("seed: 5", "seed: 5\n    committee: 3"), "f.yaml")
    assert [one.label for one in found.predictors] == ["null", "learned bag, committee of 3"]
    run(found, tmp_path)
    planned = [one.cell for one in expand(found)[0] if one.cell.predictor.family]
    assert {tuple(one.predictor.seed for one in members(cell)) for cell in planned} == {(5, 6, 7), (6, 7, 8)}
    assert len(list((tmp_path / "models").iterdir())) == 4
    for cell in planned:
        world, files = world_of(cell.world, cell.options), [file_of(one, tmp_path) for one in members(cell)]
        model, true = Committee([learned(file, world.schema) for file in files]), roll(world, cell.driver, 100, 5)
        (row,) = (row for row in rows(tmp_path) if row["id"] == cell.run(100))
        assert row["checkpoint"] == model.digest
        assert read(tmp_path, [row["id"]])[row["id"]].record == rollout(true, model, replace(cell.settings, seed=100))
    said = dict(setup(found))
    assert said["training of learned bag, committee of 3"].startswith("4 trainings")
    assert said["committee of learned bag, committee of 3"].startswith("3 nets vote")
    single = load_experiment(fresh, "f.yaml")
    assert run(single, tmp_path).new == 2 * 2 * 2
    assert len(list((tmp_path / "models").iterdir())) == 4


def test_a_committee_of_walks_has_nets_of_its_own_in_each_set(tmp_path: Path) -> None:
    found = experiment("seed: 5", "seed: 5\n    committee: 2\n    label: both")
    run(found, tmp_path)
    assert len(list((tmp_path / "models").iterdir())) == 4
    assert dict(setup(found))["committee of both"].startswith("2 nets vote")


def test_a_checkpoint_is_a_predictor_by_what_it_holds(tmp_path: Path) -> None:
    training = load_training(bag.TRAINING.replace("steps: 30", "steps: 2"), "t")
    path = train(training, tmp_path / "some.safetensors")
    asked = f"\n  - {{name: checkpoint, path: {path}, learn: {{rate: 0.1, steps: 2, buffer: 4}}, label: mine}}"
    some = EXPERIMENT.replace('\n  - {name: "null"}', asked).replace("rho: [0.5]", "rho: [0.5]\nlearning: true")
    some = some.replace("seed: 5", "seed: 5\n    learn: {rate: 0.1}")
    mine = load_experiment(some, "mine.yaml")
    run(mine, tmp_path / "records")
    held = hashlib.sha256(path.read_bytes()).hexdigest()
    assert [row["checkpoint"] for row in rows(tmp_path / "records") if "checkpoint" in row["predictor"]] == [held] * 4
    by_digest = load_experiment(some.replace(f"path: {path}", f"digest: {held}"), "mine.yaml")
    assert {one.cell.digest for one in expand(by_digest)[0]} == {one.cell.digest for one in expand(mine)[0]}
    with pytest.raises(Error, match=f"WG490.*{'f' * 64}.*{held} at `\\$.predictors\\[0\\].digest`"):
        load_experiment(some.replace(f"path: {path}", f"path: {path}, digest: {'f' * 64}"), "mine.yaml")
    with pytest.raises(Error, match=f"WG495.*no such file as .*{held}"):
        run(by_digest, tmp_path / "others")
    kept = tmp_path / "others" / "models" / f"{held}.safetensors"
    kept.parent.mkdir(parents=True)
    for changed, said in ((path.read_bytes()[:-1] + b"x", "has changed"), (b"", "Delete it")):
        kept.write_bytes(changed)
        with pytest.raises(Error, match=f"WG495.*{said}"):
            run(by_digest, tmp_path / "others")
    kept.unlink()
    run(mine, tmp_path / "others")
    assert kept.read_bytes() == path.read_bytes()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert not {one.cell.digest for one in expand(mine)[0]} >= {one.cell.digest for one in expand(by_digest)[0]}


WRONG = [
    ("family: bag", "family: bags", "`$.predictors[1]`"),
    ("features: 64", "features: many", "features"),
    ("batch: 8", "batch: 0", "0, less than 1 at `$.source.batch`"),
    ("rate: 0.05", "rate: 0", "0.0, not above 0"),
    ("name: learned", "name: induction", "family of induction"),
    ('{name: "null"}', '{name: "null", seed: 3}', "`$.predictors[0].seed`"),
    ('{name: "null"}', "{name: checkpoint, path: nowhere}", "WG512"),
    ('{name: "null"}', "{name: checkpoint}", "`$.predictors[0]`"),
    ("seed: 5", "seed: 5\n    counts: [3]", "`$.predictors[1].counts`"),
    ("seed: 5", "seed: 5\n    learn: {rate: -1}", "`$.predictors[1].learn`"),
    ("seed: 5", "seed: 5\n    learn: {}\n    committee: 2", "a committee that learns during rollouts"),
    ("seed: 5", "seed: 5\n    committee: 1", "committee"),
    ('{name: "null"}', "{name: checkpoint, path: a.safetensors, committee: 2}", "committee of checkpoint"),
    (
        "batch: 8, balance: 0.5}, loop: {steps: 6, rate: 0.05}}\n",
        f"{FRESH}}}, loop: {{steps: 6, rate: 0.05}}}}\n    counts: [2]\n",
        "`$.predictors[1].counts`",
    ),
    ("    family: bag\n", "", "without `family`"),
    ("train: {first: 0, count: 2, steps: 10, sets: 2}\n", "", "`$.predictors[1]`"),
    (
        "batch: 8, balance: 0.5",
        FRESH.replace(PLACE, "world: robot-cell"),
        "schema",
    ),
    ("batch: 8", "walks: [{world: robot-cell, driver: everyday, seeds: [1], steps: 5}]", "walks"),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG, ids=lambda part: str(part)[:24])
def test_a_wrong_model_is_refused_before_anything_runs(old: str, new: str, said: str) -> None:
    with pytest.raises(Error, match="WG490") as caught:
        experiment(old, new)
    assert said in str(caught.value)
