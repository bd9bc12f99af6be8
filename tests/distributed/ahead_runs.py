"""Runs ahead on one or two processes for test_ahead.py: ``python ahead_runs.py <folder>``.

Every rank leaves what it ended with in the folder.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from rlframework.algorithms import GRPO
from rlframework.completions import Completion
from rlframework.data import PromptDataModule
from rlframework.rewards.base import RowReward
from rlframework.samplers import BatchedSampler
from rlframework.testing import SnapshotSampler, letter_rows, tiny_policy

STEPS = 6


class Vowels(RowReward):
    """Share of vowels, a dense reward."""

    def score_row(self, completion: Completion) -> float:
        return sum(letter in "aeiou" for letter in completion.text) / max(len(completion.text), 1)


class Late(SnapshotSampler):
    """Ranks answer at different times, and one of them may fail."""

    fails = False

    def ask(self, prompts: Any, *, step: int, version: Any) -> Any:
        time.sleep(0.05 * (step + rank()) % 0.15)
        if self.fails and step == 3 and rank() == 1:
            raise KeyError("planted")
        return super().ask(prompts, step=step, version=version)


class Ahead(GRPO):
    """Steps by gradient descent: Adam would blow up the rounding of gradients that are 0 but for it."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.policy.parameters(), lr=0.1)


def rank() -> int:
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def weights(module: GRPO) -> Tensor:
    return torch.nn.utils.parameters_to_vector(module.policy.parameters()).detach()


def fit(folder: Path, devices: int, start: int | None = None, save: bool = False, fails: bool = False) -> GRPO:
    sampler = Late(BatchedSampler(group_size=4, max_tokens=6))
    sampler.fails = fails
    module = Ahead(tiny_policy(), Vowels(), sampler, prompts_per_rollout=8, rollouts_ahead=1)
    trainer = pl.Trainer(
        accelerator="cpu",
        strategy="ddp" if devices > 1 else "auto",
        devices=devices,
        max_steps=STEPS,
        callbacks=[ModelCheckpoint(folder / "saved", "{step}", every_n_train_steps=1, save_top_k=-1)] if save else [],
        enable_checkpointing=save,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )
    path = None if start is None else folder / "saved" / f"step={start}.ckpt"
    trainer.fit(module, PromptDataModule(letter_rows(24)), ckpt_path=path)
    return module


def failing(folder: Path) -> dict[str, Any]:
    """Return what this rank raises when the thread of the other one, or its own, fails, and after how long."""
    started = time.time()
    try:
        fit(folder, 2, fails=True)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "seconds": time.time() - started}
    return {"error": None}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    results = {
        "whole": weights(fit(folder, 2, save=True)),
        "resumed": {start: weights(fit(folder, 2, start)) for start in (2, 4)},
        "failing": failing(folder),
    }
    torch.save(results, folder / f"rank{rank()}.pt")
