"""Runs of the real model for test_road.py: ``python road_runs.py <folder> <model> <kind> <devices>``.

Lightning starts this script again for a second process. Every rank leaves what it ended with in the folder.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from peft import LoraConfig
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework import GRPO, CausalLMPolicy, PromptDataModule, SharedPrefixSampler
from rlframework.completions import Completion
from rlframework.rewards.base import RowReward

STEPS = 3
SYSTEM = "You answer with one equation and nothing else, such as 4 + 7 = 11 or 15 - 6 = 9, whatever the question."
ROWS = [{"prompt": f"What is {3 * a} + {b}?"} for a in range(1, 4) for b in range(2, 6)]


class Digits(RowReward):
    """Share of digits: differs within most groups, also of an untrained policy."""

    def score_row(self, completion: Completion) -> float:
        return sum(letter.isdigit() for letter in completion.text) / max(len(completion.text), 1)


class KilledAt(pl.Callback):
    """A process that is gone without a word once a step was saved."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def run(folder: Path, model: str, kind: str, devices: int) -> None:
    pl.seed_everything(0)
    adapter = LoraConfig(r=4, target_modules="all-linear")
    policy = CausalLMPolicy(model, dtype="bfloat16", lora=adapter)
    sampler = SharedPrefixSampler(group_size=3, max_tokens=6)
    grpo = GRPO(policy, Digits(), sampler, prompts_per_rollout=4, learning_rate=2e-3, kl_coefficient=0.01)
    # The last callback of a step, so that what it kills was saved.
    saved = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    trainer = pl.Trainer(
        accelerator="cpu",
        precision="bf16-mixed",
        strategy="ddp" if devices > 1 else "auto",
        devices=devices,
        max_steps=STEPS,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[saved] if kind != "killed" else [saved, KilledAt(2)],
    )
    data = PromptDataModule(ROWS, system_prompt=SYSTEM)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(grpo, data, ckpt_path=folder / "step=1.ckpt" if kind == "go_on" else None)
    weights = {name: weight.detach() for name, weight in policy.named_parameters() if weight.requires_grad}
    left = [text for warning in caught if (text := str(warning.message)).startswith("Left ")]
    torch.save({"weights": weights, "left": left}, folder / f"rank{trainer.global_rank}.pt")
    if trainer.is_global_zero:
        policy.save_pretrained(folder / "saved")


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
