"""The family `language`, on a tiny model with weights drawn at random and a tokenizer trained on the spot."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
pytest.importorskip("transformers", reason="needs worldgate[language]")
pytest.importorskip("llguidance", reason="needs worldgate[language]")
import torch

from tests.models import tiny_language
from tests.models.test_text import WORLDS, as_text, assert_fits, steps
from worldgate.facts import BYTES, DECIMAL, Edit, Relation, Schema, State, Type, references
from worldgate.horizon.trajectory import net
from worldgate.models.document import Loop, Training
from worldgate.models.errors import BadTraining
from worldgate.models.language import FAMILY
from worldgate.models.language.encoder import Config
from worldgate.models.language.errors import BadLanguageModel, MissingLanguage
from worldgate.models.language.lines import grammar, line, read
from worldgate.models.predictor import Learning, learned
from worldgate.models.source import Place, Source
from worldgate.models.text.grammar import Caps, nameable
from worldgate.models.training import train
from worldgate.worlds import get

WORLD = "network-0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("language")
    tiny_language.made(made, [line(step.delta) for step in steps(WORLD)])
    return made


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(folder: Path, **changes: Any) -> Config:
    return msgspec.structs.replace(Config(str(folder), block=1000, reply=96, examples=2, facts=4, edits=4), **changes)


@cache
def loud(folder: Path, world: str = WORLD, named: bool = False) -> Any:
    """A net with weights drawn so large that it says many things."""
    asked = config(folder, named=named, examples=0)
    made = FAMILY.net(asked, FAMILY.encoder(asked, get(world).schema, steps(world)))
    torch.manual_seed(2)
    for weight in made.parameters():
        weight.data.normal_(std=0.7)
    return made.eval()


@pytest.mark.parametrize("world", WORLDS)
def test_a_delta_is_one_line_that_its_grammar_lets_through(world: str, folder: Path) -> None:
    import llguidance

    made = llguidance.LLTokenizer(str(folder / "tokenizer.json"), n_vocab=330, eos_token=0)
    matcher = llguidance.LLMatcher(made, grammar(get(world).schema, Caps(64, 10_000)))
    for step in steps(world):
        text = line(step.delta)
        assert "\n" not in text
        assert as_text(read(step.before, text)) == as_text(step.delta)
        tokens, reading = made.tokenize_str(text), matcher.deep_copy()
        assert reading.try_consume_tokens(tokens) == len(tokens)
        assert reading.is_accepting()


def test_every_type_has_a_line_and_a_grammar() -> None:
    import llguidance

    bounded = Type("decimal", low=-1, high=2)
    schema = Schema("all", "1", [Relation("r", (("a", BYTES), ("b", DECIMAL)), bounded)])
    state, delta = (
        State.of(schema),
        (Edit("r", (b"\x00\xff", 10 * bounded.python("0.1")), None, bounded.python("-0.5")),),
    )
    assert line(delta) == '[["r",["00ff",1],-0.5]]'
    assert read(state, line(delta)) == delta
    assert read(state, '[["r",["00",1],9],["r",["01",1],1],["r",["0') == (Edit("r", (b"\x01", 1), None, 1),)
    assert not llguidance.LLMatcher.validate_grammar(grammar(schema))


@pytest.mark.parametrize(("world", "named"), [("filesystem", False), ("market", False), ("network", True)])
def test_whatever_the_weights_the_delta_fits_the_schema(world: str, named: bool, folder: Path) -> None:
    found = set()
    pairs = [(step.before, step.action) for step in steps(world)[:6]]
    for (state, action), said in zip(pairs, loud(folder, world, named).predict(pairs), strict=True):
        assert_fits(state.schema, said.delta)
        assert 0.0 <= said.uncertainty <= 1.0
        found.add(said.delta)
        if named:
            known = nameable(state, action)
            assert all(name in known[kind] for kind, name in references(state.schema).among(said.delta))
    assert any(found)


def test_a_batch_says_what_each_says_alone(folder: Path) -> None:
    made, pairs = loud(folder), [(step.before, step.action) for step in steps(WORLD)[:4]]
    for pair, said in zip(pairs, made.predict(pairs), strict=True):
        (alone,) = made.predict([pair])
        assert alone.delta == said.delta
        assert alone.uncertainty == pytest.approx(said.uncertainty, abs=1e-4)


def test_it_learns_what_it_is_shown_and_keeps_it(folder: Path) -> None:
    lessons = [step for step in steps(WORLD) if step.net][:3]
    asked = config(folder, examples=0)
    encoder = FAMILY.encoder(asked, get(WORLD).schema, lessons)
    made = FAMILY.net(asked, encoder).train()
    arrays = encoder.batch([question for step in lessons for question in encoder.questions(step)])
    batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-2)
    for _ in range(50):
        loss = made.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pairs = [(step.before, step.action) for step in lessons]
    said = made.eval().predict(pairs)
    assert [net(one.delta) for one in said] == [step.net for step in lessons]
    kept = {name: value.clone() for name, value in made.state_dict().items()}
    again = FAMILY.net(asked, FAMILY.restored(pickle.loads(pickle.dumps(encoder)).document(), get(WORLD).schema))
    again.load_state_dict(kept)
    assert again.eval().predict(pairs) == said


@pytest.mark.parametrize("tied", [True, False])
def test_each_weight_is_kept_once(tied: bool, tmp_path: Path) -> None:
    tiny_language.made(tmp_path, ["a"], tied=tied)
    asked = config(tmp_path, examples=0)
    one, other = (FAMILY.net(asked, FAMILY.encoder(asked, get(WORLD).schema, ())) for _ in range(2))
    for weight in one.parameters():
        weight.data.add_(1.0)
    kept = one.state_dict()
    assert len({value.data_ptr() for value in kept.values()}) == len(kept) == len(list(one.parameters()))
    other.load_state_dict(kept)
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters(), strict=True))


def test_what_was_calibrated_or_learns_is_a_copy_with_its_own_weights(folder: Path, tmp_path: Path) -> None:
    source = Source(2, (Place(WORLD, ("everyday",)),), walks_each=1, episode=3, sample=2)
    asked = msgspec.to_builtins(config(folder, reply=32, edits=2))
    path = train(Training("language", source, asked, Loop(steps=2), calibrate=1), tmp_path / "a")
    one, plain = learned(path, get(WORLD).schema, Learning(rate=1.0)), learned(path, get(WORLD).schema)
    first = steps(WORLD)[0]
    before = [weight.clone() for weight in plain._net.parameters()]
    one.learn(first.before, first.action, first.delta)
    assert all(torch.equal(*pair) for pair in zip(before, plain._net.parameters(), strict=True))
    assert not any(torch.equal(*pair) for pair in zip(before, one._net.parameters(), strict=True))
    assert one.predict(first.before, first.action) is not None


def test_weights_in_half_precision_are_trained_in_whole(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "half")
    from transformers import GPT2LMHeadModel

    GPT2LMHeadModel.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(tmp_path / "half")
    asked = config(tmp_path / "half", examples=0)
    net = FAMILY.net(asked, FAMILY.encoder(asked, get(WORLD).schema, steps(WORLD)))
    assert {weight.dtype for weight in net.parameters()} == {torch.float32}
    cut = tmp_path / "half" / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-9])
    with pytest.raises(BadLanguageModel, match="half"):
        FAMILY.net(asked, FAMILY.encoder(asked, get(WORLD).schema, steps(WORLD)))


def test_examples_are_shown_and_the_room_is_kept(folder: Path) -> None:
    step = steps("network")[-1]
    small = config(folder, block=700)
    encoder = FAMILY.encoder(small, get("network").schema, steps("network"))
    tokens = encoder.prompt(step.before, step.action)
    assert 700 - 96 - 80 < len(tokens) <= 700 - 96
    text = encoder.text(tokens)
    assert text.count("Changes: [") == 2
    assert text.endswith(f"\nAction: {step.action}\nChanges: ")
    with pytest.raises(BadTraining, match="tokens of examples"):
        FAMILY.encoder(config(folder, block=200), get("network").schema, steps("network"))


def test_a_model_that_keeps_no_keys_and_values_is_refused(folder: Path, tmp_path: Path) -> None:
    from transformers import MambaConfig, MambaForCausalLM

    small = MambaConfig(vocab_size=330, hidden_size=16, state_size=4, num_hidden_layers=1, eos_token_id=0)
    MambaForCausalLM(small).save_pretrained(tmp_path)
    shutil.copy(folder / "tokenizer.json", tmp_path)
    asked = config(tmp_path)
    encoder = FAMILY.encoder(asked, get(WORLD).schema, steps(WORLD))
    step = steps(WORLD)[0]
    with pytest.raises(BadLanguageModel, match="MambaForCausalLM"):
        FAMILY.net(asked, encoder).eval().predict([(step.before, step.action)])


def test_what_is_no_language_model_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = get(WORLD).schema
    for path in ("", str(tmp_path)):
        with pytest.raises(BadLanguageModel):
            FAMILY.encoder(Config(path), schema, ())
    encoder = FAMILY.encoder(config(folder), schema, ())
    with pytest.raises(BadLanguageModel, match="another tokenizer"):
        FAMILY.restored(msgspec.structs.replace(encoder.document(), tokenizer="0" * 64), schema)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BadLanguageModel, match="eos_token_id"):
        FAMILY.encoder(Config(str(tmp_path)), schema, ())
    (tmp_path / "config.json").write_text('{"eos_token_id": 0}')
    with pytest.raises(BadLanguageModel, match=r"tokenizer\.json"):
        FAMILY.encoder(Config(str(tmp_path)), schema, ())
    with pytest.raises(BadLanguageModel):
        FAMILY.net(config(tmp_path), encoder)
    with pytest.raises(BadLanguageModel, match="at most 1024"):
        FAMILY.net(config(folder, block=5000), encoder)
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(MissingLanguage, match=r"worldgate\[language\]"):
        FAMILY.net(config(folder), encoder)
