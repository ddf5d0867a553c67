"""A causal language model as a net: transformers runs it, llguidance says which of its tokens may follow.

Whatever the weights, the delta fits the schema; what is not finished after `reply` tokens is not said.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ...facts import Edit, State
from ...horizon.predictor import Prediction
from ..text.batch import learned
from ..text.decoding import decode
from ..text.grammar import Caps, Ids, nameable
from .encoder import Config, LanguageEncoder
from .errors import BadLanguageModel, library
from .lines import grammar, read


class LanguageNet(nn.Module):
    """The net of the family `language`. Its weights are the model's own until it is trained."""

    def __init__(self, config: Config, encoder: LanguageEncoder) -> None:
        super().__init__()
        self.config, self.encoder = config, encoder
        transformers, guidance = library("transformers"), library("llguidance")
        library("llguidance.numpy")
        try:
            self.model = transformers.AutoModelForCausalLM.from_pretrained(
                config.path, local_files_only=True, dtype=torch.float32
            )  # small steps would be rounded away in the half precision that many are kept in
        except (OSError, ValueError, RuntimeError, library("safetensors").SafetensorError) as error:
            raise BadLanguageModel(
                f"{config.path}: {error!s:.200}", "a causal model that transformers loads"
            ) from error
        if config.block > getattr(self.model.config, "max_position_embeddings", config.block):
            raise BadLanguageModel(f"block {config.block}", f"at most {self.model.config.max_position_embeddings}")
        self.size = self.model.get_output_embeddings().weight.shape[0]
        self._tokens = guidance.LLTokenizer(f"{config.path}/tokenizer.json", n_vocab=self.size, eos_token=encoder.stop)
        self.caps = Caps(config.edits, config.characters)
        hooks: Any = self  # untyped there
        hooks.register_state_dict_post_hook(_without_twins)
        hooks.register_load_state_dict_pre_hook(_with_twins)

    def __deepcopy__(self, memo: dict[int, Any]) -> LanguageNet:
        """A copy that shares what reads and writes tokens, which cannot be copied and has no weights."""
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__dict__ |= {
            name: part if name in {"_tokens", "_unnamed"} else deepcopy(part, memo)
            for name, part in self.__dict__.items()
        }
        return made

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean cross-entropy of the changes' tokens, in nats."""
        tokens, places = batch["tokens"], learned(batch)
        logits = self.model(input_ids=tokens).logits  # what stands behind a row's end is behind all that is learned
        return cross_entropy(logits[:, :-1][places], tokens[:, 1:][places])

    @torch.inference_mode()
    def predict(self, pairs: Sequence[tuple[State, Any]]) -> list[Prediction]:
        """The deltas expected, with the uncertainty that the config asks for."""
        if not pairs:
            return []
        cursors = [Cursor(self, *pair) for pair in pairs]
        run = Run(self.model, [self.encoder.prompt(*pair) for pair in pairs])
        said = decode(cursors, run.logits, run.follow, self.encoder.reply)
        return [Prediction(one.delta, one.wrong if self.config.uncertainty == "wrong" else one.entropy) for one in said]

    def matcher(self, state: State, action: Any) -> Any:
        """The automaton of the deltas that may be said."""
        if not self.config.named:
            return self._unnamed.deep_copy()
        return self._matcher(grammar(state.schema, self.caps, nameable(state, action)))

    @cached_property
    def _unnamed(self) -> Any:
        return self._matcher(grammar(self.encoder.schema, self.caps))

    def _matcher(self, text: str) -> Any:
        found = library("llguidance").LLMatcher(self._tokens, text)
        if found.is_error():
            raise BadLanguageModel(found.get_error()[:200], "a grammar and a tokenizer that llguidance reads")
        return found


class Cursor:
    """A place in the text of a delta, as `text.decoding` asks for."""

    def __init__(self, net: LanguageNet, state: State, action: Any) -> None:
        self._net, self._state, self._matcher = net, state, net.matcher(state, action)
        self._said: list[int] = []

    @property
    def allowed(self) -> Ids | None:
        """The tokens that may follow, None at the end."""
        if self._matcher.is_stopped():
            return None
        masks = library("llguidance.numpy")
        mask = masks.allocate_token_bitmask(1, self._net.size)
        masks.fill_next_token_bitmask(self._matcher, mask, 0)
        return np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little")[: self._net.size])

    def push(self, token: int) -> None:
        """Take one of the allowed tokens."""
        self._said.append(token)
        self._matcher.consume_token(token)

    @property
    def edits(self) -> Sequence[Edit]:
        """The finished ones."""
        return read(self._state, self._net.encoder.text(self._said))


class Run:
    """Sequences being decoded, padded at their beginnings. `logits` are those after the prompts."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]]) -> None:
        longest = max(map(len, prompts))
        rows = [[[0] * (longest - len(prompt)), [1] * len(prompt)] for prompt in prompts]
        tokens = [[*pad, *prompt] for (pad, _), prompt in zip(rows, prompts, strict=True)]
        self.model, self.live = model, list(range(len(prompts)))
        self.seen = torch.tensor([[*pad, *ones] for pad, ones in rows], device=model.device)
        self.kept: Any = None
        self.logits = self._step(torch.tensor(tokens, device=model.device))

    def _step(self, tokens: Tensor) -> Tensor:
        at = (self.seen.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        found = self.model(
            input_ids=tokens, attention_mask=self.seen, position_ids=at, past_key_values=self.kept, use_cache=True
        )
        self.kept = getattr(found, "past_key_values", None)
        if self.kept is None:
            raise BadLanguageModel(f"{type(self.model).__name__}, which keeps no keys and values", "a model that does")
        return found.logits[:, -1]  # type: ignore[no-any-return]

    def follow(self, rows: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """See `decoding.Follow`. Rows that have ended are carried along."""
        self.live = [self.live[row] for row in rows]
        fed = torch.zeros((len(self.seen), 1), dtype=torch.long, device=self.seen.device)
        fed[self.live, 0] = torch.tensor(tokens, device=fed.device)
        self.seen = torch.cat((self.seen, torch.ones_like(fed)), 1)
        return self._step(fed)[self.live]


def _twins(net: nn.Module) -> dict[str, str]:
    """Weights that have two names: the name that is not kept, and the one that is."""
    names = {id(weight): name for name, weight in net.named_parameters()}
    every = net.named_parameters(remove_duplicate=False)
    return {name: names[id(weight)] for name, weight in every if names[id(weight)] != name}


def _without_twins(net: nn.Module, state: dict[str, Tensor], *_: Any) -> None:
    for name in _twins(net):
        state.pop(name, None)


def _with_twins(net: nn.Module, state: dict[str, Tensor], *_: Any) -> None:
    state.update({name: state[kept] for name, kept in _twins(net).items() if kept in state})
