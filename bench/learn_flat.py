"""What the flat family's predictions cost: together and one by one, with keys and values kept and without.

    python bench/learn_flat.py                 # 5 hosts, one thread
    python bench/learn_flat.py --hosts 25

A net of the default sizes is trained for a moment, so that its deltas are as long as real ones. Seconds are of the
processor. Without, each token is computed from all before it. Both must say the same.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from worldgate.facts import State
from worldgate.horizon.trajectory import Step, net, roll
from worldgate.models.family import family_of
from worldgate.models.flat.encoder import Config
from worldgate.models.flat.net import FlatNet, Run
from worldgate.models.text.decoding import decode
from worldgate.models.text.grammar import Caps
from worldgate.worlds.network import Network

Pairs = Sequence[tuple[State, Any]]


def trained(steps: Sequence[Step], schema: Any, count: int) -> FlatNet:
    """A net of the default sizes after `count` steps on 32 of these transitions at a time."""
    torch.manual_seed(0)
    family, config = family_of("flat"), Config()
    encoder = family.encoder(config, schema, steps)
    made: FlatNet = family.net(config, encoder)
    optimizer = torch.optim.AdamW(made.parameters(), lr=3e-3)
    asked = [question for step in steps for question in encoder.questions(step)]
    for number in range(count):
        chosen = [asked[(32 * number + at) % len(asked)] for at in range(32)]
        loss = made.loss({name: torch.from_numpy(array) for name, array in encoder.batch(chosen).items()})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return made.eval()


class Anew(Run):
    """Sequences whose every token is computed from all before it."""

    def __init__(self, made: FlatNet, prompts: Sequence[Sequence[int]]) -> None:
        self.made, self.rows = made, [list(prompt) for prompt in prompts]
        self.logits = self._last()

    def _last(self) -> torch.Tensor:
        longest = max(map(len, self.rows))
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row in self.rows])
        ends = torch.tensor([len(row) - 1 for row in self.rows])
        return self.made.head(self.made(tokens)[torch.arange(len(ends)), ends])

    def follow(self, rows: Sequence[int], tokens: Sequence[int]) -> torch.Tensor:
        self.rows = [[*self.rows[row], token] for row, token in zip(rows, tokens, strict=True)]
        return self._last()


@torch.no_grad()
def anew(made: FlatNet, pairs: Pairs) -> list[Any]:
    """The deltas, without anything kept."""
    run = Anew(made, [made.encoder.prompt(*pair) for pair in pairs])
    cursors = [made.grammar.cursor(state, caps=Caps(made.config.edits)) for state, _ in pairs]
    return [said.delta for said in decode(cursors, run.logits, run.follow, made.encoder.reply)]


def kept(made: FlatNet, pairs: Pairs) -> list[Any]:
    """The deltas, as the family predicts them."""
    return [said.delta for said in made.predict(pairs)]


def rate(how: Callable[[Pairs], list[Any]], pairs: Pairs, batch: int) -> tuple[float, list[Any]]:
    """Predictions a second, the best of three times, and what was said."""
    best, said = 0.0, []
    for _ in range(3):
        begin = time.process_time()
        said = [delta for at in range(0, len(pairs), batch) for delta in how(pairs[at : at + batch])]
        best = max(best, len(pairs) / (time.process_time() - begin))
    return best, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=5)
    parser.add_argument("--train", type=int, default=150, help="steps of training")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    world = Network("network-0", hosts=asked.hosts, start="empty")
    steps = [step for seed in range(3) for step in roll(world, "weighted", seed, 40).steps]
    made = trained(steps, world.schema, asked.train)
    unseen = [step for seed in (100, 101, 102) for step in roll(world, "weighted", seed, 24).steps]
    pairs = [(step.before, step.action) for step in unseen]
    shown = sum(len(made.encoder.prompt(*pair)) for pair in pairs) / len(pairs)
    said = sum(len(made.encoder.vocabulary.delta(step.before, step.delta)) for step in unseen) / len(unseen)
    print(f"{asked.hosts} hosts: prompts of {shown:.0f} tokens, deltas of {said:.1f}")
    for batch in (1, len(pairs)):
        (fast, one), (slow, other) = (rate(partial(how, made), pairs, batch) for how in (kept, anew))
        assert one == other, "keys and values that are kept change what is said"
        print(f"{batch:3} at a time: {fast:6.0f} a second, without kept keys {slow:6.0f} (ratio {fast / slow:.1f})")
    exact = sum(net(delta) == step.net for delta, step in zip(one, unseen, strict=True))
    print(f"exact: {exact} of {len(unseen)}")


if __name__ == "__main__":
    main()
