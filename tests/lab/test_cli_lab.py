"""The lab's commands, as they are typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.lab.tiny import TINY, interrupted
from worldgate.cli_lab import lab_app
from worldgate.facts import Error

QUICK = TINY.replace("drivers: [everyday, outages]", "drivers: [everyday]").replace("sets: 2", "sets: 1")


def lab(*words: object) -> str:
    result = CliRunner().invoke(lab_app, [str(word) for word in words])
    if result.exception:
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


def test_from_a_file_to_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(QUICK)
    with pytest.raises(Error, match=r"WG494.*48 of 48 runs"):
        lab("figure", "tiny.yaml")
    ran = json.loads(lab("run", "tiny.yaml", "--json"))
    assert (ran["runs"], ran["new"], ran["records"]) == (48, 48, "records/tiny")
    again = lab("run", "tiny.yaml", "-j", "2")
    assert "48 runs in records/tiny, 0 of them new" in again
    assert again.splitlines()[-1] == "to see them: worldgate lab figure tiny.yaml"
    Path("records").rename("some records")
    seen = shlex.split(lab("run", "tiny.yaml", "--records", "some records/tiny").splitlines()[-1].partition(": ")[2])
    assert lab(*seen[2:]).split()[-1] == "tiny.md"
    Path("some records").rename("records")
    assert lab("figure", "tiny.yaml").split() == ["tiny.csv", "tiny-policies.svg", "tiny-area.svg", "tiny.md"]
    assert json.loads(lab("figure", "tiny.yaml", "--page", "docs/t.md", "--json"))["written"][-1] == "docs/t.md"
    assert "](t-area.svg)" in Path("docs/t.md").read_text()


def test_an_interrupt_says_where_what_is_finished_lies_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text(QUICK.replace("count: 3", "count: 4000"))
    command = ["lab", "run", "long.yaml", "-j", "2"]
    said = interrupted(command, lambda: list(tmp_path.glob("records/tiny/*.parquet")), tmp_path)
    assert "WG905 interrupted" in said
    assert "What was finished is in records/tiny" in said


def test_data_for_training(tmp_path: Path) -> None:
    out = tmp_path / "a.parquet"
    words = ("data", "network", "--driver", "everyday", "--steps", 20, "--negatives", 3, "--out", out, "--option")
    assert "20 transitions of network" in lab(*words, "hosts=6")
    with pytest.raises(Error, match="WG901"):
        lab(*words, "hosts")
    with pytest.raises(Error, match="WG496"):
        lab(*words, "hosts=6")
    for wrong in ("guests=6", "hosts=abc", "hosts=-4"):
        with pytest.raises(Error, match=r"WG202.*(guests|`\$.options.hosts`)"):
            lab("data", "network", "--driver", "everyday", "--steps", 2, "--out", tmp_path / "b", "--option", wrong)
    with pytest.raises(Error, match="WG202"):
        lab("data", "nowhere", "--driver", "everyday", "--steps", 20, "--out", tmp_path / "b")
