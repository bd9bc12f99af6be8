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
from rlframework.terms import KLInReward, TokenTruncation
from rlframework.testing import tiny_policy

Make, Fit = Callable[..., GRPO], Callable[..., pl.Trainer]


class Steered(BatchedSampler):
    """Samples from something else than the policy, and does not claim otherwise."""

    def draw(self, logits: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
        return super().draw(1.01 * logits, *rest)


class Off(Steered):
    samples_policy_itself = True


class Surprise(RowReward):
    """Differs within every group, so that no group is idle."""

    def score_row(self, completion: Any) -> float:
        return sum(completion.logprobs)


@pytest.mark.parametrize(
    ("options", "forwards"),
    [
        ({}, "one group"),
        ({"sampler": Off(group_size=4, max_tokens=4)}, "everything"),
        ({"sampler": Steered(group_size=4, max_tokens=4)}, "everything"),
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
    expected = [4, *expected] if isinstance(options.get("sampler"), Off) else expected
    # Four rows of the first rollout of a sampler that says it samples the policy (`SamplerCheck`).
    assert scored == ([*expected] if type(options.get("sampler")) is Steered else [4, *expected])
    if expected:
        rollout = recorder.collected[0].rollout
        with torch.no_grad():
            anew = tiny_policy().logprobs(rollout).logprobs.masked_fill(~rollout.completion_mask, 0.0)
        torch.testing.assert_close(rollout.old_logprobs, anew, atol=1e-5, rtol=0)


def test_a_policy_that_is_its_reference_is_not_penalised_for_rounding(grpo: Make, fit: Fit, recorder: Any) -> None:
    class Same(RowReward):
        def score_row(self, completion: Any) -> float:
            return 1.0

    algorithm = grpo(reward=Same(), kl_coefficient=0.1, kl=KLInReward(), passes_per_rollout=2)
    fit(algorithm, max_steps=1, callbacks=[recorder])
    assert recorder.collected[0].rollout.advantages.count_nonzero() == 0


@pytest.mark.parametrize("version", [0.1, 0.2])
def test_a_resumed_run_does_not_trust_again(version: float, grpo: Make, fit: Fit, tmp_path: Any) -> None:
    trainer = fit(grpo(sampler=Off(group_size=4, max_tokens=4), passes_per_rollout=2), max_steps=2)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    if version == 0.1:
        saved = torch.load(tmp_path / "last.ckpt", weights_only=False)
        assert saved.pop("policy_scores_rollouts") is True
        torch.save({**saved, "shortcuts": (False, True)}, tmp_path / "last.ckpt")
    resumed = grpo(sampler=Off(group_size=4, max_tokens=4), passes_per_rollout=2)
    assert not resumed.policy_scores_rollouts
    fit(resumed, ckpt_path=tmp_path / "last.ckpt", max_steps=2)
    assert resumed.policy_scores_rollouts
