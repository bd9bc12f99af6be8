"""TRL's side: its own GRPOTrainer, as it is shipped or with its head as on a GPU."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import datasets
import torch
import transformers
from transformers import AutoModelForCausalLM, LogitsProcessor, LogitsProcessorList

from measure import Figures, StepClock, count_tokens, timed
from rlframework.testing import letter_tokenizer
from work import PROMPTS, Work, force, reward_of

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
import trl
import trl.trainer.utils


class ForcedLengths(LogitsProcessor):
    """Ends each row of transformers' generate where it is told."""

    def __init__(self, ends: torch.Tensor, prompt: int) -> None:
        self.ends, self.prompt = ends, prompt

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return force(scores, self.ends, input_ids.shape[1] - self.prompt)


def reward(completion_ids: list[list[int]], **_: Any) -> list[float | None]:
    return [reward_of(ids) for ids in completion_ids]


class TimedTRL(trl.GRPOTrainer):
    """TRL's trainer, timed; ``collected`` holds the seconds of whole rollouts, rewards and all."""

    figures: Figures
    collected: list[float]

    def training_step(self, *arguments: Any, **options: Any) -> Any:
        prepared = len(self.collected)
        started = time.perf_counter()
        loss = super().training_step(*arguments, **options)
        whole = time.perf_counter() - started
        self.figures.update.append(whole - sum(self.collected[prepared:]))
        return loss


class StepEnds(transformers.TrainerCallback):
    def __init__(self, figures: Figures) -> None:
        self.clock = StepClock(figures)

    def on_step_end(self, *arguments: Any, **options: Any) -> None:
        self.clock.tick()


def trainer_for(work: Work, figures: Figures) -> TimedTRL:
    """Return TRL's trainer over the saved model: no KL term, one step per rollout, and otherwise as it comes."""
    model: Any = AutoModelForCausalLM.from_pretrained(work.folder, dtype="float32")
    config = trl.GRPOConfig(
        output_dir=str(work.folder / "trl"),
        loss_type="grpo",
        per_device_train_batch_size=PROMPTS * work.shape.group,
        num_generations=work.shape.group,
        max_completion_length=work.longest,
        max_steps=work.steps,
        max_grad_norm=1.0,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
    )
    trainer = TimedTRL(
        model=model,
        reward_funcs=reward,
        args=config,
        train_dataset=datasets.Dataset.from_list(work.rows),
        processing_class=letter_tokenizer(),
        callbacks=[StepEnds(figures)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    count_tokens(model, figures)
    trainer.figures, trainer.collected = figures, []
    forced = LogitsProcessorList([ForcedLengths(work.ends, work.shape.prompt)])
    generate = timed(model.generate, figures.rollout)
    model.generate = lambda *arguments, **options: generate(*arguments, logits_processor=forced, **options)
    collect = timed(trainer._generate_and_score_completions, trainer.collected)
    trainer._generate_and_score_completions = collect  # type: ignore[method-assign]
    return trainer


def train_trl(work: Work, figures: Figures) -> None:
    trainer_for(work, figures).train()


def train_trl_compacted(work: Work, figures: Figures) -> None:
    with compacted_head():
        train_trl(work, figures)


@contextmanager
def compacted_head() -> Iterator[None]:
    """Have TRL project completion tokens only, as it does on a GPU: on a CPU it projects prompts and padding too.

    Whether positions are left out, and whether Triton folds the logits, is one question to TRL, asked in two modules;
    this answers yes in the one that leaves out.
    """
    utils: Any = trl.trainer.utils
    shipped = utils._use_triton
    utils._use_triton = lambda device: True
    try:
        yield
    finally:
        utils._use_triton = shipped
