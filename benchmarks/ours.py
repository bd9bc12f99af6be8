"""This side: GRPO by Lightning's Trainer, with completions that end where they are told."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch
from transformers import AutoModelForCausalLM

from measure import Figures, StepClock, count_tokens, timed
from rlframework import GRPO, CausalLMPolicy, PromptDataModule, SharedPrefixSampler
from rlframework.rewards import RowReward
from rlframework.testing import letter_tokenizer
from work import PROMPTS, Work, force, reward_of


class ForcedSampler(SharedPrefixSampler):
    """Ends each row where it is told."""

    ends: torch.Tensor

    def draw(self, logits: torch.Tensor, uniforms: torch.Tensor, rows: torch.Tensor, position: Any) -> Any:
        return super().draw(force(logits, self.ends[rows], position), uniforms, rows, position)


class Reward(RowReward):
    """Differs within every group."""

    def score_row(self, completion: Any) -> float:
        return reward_of(completion.ids)


class Steps(pl.Callback):
    """Times what Lightning does."""

    def __init__(self, figures: Figures) -> None:
        self.figures, self.clock = figures, StepClock(figures)

    def on_train_batch_start(self, *arguments: Any) -> None:
        self.started = time.perf_counter()

    def on_after_backward(self, *arguments: Any) -> None:
        self.figures.update.append(time.perf_counter() - self.started)

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.clock.tick()


def algorithm_for(work: Work, **options: Any) -> GRPO:
    """Return GRPO as it comes, over the saved model."""
    model = AutoModelForCausalLM.from_pretrained(work.folder, dtype="float32")
    sampler = ForcedSampler(group_size=work.shape.group, max_tokens=work.longest)
    sampler.ends = work.ends
    policy = CausalLMPolicy(model, letter_tokenizer())
    return GRPO(policy, Reward(), sampler, prompts_per_rollout=PROMPTS, **options)


def train_ours(work: Work, figures: Figures) -> None:
    algorithm = algorithm_for(work)
    count_tokens(algorithm.policy.model, figures)
    sampler: Any = algorithm.sampler
    sampler.sample = timed(sampler.sample, figures.rollout)
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=work.steps,
        gradient_clip_val=1.0,
        callbacks=[Steps(figures)],
        enable_model_summary=False,
        limit_val_batches=0,
        **quiet,
    )
    trainer.fit(algorithm, PromptDataModule(work.rows))
