"""The commands of models, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.models import bag
from worldgate.cli_model import model_app
from worldgate.facts import Error

pytest.importorskip("torch", reason="torch is not installed (extra learn)")


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
