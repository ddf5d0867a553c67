"""Training: one document, one checkpoint, byte for byte, wherever it was stopped; and what else is promised."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from tests.lab.tiny import ROOT, elsewhere
from tests.models import bag
from worldgate.facts import Edit, Error, State
from worldgate.horizon import Prediction
from worldgate.horizon.trajectory import Step
from worldgate.models import checkpoint, forcing
from worldgate.models.document import Loop, Training, json_schema, load_training
from worldgate.models.episodes import Row
from worldgate.models.errors import BadCheckpoint, BadTraining, Diverged
from worldgate.models.family import FAMILIES, family_of, register
from worldgate.models.forcing import SelfForcing
from worldgate.models.predictor import Learning
from worldgate.models.residual import Look
from worldgate.models.reward import Reward
from worldgate.models.source import Place, Source, Walks, checked
from worldgate.models.training import saved, state_of, train
from worldgate.worlds import Transition, get
from worldgate.worlds.documents import load_document

torch = pytest.importorskip("torch", reason="torch is not installed (extra learn)")

WHOLE = load_training(bag.TRAINING, "bag.yaml")
SHORT = replace(WHOLE, loop=Loop(steps=14, rate=0.05, ema=0.9, self_forcing=SelfForcing(begin=0.0, horizon=3, walks=2)))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return train(SHORT, tmp_path_factory.mktemp("short") / "a").read_bytes()


def test_a_model_learns_what_is_there_to_learn(tmp_path: Path) -> None:
    losses: list[float] = []
    steps: list[int] = []
    train(WHOLE, tmp_path / "a", step=lambda done, loss: (steps.append(done), losses.append(loss)))
    assert steps == list(range(1, 31))
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(workers: int, short: bytes, tmp_path: Path) -> None:
    assert train(SHORT, tmp_path / "a", workers=workers).read_bytes() == short


def test_the_random_numbers_of_others_neither_matter_nor_change(short: bytes, tmp_path: Path) -> None:
    torch.manual_seed(99)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    assert train(SHORT, tmp_path / "a").read_bytes() == short
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert train(replace(SHORT, seed=4), tmp_path / "b").read_bytes() != short


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.models.test_training import SHORT
from worldgate.models.predictor import Learning
from worldgate.models.source import Place, Source, Walks, checked
from worldgate.models.training import train

def part(path, kind, place):
    real, calls = os.fsync, 0
    def here(*_):
        nonlocal calls
        calls += 1
        if calls == place:
            os.kill(os.getpid(), signal.SIGKILL)
    def fsync(file):
        here()
        real(file)
    if kind == "write":
        os.fsync = fsync
    train(SHORT, path, resume=True, save_every=3, step=here if kind == "step" else lambda *_: None)

path = Path(sys.argv[1])
path.parent.mkdir()
train(SHORT, path.with_name("warm"))  # so that no child imports torch anew
for kind, place in [("step", 2), ("write", 1), ("write", 2), ("step", 2), ("step", 6), ("write", 3), ("write", 3)]:
    child = os.fork()
    if not child:
        part(path, kind, place)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sorted(one.name for one in path.parent.iterdir()))
"""


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(short: bytes, tmp_path: Path) -> None:
    ran = elsewhere(KILLED, tmp_path / "records" / "a")
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["-9"] * 7
    assert not (tmp_path / "records" / "a").exists() or (tmp_path / "records" / "a").read_bytes() == short
    done: list[int] = []
    path = train(SHORT, tmp_path / "records" / "a", resume=True, step=lambda number, _: done.append(number))
    assert path.read_bytes() == short
    assert len(done) < 14
    assert not path.with_name("a.state").exists()
    path.with_name("a.state").write_bytes(b"as if it were killed before it was removed")
    assert train(SHORT, path, resume=True, step=lambda *_: pytest.fail("trained again")) == path
    assert not path.with_name("a.state").exists()


def test_nothing_that_is_there_is_overwritten_or_taken_for_another(short: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(short)
    with pytest.raises(BadCheckpoint, match=r"WG512.*there already"):
        train(SHORT, path)
    with pytest.raises(BadCheckpoint, match=r"differs in training.seed \(3 there, 4 here\).*--resume.*--to"):
        train(replace(SHORT, seed=4), path, resume=True)
    path.rename(path.with_name("a.state"))
    with pytest.raises(BadCheckpoint, match="WG512"):
        train(SHORT, path, resume=True)
    assert not path.exists()


def test_the_state_of_an_unfinished_training_is_no_checkpoint(tmp_path: Path) -> None:
    class Stopped(Exception): ...

    def stop(done: int, _: float) -> None:
        if done == 5:
            raise Stopped

    path = tmp_path / "a"
    assert saved(path) == 0
    with pytest.raises(Stopped):
        train(SHORT, path, save_every=3, step=stop)
    assert saved(path) == 3
    for ask in (checkpoint.describe, lambda state: checkpoint.load(state, get("network").schema)):
        with pytest.raises(BadCheckpoint, match=r"unfinished training, after 3 of 14 steps.*--resume"):
            ask(state_of(path))
    state_of(path).rename(path)
    with pytest.raises(BadCheckpoint, match="unfinished training"):
        train(SHORT, path, resume=True)


def test_a_loss_that_is_no_number_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bag.Encoder, "features", lambda self, *_: np.full(self.made.features, np.inf, np.float32))
    with pytest.raises(Diverged, match=r"WG513.*step 0"):
        train(WHOLE, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_the_rate_rises_and_falls_to_zero() -> None:
    for decay in ("cosine", "linear"):
        rates = [Loop(steps=100, rate=2.0, warm_up=0.1, decay=decay).rate_at(step) for step in range(101)]
        assert rates[:11] == sorted(rates[:11])
        assert rates[10] == max(rates) == 2.0
        assert rates[10:] == sorted(rates[10:], reverse=True)
        assert rates[100] == 0.0


def test_self_forcing_rises() -> None:
    how = SelfForcing(share=0.6, begin=0.2, full=0.7)
    assert [round(how.at(done), 9) for done in (0.0, 0.2, 0.45, 0.7, 1.0)] == [0.0, 0.0, 0.3, 0.6, 0.6]
    assert SelfForcing(share=1.0, begin=0.5, full=0.5).at(0.5) == 1.0


def test_a_rollout_that_comes_to_no_fact_at_all_goes_on() -> None:
    world, text = get("support-desk"), "anything"
    state = world.initial(0)
    nothing = Prediction(tuple(Edit(name, key, value, None) for name, key, value in state.facts()))

    class Answering:
        schema = world.schema

        def parse(self, text: str) -> str:
            return text

        def step(self, state: State, action: str) -> Transition:
            return Transition(state, (), None, frozenset())

    step = Step(state, text, text, (), state, {})
    found = forcing._next(Row(Answering(), [step, step]), step, nothing, 1, forcing._answered)
    assert found is not None
    assert len(found[1].before) == 0


def test_a_checkpoint_says_what_it_is_and_is_refused_elsewhere(short: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(short)
    schema = get("network").schema
    found = checkpoint.load(path, schema)
    assert found.digest == hashlib.sha256(short).hexdigest()
    assert msgspec.convert(found.card.training, Training) == SHORT
    assert (found.card.steps, found.card.schema, found.card.family) == (14, schema.name, "bag")
    assert msgspec.to_builtins(found.encoder.document()) == found.card.encoder
    with pytest.raises(BadCheckpoint, match="of schema"):
        checkpoint.load(path, get("support-desk").schema)
    for cut in range(0, len(short), 997):
        path.write_bytes(short[:cut])
        with pytest.raises(BadCheckpoint, match="WG512"):
            checkpoint.load(path, schema)
    with pytest.raises(BadCheckpoint, match="WG512"):
        checkpoint.load(tmp_path / "nowhere", schema)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "of format 1"),
        ({"family": "bags"}, "bags"),
        ({"config": {"features": 5}}, "size mismatch"),
        ({"encoder": {"features": 128}}, "deltas"),
        ({"more": 1}, "more"),
    ],
)
def test_a_checkpoint_whose_card_does_not_fit_is_refused(change: dict, said: str, short: bytes, tmp_path: Path) -> None:
    from safetensors.torch import load, save

    (tmp_path / "a").write_bytes(short)
    card = msgspec.to_builtins(checkpoint.describe(tmp_path / "a")) | change
    (tmp_path / "b").write_bytes(save(load(short), {"worldgate": json.dumps(card)}))
    with pytest.raises(BadCheckpoint, match=said):
        checkpoint.load(tmp_path / "b", get("network").schema)
    (tmp_path / "b").write_bytes(save(load(short), {"other": "{}"}))
    with pytest.raises(BadCheckpoint, match="nothing of worldgate"):
        checkpoint.load(tmp_path / "b", get("network").schema)


WRONG = [
    ("family: bag", "family: flag", r"bag.yaml: 'flag' at `\$.family`; expected one of bag, flat"),
    ("features: 128", "features: 1.5", r"`\$.config.features`"),
    ("features: 128", "features: 128, feature: 2", r"`feature`, not one of features, dropout - at `\$.config`"),
    ("seed: 3", "sed: 3", "`sed`, not one of family, source"),
    ("seed: 3", "seed: -1", r"-1, less than 0 at `\$.seed`"),
    ("hosts: 4", "hosts: -4", r">= 2 - at `\$.options.hosts`.* at `\$.source.places\[0\]`"),
    ("hosts: 4", "host: 4", "`host`, not one of hosts, services, start"),
    ("hosts: 4", "hosts: abc", r"`int`, got `str` - at `\$.options.hosts`"),
    ("hosts: 4, start: scattered", "hosts: 740", "740 hosts of a campus, which has at most 739"),
    ("start: scattered", "start: scatterd", "'scatterd', not one of empty, scattered"),
    ("world: network", "world: netwrk", "'netwrk'; expected one of deep-files"),
    ("everyday", "outage", r"'outage' of network, not one of adversarial.* at `\$.source.places\[0\]`"),
    ("batch: 16", "batch: 0", r"0, less than 1 at `\$.source.batch`"),
    ("steps: 30", "steps: 0", r"0, not 1 or more at `\$.loop.steps`"),
    ("rate: 0.05", "rate: .inf", "inf"),
    ("rate: 0.05", "rate: 0.1, ema: 1", "ema"),
    ("rate: 0.05", "rate: 0.1, warm_up: 1", "warm_up"),
    ("rate: 0.05", "rate: 0.1, decay: step", "decay"),
    ("rate: 0.05", "rate: 0.1, self_forcing: {share: 2}", "self_forcing"),
    ("rate: 0.05", "rate: 0.1, self_forcing: {horizon: 0}", "self_forcing"),
    ("batch: 16", "batch: 16\n  unroll: 13", "episode"),
    ("seed: 3", "seed: [", "bag.yaml"),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG, ids=lambda part: str(part)[:30])
def test_a_wrong_training_file_is_refused(old: str, new: str, said: str) -> None:
    assert old in bag.TRAINING
    with pytest.raises(BadTraining, match=f"WG510.*({said})"):
        load_training(bag.TRAINING.replace(old, new, 1), "bag.yaml")


def test_the_published_schema_is_the_one_of_training_files() -> None:
    published = json.loads((ROOT / "docs" / "schemas" / "training.json").read_text(encoding="utf-8"))
    assert published == json.loads(json.dumps(json_schema()))
    jsonschema.validate(json.loads(msgspec.json.encode(SHORT)), published, cls=jsonschema.Draft202012Validator)


def test_the_page_tells_every_field_and_its_file_is_one() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    told = load_document(page.split("```yaml\n")[1].split("```")[0], "models.md", BadTraining)
    checked(msgspec.convert(told, Training).source)
    for kind in (Training, Source, Place, Walks, Look, Loop, SelfForcing, Reward, Learning):
        for name in kind.__struct_fields__:
            assert name in page, name


def test_the_code_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    exec(page.split("```python\n")[1].split("```")[0], {})
    assert capsys.readouterr().out.startswith("(Edit(relation='link', key=('h0', 'h1'), before=None, after=True),) 0.0")


def test_the_page_tells_every_field_of_every_config_and_its_default() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    table = page.split("| field of `config` |")[1].split("\n\n")[0].splitlines()[2:]
    told: dict[str, dict[str, str]] = {}
    families: list[str] = []
    for row in table:
        named, fields, defaults, _ = (cell.strip() for cell in row[1:-1].split("|"))
        families = named.replace("`", "").split(", ") if named else families
        for family in families:
            told.setdefault(family, {}).update(
                zip(fields.replace("`", "").split(", "), defaults.split(", "), strict=True)
            )
    for name in told:
        every = msgspec.structs.fields(family_of(name).config)
        assert {one.name for one in every} == told[name].keys(), name
        for one in every:
            said = told[name][one.name]
            assert said == {"()": "none"}.get(str(one.default), str(one.default)).lower() or float(said) == one.default
    assert told.keys() == {"flat", "graph", "language", "neurosymbolic", "relational"}


def test_without_the_extra_there_is_a_number_and_the_rest_works() -> None:
    code = """
import sys
for name in ("torch", "numpy", "safetensors"):
    sys.modules[name] = None
import worldgate.cli, worldgate.lab
from worldgate.models.document import load_training
load_training("family: flat\\nsource: {places: [{world: network, drivers: [everyday]}]}", "a")
"""
    ran = elsewhere(code)
    assert "WG514" in ran.stderr, ran.stderr
    assert "worldgate[learn]" in ran.stderr


@pytest.mark.parametrize("device", ["abacus", "cpu:0", "meta"])
def test_a_device_that_is_not_there_is_refused(device: str, tmp_path: Path) -> None:
    with pytest.raises(BadTraining, match=f"WG510.*device '{device}'"):
        train(SHORT, tmp_path / "a", device=device)


def test_sums_are_those_of_no_wider_registers_than_all_processors_have() -> None:
    code = "import worldgate.models, torch, os; print(torch.backends.cpu.get_cpu_capability(), os.environ['MKL_CBWR'])"
    names = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA")
    ran = elsewhere(f"import os; [os.environ.pop(name, 0) for name in {names}]; {code}")
    wide = " avx2 " in Path("/proc/cpuinfo").read_text()
    assert ran.stdout == "AVX2 AVX2\n" if wide else "MKL_CBWR" in ran.stderr
    assert elsewhere(code, env=dict.fromkeys(names, "default")).stdout == "DEFAULT default\n"


def test_several_threads_give_the_same_bytes_each_time(tmp_path: Path) -> None:
    place = Place("network", ("everyday", "outages"), {"hosts": 6, "start": "scattered"})
    source = Source(256, (place,), walks_each=8, episode=16, sample=16, share=8, balance=0.3)
    training = Training("relational", source, {"width": 32}, Loop(steps=6))
    one, other = (train(training, tmp_path / name, threads=2).read_bytes() for name in "ab")
    assert one == other
    assert not torch.are_deterministic_algorithms_enabled()


def test_families_are_registered_once() -> None:
    register("bag", "tests.models.bag:FAMILY")
    assert family_of("bag") is bag.FAMILY
    with pytest.raises(Error, match="WG510"):
        register("bag", "elsewhere:FAMILY")
    assert FAMILIES["bag"] == "tests.models.bag:FAMILY"


@pytest.mark.parametrize("place", ["tests.models.bag:KIN", "tests.models.beg:FAMILY", "tests.models.bag:Config"])
def test_a_family_that_is_not_where_it_was_said_to_be_is_refused(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "mine", place)
    with pytest.raises(BadTraining, match=place):
        family_of("mine")
