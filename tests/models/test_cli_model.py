"""The commands of models, as they are typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest
from typer.testing import CliRunner

from tests.models import bag
from worldgate.cli_model import model_app
from worldgate.facts import Error
from worldgate.models.training import saved

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


def _hearing() -> None:
    """Hear interrupts, also where a shell began these tests in the background, which does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_ends_the_workers_quietly_and_says_how_to_go_on(tmp_path: Path) -> None:
    file, state = tmp_path / "t.yaml", tmp_path / "a.state"
    file.write_text(LONG)
    command = [sys.executable, "-m", "worldgate", "model", "train", file, "--to", tmp_path / "a", "-j", "2"]
    with subprocess.Popen(
        [*command, "--save-every", "2"],
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # which a shell may have begun these tests without
    ) as training:
        try:
            while not state.exists() and training.poll() is None:
                sleep(0.05)
        finally:
            os.killpg(training.pid, signal.SIGINT)
        _, said = training.communicate(timeout=100)
    assert training.returncode == 130, said
    assert "Traceback" not in said
    assert f"WG517 training interrupted\n  found an interrupt, with {saved(tmp_path / 'a')} steps saved" in said
    assert "--resume" in said
    with pytest.raises(Error, match=r"WG512.*unfinished training, after .* of 9999 steps.*--resume"):
        model("show", state)
