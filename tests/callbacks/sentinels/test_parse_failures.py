"""Completions without an answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rlframework import rewards
from rlframework.callbacks.sentinels import ParseFailures
from rlframework.rewards.math import MathCheck
from tests.callbacks.sentinels.provoked import Vowels, said
from tests.drawn import drawn


@pytest.mark.parametrize(
    "reward",
    drawn(
        {type(one).__name__: [one] for one in (rewards.CorrectAnswer(), rewards.AnswerCheck(), MathCheck())},
        {"CorrectAnswer"},
    ),
)
def test_it_sees_that_nobody_writes_the_layout(reward: rewards.RewardModel, grpo: Callable, fit: Callable) -> None:
    sentinel, algorithm = ParseFailures(rollouts=4), grpo(reward=Vowels() + reward)
    (line,) = said(sentinel, lambda: fit(algorithm, callbacks=[sentinel], max_epochs=2))
    assert "100% of the completions hold no answer that the reward can read" in line
    assert algorithm.trainer.callback_metrics[f"train/judgement/{reward.name}/malformed"] == 1.0


def test_rewards_that_read_no_answer_say_nothing(grpo: Callable, fit: Callable) -> None:
    sentinel = ParseFailures(rollouts=2)
    assert not said(sentinel, lambda: fit(grpo(reward=Vowels()), callbacks=[sentinel]))
