"""A run on one or two processes for test_replay.py: ``python replay_runs.py <folder> <ranks> [checkpoint]``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework import GRPO, PromptDataModule, RolloutWriter, SharedPrefixSampler
from rlframework.loggers import AppendingCSVLogger
from rlframework.rewards import FunctionReward
from rlframework.testing import letter_rows, tiny_policy
from rlframework.utilities.distributed import global_rank


def vowels(completion: str) -> float:
    return sum(letter in "aeiou" for letter in completion) / 8


def parts(folder: Path, devices: int) -> tuple[pl.Trainer, GRPO, PromptDataModule]:
    """Return a run of 12 steps: two minibatches a step, two passes over a rollout of each."""
    pl.seed_everything(0, verbose=False)
    sizes = {"prompts_per_rollout": 8, "minibatches_per_rollout": 4, "passes_per_rollout": 2}
    sampler = SharedPrefixSampler(group_size=4, max_tokens=8)
    algorithm = GRPO(tiny_policy(), FunctionReward(vowels), sampler, learning_rate=1e-2, kl_coefficient=0.1, **sizes)
    trainer = pl.Trainer(
        max_steps=12,
        max_epochs=-1,
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        accumulate_grad_batches=2,
        log_every_n_steps=1,
        logger=AppendingCSVLogger(folder, "mine", version=0),
        callbacks=[RolloutWriter(), ModelCheckpoint(every_n_train_steps=2, save_top_k=-1)],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    return trainer, algorithm, PromptDataModule(letter_rows(16))


if __name__ == "__main__":
    trainer, algorithm, data = parts(Path(sys.argv[1]), int(sys.argv[2]))
    trainer.fit(algorithm, data, ckpt_path=sys.argv[3] if sys.argv[3:] else None)
    torch.save({"steps": trainer.global_step}, Path(sys.argv[1], f"rank{global_rank().number}.pt"))
