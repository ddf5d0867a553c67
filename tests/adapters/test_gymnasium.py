"""Worlds as Gymnasium environments: its own checker passes, and the return is the faithful horizon."""

from __future__ import annotations

import warnings

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

from worldgate.adapters.gymnasium import said
from worldgate.worlds import names

ID = "worldgate.adapters.gymnasium:worldgate/Horizon-v0"


def episode(env, answer, seed=0):
    """The rewards of one episode."""
    env.reset(seed=seed)
    rewards = []
    while True:
        _, reward, terminated, truncated, _ = env.step(answer(env.unwrapped))
        rewards.append(reward)
        if terminated or truncated:
            return rewards


@pytest.mark.parametrize("world", list(names()))
def test_every_world_passes_the_checker(world):
    env = gymnasium.make(ID, world=world)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it recommends spaces for images
        check_env(env.unwrapped, skip_render_check=True)


def test_a_perfect_agent_is_rewarded_to_the_end():
    rewards = episode(gymnasium.make(ID, steps=40), lambda env: said(env.truth()))
    assert rewards == [1.0] * 40


@pytest.mark.parametrize("wrong_from", [0, 1, 7])
def test_the_return_is_the_faithful_horizon(wrong_from):
    def answer(env):
        right = said(env.truth())
        return right if env._taken < wrong_from else right + '\nup("h0"): true -> absent'

    rewards = episode(gymnasium.make(ID, driver="everyday", steps=40), answer)
    assert sum(rewards) == wrong_from
    assert len(rewards) == wrong_from + 1


def test_an_answer_that_is_no_delta_ends_the_episode_and_says_why():
    env = gymnasium.make(ID)
    env.reset(seed=3)
    _, reward, terminated, _, info = env.step("the host goes down, I think")
    assert (reward, terminated) == (0.0, True)
    assert "WG106" in info["problem"]


def test_what_is_held_is_the_prediction_unless_told_otherwise():
    for free in (True, False):
        env = gymnasium.make(ID, epsilon=1.0, free=free, steps=5)
        env.reset(seed=1)
        _, _, terminated, _, info = env.step('up("h0"): true -> absent')
        assert not terminated
        assert (info["state"].get("up", ("h0",)) is None) == free


def test_environments_run_side_by_side():
    envs = gymnasium.make_vec(ID, num_envs=3, vectorization_mode="sync", driver="everyday", steps=10)
    envs.reset(seed=5)
    returns = [0.0] * 3
    for _ in range(10):
        answers = tuple(said(env.unwrapped.truth()) for env in envs.envs)
        _, rewards, terminated, truncated, _ = envs.step(answers)
        assert not terminated.any()
        returns = [sum(pair) for pair in zip(returns, rewards, strict=True)]
    assert truncated.all()
    assert returns == [10.0] * 3
    envs.close()


def test_the_same_seed_is_the_same_episode():
    first, second = (gymnasium.make(ID).reset(seed=9)[0] for _ in range(2))
    assert first == second
