"""The reference follows the policy, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from rlframework import CausalLMPolicy, RefreshReference, RolloutCallback
from rlframework.testing import letter_tokenizer, tiny_policy


class History(RolloutCallback):
    """The weights of policy and reference after every step, and what each batch was compared with."""

    def __init__(self) -> None:
        self.policies: list[Tensor] = []
        self.references: list[Tensor] = []
        self.compared: list[Tensor] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if not self.policies:
            self.note(pl_module)
        self.compared.append(batch.reference_logprobs.clone())

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.note(pl_module)

    def note(self, algorithm: Any) -> None:
        self.policies.append(parameters_to_vector(algorithm.policy.parameters()).detach().clone())
        self.references.append(parameters_to_vector(algorithm.reference.parameters()).clone())


def test_every_few_steps_it_moves_a_share_of_the_way(grpo: Callable, fit: Callable) -> None:
    history = History()
    refresh = RefreshReference(every_n_steps=3, mixing=0.25)
    fit(grpo(kl_coefficient=0.1), callbacks=[refresh, history], max_epochs=2, max_steps=7)
    assert len(history.policies) == 8
    expected = history.policies[0]
    for step, (policy, reference) in enumerate(zip(history.policies, history.references, strict=True)):
        if step in (3, 6):
            expected = 0.75 * expected + 0.25 * policy
        torch.testing.assert_close(reference, expected, atol=1e-6, rtol=0)
    assert (history.references[3] - history.references[0]).abs().max() > 1e-3


def test_a_mixing_of_1_replaces_it(grpo: Callable, fit: Callable) -> None:
    history = History()
    fit(grpo(kl_coefficient=0.1), callbacks=[RefreshReference(2), history])
    assert torch.equal(history.references[2], history.policies[2])
    assert torch.equal(history.references[3], history.policies[2])
    assert torch.equal(history.references[4], history.policies[4])


def test_steps_are_counted_and_not_minibatches(grpo: Callable, fit: Callable) -> None:
    history = History()
    algorithm = grpo(kl_coefficient=0.1, minibatches_per_rollout=2)
    fit(algorithm, callbacks=[RefreshReference(1), history], accumulate_grad_batches=2, max_steps=2)
    moved = [not torch.equal(*pair) for pair in zip(history.references, history.references[1:], strict=False)]
    assert moved == [False, True, False, True]


def test_a_rollout_in_use_keeps_what_it_is_compared_with(grpo: Callable, fit: Callable) -> None:
    history = History()
    fit(grpo(kl_coefficient=0.1, passes_per_rollout=2), callbacks=[RefreshReference(1), history], max_steps=3)
    first, second, third = history.compared
    assert not torch.equal(history.references[0], history.references[1])
    assert torch.equal(first, second)
    assert first.shape != third.shape or not torch.equal(second, third)


def test_a_resumed_run_keeps_the_reference(grpo: Callable, fit: Callable, tmp_path: Path) -> None:
    def algorithm() -> Any:
        return grpo(kl_coefficient=0.5, passes_per_rollout=2)

    whole, saver = algorithm(), ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    fit(whole, callbacks=[RefreshReference(3, 0.5), saver], enable_checkpointing=True)
    assert whole.trainer.global_step == 8
    for step in (2, 3, 5):
        resumed = algorithm()
        fit(resumed, ckpt_path=str(tmp_path / f"step={step}.ckpt"), callbacks=[RefreshReference(3, 0.5)])
        for part in ("policy", "reference"):
            ours, theirs = (parameters_to_vector(getattr(run, part).parameters()) for run in (resumed, whole))
            assert torch.equal(ours, theirs), (step, part)


@pytest.mark.parametrize("numbers", [(0, 1.0), (1, 0.0), (1, 1.1), (-1, 0.5)])
def test_numbers_out_of_range_are_refused(numbers: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match=f"got {numbers[0]} and {numbers[1]}"):
        RefreshReference(*numbers)


def test_a_run_without_a_reference_is_refused(grpo: Callable, fit: Callable) -> None:
    with pytest.raises(ValueError, match="no reference to refresh: kl_coefficient is 0"):
        fit(grpo(), callbacks=[RefreshReference(1)])


def test_a_reference_in_the_policys_own_model_is_refused(grpo: Callable, fit: Callable) -> None:
    lora = LoraConfig(r=2, target_modules=["q_proj", "v_proj"])
    policy = CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=lora)
    with pytest.raises(ValueError, match="beside its adapter and is not moved"):
        fit(grpo(policy, kl_coefficient=0.1), callbacks=[RefreshReference(1)])
