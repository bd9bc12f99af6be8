"""Checkpoints of a policy with an adapter hold the adapter, and are refused on any other base."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from peft import LoraConfig
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework import GRPO, CausalLMPolicy
from rlframework.testing import letter_tokenizer, tiny_policy
from tests.drawn import drawn

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]
RUN = {"prompts": 8, "max_epochs": 3, "accumulate_grad_batches": 2}


@pytest.fixture(scope="module")
def adapted(grpo: Make) -> Make:
    """Return a maker of GRPO with KL on an adapter over the model of a seed; ``primed`` moves the adapter first."""

    def make(seed: int = 0, primed: bool = False, **lora: Any) -> GRPO:
        torch.manual_seed(seed)
        config = LoraConfig(**{"r": 2, "target_modules": ["q_proj", "v_proj"], "init_lora_weights": not primed, **lora})
        policy = CausalLMPolicy(tiny_policy(seed).model, letter_tokenizer(), lora=config)
        return grpo(policy, kl_coefficient=0.1, minibatches_per_rollout=4, passes_per_rollout=2)

    return make


def train(fit: Fit, algorithm: GRPO, folder: Path) -> Path:
    """Train with a checkpoint after every step, and return the one after the third."""
    saver = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    fit(algorithm, callbacks=[saver], enable_checkpointing=True, **RUN)
    return folder / "step=3.ckpt"


@pytest.fixture(scope="module")
def path(adapted: Make, fit_in: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a run that was not primed."""
    folder = tmp_path_factory.mktemp("trained")
    return train(partial(fit_in, folder), adapted(), folder)


@pytest.mark.parametrize("primed", drawn({"apart": (True,), "as the base": (False,)}, {"apart"}))
def test_a_run_goes_on_bit_by_bit_from_the_adapter_alone(adapted: Make, fit: Fit, tmp_path: Path, primed: bool) -> None:
    whole = adapted(primed=primed)
    path = train(fit, whole, tmp_path)
    saved = torch.load(path, weights_only=False)["state_dict"]
    adapters = 8 if primed else 4  # that which learns, and the reference that it was
    assert sum("lora_" in name for name in saved) == adapters == len(saved)

    resumed = adapted(primed=primed)
    with torch.no_grad():
        for name, parameter in resumed.named_parameters():
            if "lora_" in name:
                parameter.add_(1.0)
    fit(resumed, ckpt_path=str(path), **RUN)
    ends = [run.state_dict() for run in (whole, resumed)]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_another_base_is_refused(adapted: Make, fit: Fit, path: Path) -> None:
    with pytest.raises(ValueError, match="trained on another base model"):
        fit(adapted(seed=1), ckpt_path=str(path), **RUN)


def test_a_base_of_which_one_value_was_changed_is_refused(adapted: Make, fit: Fit, path: Path) -> None:
    other = adapted()
    with torch.no_grad():
        other.policy.get_parameter("model.base_model.model.model.layers.0.mlp.up_proj.weight")[3, 5] += 1e-6
    with pytest.raises(ValueError, match="trained on another base model"):
        fit(other, ckpt_path=str(path), **RUN)


def test_another_adapter_is_refused_with_the_numbers(adapted: Make, fit: Fit, path: Path) -> None:
    with pytest.raises(ValueError, match="lacks 2 of 6 weights beside the frozen base, and has 0 that are unknown"):
        fit(adapted(target_modules=["q_proj", "k_proj", "v_proj"]), ckpt_path=str(path), **RUN)
    with pytest.raises(ValueError, match="lacks 4 of 8 weights"):
        fit(adapted(primed=True), ckpt_path=str(path), **RUN)


def test_a_checkpoint_loads_without_a_trainer(adapted: Make, path: Path) -> None:
    fresh = adapted()
    loaded = GRPO.load_from_checkpoint(
        path, policy=fresh.policy, reward=fresh.reward, sampler=fresh.sampler, kl_coefficient=0.1
    )
    saved = torch.load(path, weights_only=False)["state_dict"]
    assert all(torch.equal(loaded.state_dict()[name], saved[name]) for name in saved)


def test_a_whole_model_is_saved_whole(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    saved = torch.load(train(fit, grpo(minibatches_per_rollout=4), tmp_path), weights_only=False)
    assert saved["state_dict"].keys() == grpo().state_dict().keys()
    assert "frozen_base" not in saved
