"""Where the time of one GRPO step goes: sampling, update, and everything around them.

    make bench-step                     # or: python benchmarks/step.py --steps 20 --json step.json

The work is the demo's: 16 prompts x 8 completions of the primed tiny base per step. The first two steps warm up and do
not count; the rest are given as medians.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytorch_lightning as pl

from rlframework import GRPO, SharedPrefixSampler, rewards
from rlframework.tasks import ChainSumsData, ChainSumsPolicy

WARM_UP = 2


class Stopwatch(pl.Callback):
    """Notes the time and the logged parts of every optimizer step."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.rollouts: list[float] = []
        self.updates: list[float] = []

    def on_before_zero_grad(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: object) -> None:
        """Called once between two optimizer steps, when the figures of the one before are logged."""
        self.ends.append(time.perf_counter())
        if "train/rollout_seconds" in trainer.callback_metrics:
            self.rollouts.append(trainer.callback_metrics["train/rollout_seconds"].item())
            self.updates.append(trainer.callback_metrics["train/update_seconds"].item())


def measure(steps: int) -> dict[str, float]:
    """Return median seconds of a step, of its rollout, of its update, and the share of neither."""
    algorithm = GRPO(
        ChainSumsPolicy(),
        rewards.ExactFormat() + rewards.ApproximateFormat() + rewards.AnswerCheck() + rewards.NumberCheck(),
        SharedPrefixSampler(group_size=8, max_tokens=48),
        prompts_per_rollout=16,
        learning_rate=7e-4,
    )
    watch = Stopwatch()
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "limit_val_batches": 0,
    }
    trainer = pl.Trainer(
        max_steps=steps + WARM_UP + 1, max_epochs=-1, gradient_clip_val=1.0, callbacks=[watch],
        enable_model_summary=False, **quiet,
    )  # fmt: skip
    trainer.fit(algorithm, ChainSumsData())
    step = median(
        after - before for before, after in zip(watch.ends[WARM_UP:], watch.ends[WARM_UP + 1 :], strict=False)
    )
    rollout, update = median(watch.rollouts[WARM_UP:]), median(watch.updates[WARM_UP:])
    return {
        "step_seconds": step,
        "rollout_seconds": rollout,
        "update_seconds": update,
        "around_share": 1 - (rollout + update) / step,
        "steps": steps,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20, help="optimizer steps that count")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")
    options = parser.parse_args()
    figures = measure(options.steps)
    for name, value in figures.items():
        print(f"{name}={value:.4g}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
