"""Completions grow, and the reward does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rlframework import GRPO
from rlframework.callbacks.sentinels import LengthDrift
from rlframework.completions import Completion, Completions
from rlframework.rewards import RewardModel, RowReward
from rlframework.samplers import BatchedSampler
from tests.callbacks.sentinels.provoked import said


class Fixed(RewardModel):
    """1 for every other completion of a group, whatever it says."""

    def score(self, completions: Completions):
        return (torch.arange(len(completions)) % 2).float().view(-1, completions.group_size)


class Brevity(RowReward):
    def score_row(self, completion: Completion) -> float:
        return -float(len(completion.ids))


class Brief(GRPO):
    """Learns from the one of its rewards that is in no total."""

    def advantages_of_scores(self, scores):
        return self.advantages(scores.components["brevity"])


def test_it_sees_completions_that_shrink_for_nothing(grpo: Callable, fit: Callable) -> None:
    sentinel, sampler = LengthDrift(), BatchedSampler(group_size=4, max_tokens=8)
    algorithm = grpo(kind=Brief, reward=Fixed() + 0.0 * Brevity(), sampler=sampler, learning_rate=0.03)
    (line,) = said(sentinel, lambda: fit(algorithm, prompts=160, callbacks=[sentinel]))
    assert "completions have shrunk from" in line
    assert "the reward has not risen with them: it was 0.5 and is 0.5" in line


def test_length_that_brings_reward_is_no_drift() -> None:
    sentinel = LengthDrift(rollouts=5)
    figures = [{"train/completion_length": 10.0 + n, "reward": 0.1 * n} for n in range(60)]
    assert not any(sentinel.look(figure) for figure in figures)
    assert any(sentinel.look({"train/completion_length": 70.0 + n, "reward": 6.0}) for n in range(60))


@pytest.mark.parametrize(("factor", "rollouts"), [(1.0, 10), (1.5, 1)])
def test_numbers_out_of_range_are_refused(factor: float, rollouts: int) -> None:
    with pytest.raises(ValueError, match=f"factor={factor} and rollouts={rollouts}"):
        LengthDrift(factor, rollouts)
