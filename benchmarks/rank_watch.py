"""What `RankWatch` adds to an optimizer step of two ranks, whose model is so small that everything else shows.

    OMP_NUM_THREADS=1 torchrun --nproc-per-node=2 benchmarks/rank_watch.py

Fits with and without it take turns in the same processes. Processor time of both threads is compared, which other
programs on the machine do not lengthen, and wall time, which they do.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

import pytorch_lightning as pl
import torch

from rlframework import GRPO, BatchedSampler, PromptDataModule, rewards
from rlframework.testing import letter_rows, tiny_policy


class Unwatched(GRPO):
    """GRPO without the callback."""

    def configure_callbacks(self) -> list[pl.Callback]:
        return []


class Clock(pl.Callback):
    """Seconds of a step, by the processor and by the wall."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.wall: list[float] = []
        self.last = (0.0, 0.0)

    def on_train_batch_end(self, *_: Any) -> None:
        now = (time.process_time(), time.perf_counter())
        self.cpu.append(now[0] - self.last[0])
        self.wall.append(now[1] - self.last[1])
        self.last = now


def fit(kind: type[GRPO], steps: int) -> Clock:
    """Train for some steps, a rollout each."""
    clock = Clock()
    module = kind(tiny_policy(), rewards.SoftOverlong(16, 8), BatchedSampler(4, max_tokens=16), prompts_per_rollout=8)
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_steps=steps,
        callbacks=[clock],
        enable_model_summary=False,
        **quiet,
    )
    trainer.fit(module, PromptDataModule(letter_rows(64)))
    return clock


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--turns", type=int, default=6)
    given = parser.parse_args()
    clocks: dict[type[GRPO], list[Clock]] = {GRPO: [], Unwatched: []}
    for turn in range(given.turns + 1):
        for kind, found in clocks.items():
            clock = fit(kind, given.steps)
            if turn:  # the first one warms up
                found.append(clock)
    if torch.distributed.get_rank() == 0:
        for name in ("cpu", "wall"):
            with_it, without = (
                [1000 * median(getattr(clock, name)[1:]) for clock in found] for found in clocks.values()
            )
            print(f"{name}: {median(with_it):.2f} ms a step, {median(without):.2f} without")


if __name__ == "__main__":
    main()
