"""The policy is sure of an answer that is not the best."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rlframework.callbacks.sentinels import EntropyCollapse
from rlframework.completions import Completion
from rlframework.rewards import RowReward
from rlframework.samplers import BatchedSampler
from tests.callbacks.sentinels.provoked import said


class FirstLetter(RowReward):
    """1 for the first letter of the prompt; or for that of any prompt, which is one answer to all of them."""

    def __init__(self, of_any: bool = False) -> None:
        super().__init__()
        self.of_any = of_any

    def score_row(self, completion: Completion) -> float:
        return float(completion.text[:1].isalpha() if self.of_any else completion.text[:1] == completion.prompt.text[0])


@pytest.mark.parametrize("of_any", [False, True])
def test_it_sees_a_policy_that_gives_one_answer_to_all(of_any: bool, grpo: Callable, fit: Callable) -> None:
    """By steps that are far too large; where one answer is right everywhere the same is no collapse."""
    sentinel = EntropyCollapse()
    sampler = BatchedSampler(group_size=8, max_tokens=1)
    algorithm = grpo(reward=FirstLetter(of_any), sampler=sampler, prompts_per_rollout=8, learning_rate=0.1)
    lines = said(sentinel, lambda: fit(algorithm, prompts=240, callbacks=[sentinel]))
    assert len(lines) == (not of_any)
    assert all("over the last 10 rollouts the entropy was" in line for line in lines)


@pytest.mark.parametrize(("share", "flat", "rollouts"), [(0.0, 0.5, 10), (0.1, 1.5, 10), (0.1, 0.5, 1)])
def test_numbers_out_of_range_are_refused(share: float, flat: float, rollouts: int) -> None:
    with pytest.raises(ValueError, match=f"share={share}, flat={flat} and rollouts={rollouts}"):
        EntropyCollapse(share, flat, rollouts)
