"""What is refused before the first rollout says the cause: weights that are no numbers, schedules without an end."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from peft import LoraConfig

from rlframework import GRPO, SFT, CausalLMPolicy, SharedPrefixSampler
from rlframework.data import DemonstrationDataModule, PromptDataModule
from rlframework.loop.checks import check_weights
from rlframework.rewards import FunctionReward
from rlframework.testing import letter_rows, letter_tokenizer, tiny_policy, tiny_qwen3

QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


def longer(completion: str) -> float:
    return float(len(completion))


def algorithm(policy: Any, **options: Any) -> GRPO:
    return GRPO(policy, FunctionReward(longer), SharedPrefixSampler(2, 4), prompts_per_rollout=2, **options)


def spoilt(where: str, value: float) -> CausalLMPolicy:
    policy = tiny_policy()
    with torch.no_grad():
        dict(policy.named_parameters())[where].view(-1)[3] = value
    return policy


EMBEDDING, NORM = "model.model.embed_tokens.weight", "model.model.norm.weight"


@pytest.mark.parametrize("where", [EMBEDDING, NORM, "model.model.layers.0.mlp.up_proj.weight"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_named_before_anything_is_sampled(where: str, value: float) -> None:
    trainer = pl.Trainer(max_steps=1, accelerator="cpu", **QUIET)
    with pytest.raises(ValueError, match=rf"1 of \d+ weights of CausalLMPolicy hold NaN or inf, such as {where}"):
        trainer.fit(algorithm(spoilt(where, value)), PromptDataModule(letter_rows(4)))
    assert trainer.global_step == 0


def test_they_are_named_in_half_precision_under_an_adapter_and_before_demonstrations() -> None:
    model = tiny_qwen3().half()
    model.model.norm.weight.data[0] = 1e5
    with pytest.raises(ValueError, match=r"such as model.*norm.weight.*another dtype"):
        check_weights(CausalLMPolicy(model, letter_tokenizer(), lora=LoraConfig(r=2, target_modules=["q_proj"])))
    rows = [{"prompt": "a", "completion": "b"}] * 4
    trainer = pl.Trainer(max_steps=1, accelerator="cpu", **QUIET)
    sft = SFT(spoilt(NORM, float("nan")), demonstrations_per_step=4)
    with pytest.raises(ValueError, match="hold NaN or inf"):
        trainer.fit(sft, DemonstrationDataModule(rows))


def test_large_numbers_are_numbers() -> None:
    check_weights(spoilt(EMBEDDING, torch.finfo(torch.float32).max))


@pytest.mark.parametrize("schedule", ["linear", "cosine", "cosine_with_restarts", "polynomial"])
def test_a_schedule_over_a_run_without_an_end_says_what_to_set(schedule: str) -> None:
    trainer = pl.Trainer(max_epochs=-1, max_time={"seconds": 5}, accelerator="cpu", **QUIET)
    said = (
        rf"schedule='{schedule}' .* this Trainer has no number of them \(max_steps=-1, max_epochs=-1\): set max_steps"
    )
    with pytest.raises(ValueError, match=said):
        trainer.fit(algorithm(tiny_policy(), schedule=schedule), PromptDataModule(letter_rows(4)))


@pytest.mark.parametrize("schedule", ["constant", "constant_with_warmup", "inverse_sqrt"])
def test_a_schedule_that_needs_no_end_runs_without_one(schedule: str) -> None:
    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
            trainer.should_stop = True

    trainer = pl.Trainer(max_epochs=-1, max_time={"minutes": 5}, accelerator="cpu", callbacks=[Stop()], **QUIET)
    trainer.fit(algorithm(tiny_policy(), schedule=schedule, warmup_steps=1), PromptDataModule(letter_rows(4)))
    assert trainer.global_step >= 1
