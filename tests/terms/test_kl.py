"""Where the KL divergence enters, by hand and in runs on a table of logits."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rlframework import RolloutCallback
from rlframework.functional.divergences import k1, k2, k3
from rlframework.loop.callback import RolloutRecord
from rlframework.terms import KLInLoss, KLInReward, KLTerm, SamplerCorrection
from tests.distributed.reducer_runs import TWICE, Judge, Option, learn, make


class Keep(RolloutCallback):
    def on_rollout_end(self, trainer: Any, pl_module: Any, collected: RolloutRecord) -> None:
        self.rollout, self.scores = collected.rollout, collected.scores


@pytest.mark.parametrize("estimator", [k1, k2, k3])
def test_the_loss_is_the_estimate_of_each_token(estimator) -> None:
    logprobs, reference = torch.tensor([[-1.0, -2.0]]), torch.tensor([[0.0, -2.5]])
    # d = -1 and 0.5: k1 = d, k2 = d^2 / 2, k3 = exp(-d) + d - 1
    expected = {k1: [-1.0, 0.5], k2: [0.5, 0.125], k3: [math.e - 2, math.exp(-0.5) - 0.5]}[estimator]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        term = KLInLoss(estimator)
    torch.testing.assert_close(term.token_loss(logprobs, reference, torch.zeros(1, 2)), torch.tensor([expected]))
    corrected = KLInLoss(estimator, ratio_corrected=True).token_loss(logprobs, reference, torch.tensor([[3.0]]).log())
    torch.testing.assert_close(corrected, 3 * torch.tensor([expected]))


def test_corrected_and_on_policy_k3_has_the_gradient_of_the_divergence() -> None:
    # dK / dl + K with K = exp(-d) + d - 1 and dK / dl = 1 - exp(-d): d, here -1, 0.5 and 2, which is that of k2.
    reference = torch.tensor([[0.0, -2.5, -4.0]])
    for estimator, correct in ((k3, True), (k2, False)):
        logprobs = torch.tensor([[-1.0, -2.0, -2.0]], requires_grad=True)
        loss = KLInLoss(estimator, correct).token_loss(logprobs, reference, logprobs - logprobs.detach())
        (slopes,) = torch.autograd.grad(loss.sum(), logprobs)
        torch.testing.assert_close(slopes, torch.tensor([[-1.0, 0.5, 2.0]]))


def test_k1_as_a_loss_is_warned_of_unless_it_is_corrected() -> None:
    with pytest.warns(UserWarning, match="k1 as a loss has a gradient of 0 on average"):
        KLInLoss(k1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KLInLoss(k1, ratio_corrected=True)
        KLInReward(k1)
        KLInLoss(k2)


def test_the_penalty_is_the_sum_over_the_masked_tokens() -> None:
    old, reference = torch.tensor([[-1.0, -3.0, 9.0], [5.0, 5.0, 5.0]]), torch.tensor([[-2.0, -2.5, 0.0], [0.0] * 3])
    mask = torch.tensor([[True, True, False], [False] * 3])
    # k1: 1 - 0.5; k2: 0.5 + 0.125. A completion without tokens pays nothing.
    assert KLInReward().reward_penalty(old, reference, mask).tolist() == [0.5, 0.0]
    assert KLInReward(k2).reward_penalty(old, reference, mask).tolist() == [0.625, 0.0]
    assert KLInLoss().reward_penalty(old, reference, mask) is None
    assert KLInReward().token_loss(old, reference, old) is None


def test_a_penalised_reward_is_what_is_compared_within_the_group() -> None:
    keep = Keep()
    learn(make("GRPO", "kl in reward"), callbacks=[keep])
    rollout = keep.rollout
    gap = (rollout.old_logprobs - rollout.reference_logprobs).double().numpy() * rollout.completion_mask.numpy()
    assert np.abs(gap.sum(1)).max() > 1
    rewards = keep.scores.total.double().numpy() - 0.3 * gap.sum(1).reshape(8, 4)
    expected = (rewards - rewards.mean(1, keepdims=True)) / (rewards.std(1, ddof=1, keepdims=True) + 1e-4)
    np.testing.assert_allclose(rollout.advantages.reshape(8, 4).numpy(), expected, atol=1e-5)
    # The reward that is kept and logged is that of the judge.
    torch.testing.assert_close(rollout.rewards.view(8, 4), keep.scores.total)


def test_a_row_without_a_reward_gets_none_by_its_penalty() -> None:
    keep, algorithm = Keep(), make("GRPO", "kl in reward")
    algorithm.reward = Judge("fives", 5, abstains=True)
    learn(algorithm, callbacks=[keep])
    silent = keep.scores.total.isnan().flatten()
    assert 4 < silent.sum() < 32
    assert (keep.rollout.advantages[silent] == 0).all()


def test_the_ratio_of_the_correction_is_not_capped() -> None:
    ratios = []

    class Spy(KLInLoss):
        def token_loss(self, logprobs: Tensor, reference_logprobs: Tensor, log_ratio: Tensor) -> Tensor:
            ratios.append(log_ratio.max().exp().item())
            return super().token_loss(logprobs, reference_logprobs, log_ratio)

    option = Option({"kl_coefficient": 0.1, "kl": Spy(ratio_corrected=True), "ratio_cap": 1.25, **TWICE})
    learn(make("GRPO", option))
    assert ratios[0] == pytest.approx(1)
    assert ratios[-1] > 1.5


class Nothing(SamplerCorrection):
    def bound(self, ratio: Tensor) -> Tensor:
        return torch.zeros_like(ratio)


def test_what_leaves_the_surrogate_out_leaves_the_divergence_in() -> None:
    kl = {"kl_coefficient": 0.3, "kl": KLInLoss(k3)}
    silenced, flat = Option({**kl, "sampler_correction": Nothing()}, noisy=True), Option(kl)
    without_advantages = make("GRPO", flat)
    without_advantages.advantages = torch.zeros_like
    expected = learn(without_advantages)
    assert expected.norm() > 1e-2
    torch.testing.assert_close(learn(make("GRPO", silenced)), expected)


def test_a_bare_term_only_measures() -> None:
    option = Option({"kl_coefficient": 0.3, "kl": KLTerm(k3)})
    algorithm = make("GRPO", option)
    measured, plain = learn(algorithm), learn(make("GRPO", "plain"))
    assert torch.equal(measured, plain)
    assert algorithm.trainer.callback_metrics["train/kl"] > 0.01
