"""The modes of modules and the precision of numbers while sampling, scoring and learning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from rlframework.algorithms import GRPO
from rlframework.callbacks import RolloutCallback
from rlframework.policies import CausalLMPolicy
from rlframework.rewards.base import RowReward
from rlframework.samplers import SharedPrefixSampler

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]


class Surprise(RowReward):
    """Differs within every group, so that all of them are trained on."""

    def score_row(self, completion: Any) -> float:
        return sum(completion.logprobs)


class Watched(CausalLMPolicy):
    """Writes down how it is called."""

    def __init__(self, policy: CausalLMPolicy) -> None:
        super().__init__(policy.model, policy.tokenizer)
        self.calls: dict[str, set[tuple[bool, ...]]] = {"sampling": set(), "learning": set()}

    def logprobs(self, *args: Any, **options: Any) -> Any:
        self._note("learning")
        return super().logprobs(*args, **options)

    def next_logits(self, *args: Any, **options: Any) -> Any:
        self._note("sampling")
        return super().next_logits(*args, **options)

    def _note(self, inside: str) -> None:
        modes = {module.training for module in self.model.modules()}
        self.calls[inside] |= {(*modes, torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"))}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_sampling_is_in_eval_mode_and_in_the_precision_of_training(
    grpo: Make, fit: Fit, dropout_policy: Callable, recorder: Any, precision: str
) -> None:
    policy = Watched(dropout_policy(0.5)).eval()  # As from_pretrained leaves a model.
    trainer = fit(
        grpo(policy, reward=Surprise(), passes_per_rollout=2), precision=precision, held_out=4, callbacks=[recorder]
    )
    autocast = precision == "bf16-mixed"
    assert policy.calls["sampling"] == {(False, False, autocast)}
    # Scored without dropout to compare with, trained with it.
    assert policy.calls["learning"] == {(False, False, autocast), (True, True, autocast)}
    for collected in recorder.collected:
        rollout = collected.rollout
        tolerance = 0.2 if autocast else 1e-5
        torch.testing.assert_close(rollout.sampler_logprobs, rollout.old_logprobs, rtol=0, atol=tolerance)
        assert {rollout.weights.dtype, rollout.old_logprobs.dtype} == {torch.float32}
    assert trainer.callback_metrics["train/surrogate"].isfinite()


def test_half_precision_leaves_the_rollout_in_single(grpo: Make, fit: Fit, recorder: Any) -> None:
    fit(grpo(passes_per_rollout=2), precision="bf16-true", max_steps=1, callbacks=[recorder])
    rollout, batch = recorder.collected[0].rollout, recorder.batches[0]
    dtypes = {tensor.dtype for part in (rollout, batch) for tensor in (part.weights, part.old_logprobs)}
    assert dtypes == {torch.float32}


def test_half_precision_rounds_neither_rewards_nor_weights(grpo: Make, fit: Fit, recorder: Any) -> None:
    class Length(RowReward):
        def score_row(self, completion) -> float:
            return 257.0 + len(completion.ids)  # bfloat16 knows 256 and 258 only

    class Budget(GRPO):
        def token_weights(self, mask):
            return mask / (len(mask) * 3)

    fit(grpo(kind=Budget, reward=Length()), precision="bf16-true", max_steps=1, callbacks=[recorder])
    rollout = recorder.collected[0].rollout
    assert torch.equal(rollout.rewards, 257.0 + rollout.completion_mask.sum(1))
    assert torch.equal(rollout.weights, rollout.completion_mask.float() / 48)


def test_each_module_gets_its_own_mode_back(grpo: Make, fit: Fit) -> None:
    after = []

    class Freeze(RolloutCallback):
        def on_train_start(self, trainer, pl_module) -> None:
            pl_module.policy.model.model.layers[0].eval()

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
            after.append({module for module in pl_module.policy.modules() if not module.training})

    algorithm = grpo()
    fit(algorithm, callbacks=[Freeze()])
    layer = set(algorithm.policy.model.model.layers[0].modules())
    assert after == [layer] * 4


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_every_precision_samples_learns_and_clips(grpo: Make, fit: Fit, precision: str) -> None:
    algorithm = grpo(sampler=SharedPrefixSampler(group_size=4, max_tokens=4), passes_per_rollout=2)
    clip = {"gradient_clip_val": 1.0}
    trainer = fit(algorithm, precision=precision, max_steps=2, **clip)
    assert trainer.callback_metrics["train/grad_norm"].isfinite()
