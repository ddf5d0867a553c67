"""The checkpoints that come with the package, and the command that shows them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from typer.testing import CliRunner

from tests.lab.tiny import elsewhere
from tests.reference import ROOT, commands
from worldgate.cli import app
from worldgate.facts import Error
from worldgate.horizon import roll, rollout
from worldgate.models import trained
from worldgate.models.checkpoint import describe, digest
from worldgate.models.document import Training, load_training
from worldgate.models.predictor import learned
from worldgate.models.training import train
from worldgate.worlds import world_of
from worldgate.worlds.network import Network
from worldgate.worlds.network.starts import LEVEL_0

pytest.importorskip("torch", reason="torch is not installed (extra learn)")

FILES = sorted((ROOT / "examples" / "models").glob("*.yaml"))
SHORT = ("horizon", "demo", "--steps", "24", "--hosts", "5")


def worldgate(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception:
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("hosts", [5, 12])
def test_the_relational_net_is_exact_for_a_hundred_steps(hosts: int) -> None:
    world = world_of("network", {"hosts": hosts, "start": "scattered"})
    true = roll(world, "everyday", 1000, 100)
    assert sum(bool(step.net) for step in true.steps) > 50
    assert set(rollout(true, learned(trained.NETWORK_0, world.schema)).divergences) == {0.0}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_checkpoint_is_made_by_its_file(path: Path, tmp_path: Path) -> None:
    training = load_training(path.read_text(encoding="utf-8"), path.name)
    shipped = Path(trained.__file__).with_name(f"{path.stem}.safetensors")
    card = describe(shipped)
    assert (msgspec.convert(card.training, Training), card.steps) == (training, training.loop.steps)
    assert shipped.stat().st_size < 2_000_000
    loop = msgspec.structs.replace(training.loop, steps=1)
    brief = msgspec.structs.replace(training, loop=loop, calibrate=msgspec.UNSET)
    assert describe(train(brief, tmp_path / "a")).encoder == card.encoder


def test_the_page_says_which_file_the_training_of_the_relational_net_gives() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    made = describe(trained.NETWORK_0).versions
    assert f"`{digest(trained.NETWORK_0)}`" in page
    assert f"torch {made['torch'].removesuffix('+cpu')} (its CPU build), numpy {made['numpy']} and" in page
    assert (made["processor"], made["threads"]) == ("AVX2", "1")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra lab)")
    return json.loads(worldgate(*SHORT, "--to", tmp_path_factory.mktemp("a") / "new", "--json"))


def test_one_stays_true_and_the_other_drifts(told: Any) -> None:
    relational, published = told["predictors"]
    assert (relational["first_wrong"], relational["exact_steps"], relational["mean_divergence"]) == (None, 24, 0.0)
    first, divergences = published["first_wrong"], published["divergences"]
    assert divergences[first] > 0 == sum(divergences[:first])
    assert published["exact_steps"] == divergences.count(0.0) < 24 == len(divergences)
    assert published["mean_divergence"] == pytest.approx(sum(divergences) / 24)


def test_the_figure_is_written(told: Any) -> None:
    assert Path(told["figure"]).parts[-2:] == ("new", "horizon-demo.svg")
    words = "".join(ElementTree.parse(told["figure"]).getroot().itertext())
    assert all(one["predictor"] in words for one in told["predictors"])


def test_the_curve_is_what_the_numbers_say(told: Any) -> None:
    lines = worldgate(*SHORT).splitlines()
    rows = {line[:3]: line[5:].ljust(24) for line in lines if line[3:5] == " |"}
    heights = [next(float(height) for height, marks in rows.items() if marks[at] in "x*") for at in range(24)]
    for height, divergence in zip(heights, told["predictors"][1]["divergences"], strict=True):
        assert height - 0.2 < divergence <= height + 1e-9
    assert set(rows["0.0"]) <= {"o", "*"}
    assert [line.split()[1:-1] for line in lines if line.startswith("relational")] == [["none", "24", "0"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--driver", "nobody"), "WG480.*adversarial, everyday, outages, uniform, weighted"),
        (("--start", "nowhere"), "WG901.*empty, scattered, ring, tree, islands"),
        (("--start", "campus"), "WG901.*one of empty"),
    ],
    ids=str,
)
def test_what_the_world_does_not_have_is_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(Error, match=said):
        worldgate(*SHORT, *words)


def test_the_help_lists_drivers_and_starts_and_hosts_are_bounded() -> None:
    told = {one.name: one.help for one in dict(commands())["worldgate horizon demo"].params}
    drivers = Network(hosts=2, start="empty").drivers
    for name, listed in (("driver", drivers), ("start", LEVEL_0)):
        assert re.findall(r"\w+", told[name].partition(": ")[2].replace(" or ", " ")) == list(listed)
    assert CliRunner().invoke(app, ["horizon", "demo", "--hosts", "100001"]).exit_code == 2


def test_without_extras() -> None:
    code = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None
sys.argv[1:] = ["horizon", "demo", "--steps", "3", *sys.argv[2:]]
from worldgate.cli import main
main()
"""
    assert "WG514" in elsewhere(code, "torch,numpy,safetensors").stderr
    assert "step 2" in elsewhere(code, "matplotlib,pyarrow").stdout
    assert "WG492" in elsewhere(code, "matplotlib,torch", "--to", "figures").stderr
