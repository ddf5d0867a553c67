"""Any world as a Gymnasium environment: the agent predicts, the oracle rewards, and the return is the faithful horizon.

    env = gymnasium.make("worldgate.adapters.gymnasium:worldgate/Horizon-v0", world="network-0", driver="weighted")

An observation is text: the facts, one a line, an empty line, and the action that comes next. What the agent does is
text too: the edits it expects, one a line, as `facts.format_edit` writes them. The reward is 1 while the state it leads
to is within `epsilon` of the true one and 0 otherwise, which also ends the episode. The next observation is the agent's
own predicted state (`free`), as in a rollout without a look; with `free=False` it is the true one.

`info` holds the state, the action and the world's schema as objects, so that an agent that does not read text need not.
"""

from __future__ import annotations

import string
from random import Random
from typing import Any

from ..facts import Delta, Error, State, distance, format_edit, format_fact, parse_edit
from ..worlds import get

try:
    import gymnasium
except ImportError as error:
    raise ImportError("worldgate.adapters.gymnasium needs the extra `gym`: pip install 'worldgate[gym]'") from error

CHARACTERS = string.ascii_letters + string.digits + string.punctuation + " \n"
"""What texts are made of; what is not in it is written as a backslash escape."""


class HorizonEnv(gymnasium.Env[str, str]):
    """One rollout an episode.

    `world` is a registered world's name, or a world; `driver` one of its drivers, else its first; `steps` the length
    after which an episode is truncated; `largest` the longest text of an observation or an answer, in characters. The
    seed of `reset` draws the beginning and the actions.
    """

    metadata = {"render_modes": ["ansi"]}

    def __init__(
        self,
        world: Any = "network-0",
        driver: str | None = None,
        *,
        steps: int = 100,
        epsilon: float = 0.0,
        free: bool = True,
        largest: int = 1 << 20,
        render_mode: str | None = None,
    ) -> None:
        self.world = get(world) if isinstance(world, str) else world
        self._driver = self.world.drivers[driver or next(iter(self.world.drivers))]
        self._steps, self._epsilon, self._free = steps, epsilon, free
        self.observation_space = gymnasium.spaces.Text(largest, min_length=0, charset=CHARACTERS)
        self.action_space = gymnasium.spaces.Text(largest, min_length=0, charset=CHARACTERS)
        self.render_mode = render_mode
        self._true = self._held = self.world.initial(0)
        self._said, self._taken, self._draw = "", 0, Random(0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """A new beginning, and its first action."""
        super().reset(seed=seed, options=options)
        drawn = int(self.np_random.integers(1 << 31))
        self._true = self._held = self.world.initial(drawn)
        self._draw, self._taken = Random(drawn), 0
        return self._next()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Compare what the edits lead to with the truth."""
        self._held, problem = _forced(self._held, action)
        self._true = self.world.step(self._true, self.world.parse(self._said)).state
        apart = distance(self._held, self._true)
        faithful = not problem and apart <= self._epsilon
        self._taken += 1
        if not self._free:
            self._held = self._true
        seen, info = self._next()
        info |= {"divergence": apart, "problem": problem}
        return seen, float(faithful), not faithful, faithful and self._taken >= self._steps, info

    def truth(self) -> Delta:
        """The edits of the step at hand: what a perfect agent says."""
        return tuple(self.world.step(self._held, self.world.parse(self._said)).delta)

    def render(self) -> str:
        """The observation."""
        return self._text()

    def _next(self) -> tuple[str, dict[str, Any]]:
        self._said = self._driver(self._true, self._draw)
        return self._text(), {"state": self._held, "action": self._said, "schema": self.world.schema}

    def _text(self) -> str:
        facts = sorted(format_fact(*fact) for fact in self._held.facts())
        return plain("\n".join((*facts, "", self._said)))


def _forced(state: State, answer: str) -> tuple[State, str]:
    """The state that an answer leads to, or the same state and what is wrong with the answer."""
    try:
        lines = [line for line in answer.splitlines() if line.strip()]
        return state.force(tuple(parse_edit(state.schema, line) for line in lines)), ""
    except Error as error:
        return state, str(error)


def plain(text: str) -> str:
    """In the characters of the spaces."""
    return text.encode("ascii", "backslashreplace").decode()


def said(delta: Delta) -> str:
    """A delta as an agent's answer."""
    return plain("\n".join(format_edit(edit) for edit in delta))


gymnasium.register("worldgate/Horizon-v0", entry_point="worldgate.adapters.gymnasium:HorizonEnv")
