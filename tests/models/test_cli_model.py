"""The commands of models, as they are typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.lab.tiny import ROOT, interrupted
from tests.models import bag
from worldgate.cli_model import model_app
from worldgate.facts import Error
from worldgate.models.document import load_training
from worldgate.models.training import saved, train

pytest.importorskip("torch", reason="torch is not installed (extra learn)")


LONG = """
family: relational
config: {width: 8, head: 8}
source:
  places: [{world: network, options: {hosts: 4, start: scattered}, drivers: [everyday]}]
  batch: 4
  sample: 4
loop: {steps: 9999}
"""


def model(*words: object) -> str:
    result = CliRunner().invoke(model_app, [str(word) for word in words])
    if result.exception:
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


def test_from_a_file_to_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bag.yaml").write_text(bag.TRAINING.replace("steps: 30", "steps: 4"))
    made = json.loads(model("train", "bag.yaml", "--to", "models/a", "--save-every", 2, "--json"))
    assert (made["checkpoint"], made["steps"]) == ("models/a", 4)
    assert len(made["losses"]) == 4
    with pytest.raises(Error, match=r"WG512.*Resume"):
        model("train", "bag.yaml", "--to", "models/a")
    assert "4 steps of bag in models/a" in model("train", "bag.yaml", "--to", "models/a", "--resume")
    shown = json.loads(model("show", "models/a", "--json"))
    assert shown["digest"] == made["digest"]
    assert shown["card"]["training"]["seed"] == 3
    assert made["digest"] in model("show", "models/a")
    assert "network" in model("show", "models/a")
    with pytest.raises(Error, match="WG512"):
        model("show", "bag.yaml")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "nowhere.yaml", "--to", "a"), "WG904.*no such file as nowhere.yaml;"),
        (("train", ".", "--to", "a"), "WG904.*[.], which is a folder"),
        (("show", "nowhere"), "WG512.*no such file as nowhere;"),
        (("show", "."), "WG512.*[.], which is a folder"),
    ],
    ids=str,
)
def test_a_file_that_is_not_there_is_named_once(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Error, match=said):
        model(*words)


@pytest.mark.parametrize("to", ["taken/a", "."])
def test_where_a_checkpoint_cannot_be_written_nothing_is_trained(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").touch()
    training = load_training(bag.TRAINING, "bag.yaml")
    with pytest.raises(OSError, match=to.partition("/")[0]):
        train(training, Path(to), step=lambda *_: pytest.fail("began"))
    assert {one.name for one in tmp_path.iterdir()} == {"taken"}


USED = """
from pathlib import Path
from tests.models import lamps
from worldgate.horizon import roll, rollout
from worldgate.models.predictor import learned
from worldgate.worlds import world_of

world = world_of("lamps", {})
record = rollout(roll(world, "any", 3, 40), learned("a", world.schema))
print(len(record.divergences))
"""


def test_a_world_of_yours_is_trained_on_and_no_key_is_said_that_its_schema_refuses(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(lamps_training())
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}

    def ran(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=path, text=True, capture_output=True, check=False, timeout=250
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    ran("-m", "worldgate", "model", "train", "t.yaml", "--to", "a", "--use", "tests.models.lamps", "-j", "1")
    assert "schema      lamps" in ran("-m", "worldgate", "model", "show", "a")
    assert int(ran("-c", USED)) == 40


def lamps_training() -> str:
    """Read without importing what it is in, which registers a world."""
    return (Path(__file__).with_name("lamps.py").read_text().split('TRAINING = """')[1]).split('"""')[0]


def test_an_interrupt_ends_the_workers_quietly_and_says_how_to_go_on(tmp_path: Path) -> None:
    file, state = tmp_path / "t.yaml", tmp_path / "a.state"
    file.write_text(LONG)
    command = ["model", "train", file, "--to", tmp_path / "a", "-j", "2", "--save-every", "2"]
    said = interrupted(command, state.exists, tmp_path)
    assert f"WG905 interrupted\n  found an interrupt, with {saved(tmp_path / 'a')} steps saved" in said
    assert "--resume" in said
    with pytest.raises(Error, match=r"WG512.*unfinished training, after .* of 9999 steps.*--resume"):
        model("show", state)
