"""A run whose rank 1 samples for long: ``slow_runs.py <folder> <timeout of the process group> <seconds>``.

It sleeps for these in the second rollout. Each rank leaves what it ended with in the folder.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.strategies import DDPStrategy

from rlframework.data import PromptDataModule
from rlframework.samplers import SharedPrefixSampler
from rlframework.testing import letter_rows, tiny_policy
from tests.distributed.distributed_runs import Plain, Vowels, make_trainer


class Slow(SharedPrefixSampler):
    samples_policy_itself = True
    sleeps = 0.0

    def sample(self, policy: Any, prompts: Any, *, step: int = 0) -> Any:
        if step == 1 and os.environ["RANK"] == "1":
            time.sleep(self.sleeps)
        return super().sample(policy, prompts, step=step)


def main(folder: Path, timeout: float, sleeps: float) -> None:
    sampler = Slow(group_size=4, max_tokens=4)
    sampler.sleeps = sleeps
    module = Plain(tiny_policy(), Vowels(), sampler, prompts_per_rollout=8)
    trainer = make_trainer(folder, DDPStrategy(timeout=timedelta(seconds=timeout)), 2, max_steps=3, limit_val_batches=0)
    left: dict[str, Any] = {"error": ""}
    try:
        trainer.fit(module, PromptDataModule(letter_rows(24)))
    except RuntimeError as error:
        left["error"] = str(error)
    torch.save({**left, "steps": trainer.global_step}, folder / f"rank{os.environ['RANK']}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
