"""Where the log-probabilities of the policy that sampled come from: its sampler, or a forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework.algorithms import GRPO
from rlframework.rewards import RowReward
from rlframework.samplers import BatchedSampler
from rlframework.terms import TokenTruncation
from rlframework.testing import tiny_policy

Make, Fit = Callable[..., GRPO], Callable[..., pl.Trainer]


class Off(BatchedSampler):
    """Samples from something else than the policy."""

    def draw(self, logits: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
        return super().draw(1.01 * logits, *rest)


class Surprise(RowReward):
    """Differs within every group, so that no group is idle."""

    def score_row(self, completion: Any) -> float:
        return sum(completion.logprobs)


@pytest.mark.parametrize(
    ("options", "forwards"),
    [
        ({}, "one group"),
        ({"sampler": Off(group_size=4, max_tokens=4)}, "everything"),
        ({"sampler_correction": TokenTruncation()}, "everything"),
        ({"passes_per_rollout": 1}, "nothing"),
    ],
)
def test_old_log_probabilities_come_from_the_sampler_where_they_are_the_policys(
    grpo: Make, fit: Fit, recorder: Any, options: dict, forwards: str
) -> None:
    policy, scored = tiny_policy(), []
    score = policy.logprobs

    def watched(batch: Any, **given: Any) -> Any:
        if not torch.is_grad_enabled():
            scored.append(len(batch))
        return score(batch, **given)

    policy.logprobs = watched
    fit(grpo(policy, reward=Surprise(), **{"passes_per_rollout": 2, **options}), prompts=8, callbacks=[recorder])
    expected = {"one group": [4, 4], "everything": [16, 16], "nothing": []}[forwards]
    assert scored == ([4, *expected] if isinstance(options.get("sampler"), Off) else expected)
    if expected:
        rollout = recorder.collected[0].rollout
        with torch.no_grad():
            anew = tiny_policy().logprobs(rollout).logprobs.masked_fill(~rollout.completion_mask, 0.0)
        torch.testing.assert_close(rollout.old_logprobs, anew, atol=1e-5, rtol=0)
