"""A checkpoint may be taken at any moment of a run: what goes on from it ends with the bits of the run itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework.algorithms import GRPO
from rlframework.callbacks import RolloutCallback
from rlframework.completions import Completion
from rlframework.rewards.base import RowReward

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]

# Two rollouts an epoch of 4 minibatches x 2 passes, two minibatches a step: 4 optimizer steps a rollout, 8 an epoch.
SIZES = {"prompts_per_rollout": 4, "minibatches_per_rollout": 4, "passes_per_rollout": 2}
TRAINER: dict[str, Any] = {"accumulate_grad_batches": 2, "max_epochs": 2, "prompts": 10, "held_out": 4}

MOMENTS = [
    "on_train_start",
    "on_train_epoch_start",
    "on_rollout_start",
    "reward",
    "on_rollout_end",
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "after_step",
    "lr_scheduler_step",
    "on_train_batch_end",
    "on_validation_start",
    "on_validation_batch_end",
    "on_validation_end",
    "on_train_epoch_end",
    "on_train_end",
]


@dataclass
class Moments:
    """Counts the moments of a run, and calls a function at some of them.

    Args:
        act: Called with the Trainer.
        chosen: Numbers of the moments to act at, counted over the whole run; None for all.
    """

    act: Callable[[pl.Trainer, str], None]
    chosen: set[int] | None = None
    trainer: pl.Trainer | None = None
    seen: list[str] = field(default_factory=list)

    def now(self, name: str, trainer: pl.Trainer | None = None) -> None:
        trainer = trainer or self.trainer
        if trainer is None:
            return
        self.trainer = trainer
        number = len(self.seen)
        self.seen.append(name)
        if self.chosen is None or number in self.chosen:
            self.act(trainer, f"{number:03d}-{name}")


class Watch(RolloutCallback):
    """Tells `Moments` of every hook."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments


def _hook(name: str) -> Callable[..., None]:
    return lambda self, trainer, *arguments, **named: self.moments.now(name, trainer)


for _name in MOMENTS:
    if _name.startswith("on_"):
        setattr(Watch, _name, _hook(_name))


class Told(RowReward):
    """Share of vowels; tells `Moments` when it is asked, and draws a number that nothing depends on."""

    def __init__(self, moments: Moments) -> None:
        super().__init__()
        self.moments = moments

    def score_row(self, completion: Completion) -> float:
        if completion.prompt.index == 0:
            self.moments.now("reward")
        # In the middle of a rollout the random numbers are others than at its start.
        return sum(letter in "aeiou" for letter in completion.text) + 0.1 * float(torch.rand(()))


class Watched(GRPO):
    """GRPO that tells `Moments` of what no callback sees."""

    def __init__(self, *args: Any, moments: Moments, **options: Any) -> None:
        super().__init__(*args, **options)
        self.moments = moments

    def optimizer_step(self, *args: Any, **options: Any) -> None:
        super().optimizer_step(*args, **options)
        if not self.trainer.fit_loop._should_accumulate():
            self.moments.now("after_step")

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        super().lr_scheduler_step(scheduler, metric)
        self.moments.now("lr_scheduler_step")


class Events(pl.Callback):
    """Writes down the validations and the ends of epochs, with step and loss rate."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int]] = []

    def on_validation_end(self, trainer, pl_module) -> None:
        self.seen.append(("validation", trainer.current_epoch, trainer.global_step))

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self.seen.append(("epoch", trainer.current_epoch, trainer.global_step))


@pytest.fixture
def run(grpo: Make, dropout_policy: Callable, fit: Fit) -> Callable[..., tuple[Tensor, list]]:
    """Return a run that acts at moments; it returns the last weights and what happened."""

    def make(moments: Moments, seed: int = 0, random: int = 1, **trainer: Any) -> tuple[Tensor, list, pl.Trainer]:
        algorithm = grpo(
            dropout_policy(0.1, seed),
            kind=Watched,
            moments=moments,
            reward=Told(moments),
            kl_coefficient=0.1,
            schedule="linear",
            warmup_steps=3,
            **SIZES,
        )
        pl.seed_everything(random, verbose=False)
        events = Events()
        options = {**TRAINER, "callbacks": [events, Watch(moments)], **trainer}
        fitted = fit(algorithm, **options)
        weights = torch.cat([parameter.detach().flatten() for parameter in algorithm.parameters()])
        return weights, events.seen, fitted

    return make


def saver(folder: Path) -> Callable[[pl.Trainer, str], None]:
    folder.mkdir(exist_ok=True)
    return lambda trainer, name: trainer.save_checkpoint(folder / f"{name}.ckpt")


def nothing(trainer: pl.Trainer, name: str) -> None:
    pass


LIMITS: dict[str, dict[str, Any]] = {
    "whole epochs": {},
    "validation inside steps": {"val_check_interval": 3},
    "steps": {"max_steps": 13, "max_epochs": -1},
    "short epochs": {"limit_train_batches": 12},
    "no validation": {"held_out": 0},
}


def resumes(run: Callable, folder: Path, limits: dict[str, Any], chosen: set[int] | None) -> list[str]:
    """Save a run at moments, go on from each, and return the moments after which it ended otherwise."""
    moments = Moments(saver(folder), chosen)
    weights, events, trainer = run(moments, **limits)
    wrong = []
    for path in sorted(folder.glob("*.ckpt")):
        again, later, resumed = run(Moments(nothing), seed=3, random=2, ckpt_path=str(path), **limits)
        same = torch.equal(weights, again) and resumed.global_step == trainer.global_step
        tail = events[len(events) - len(later) :] == later
        if not (same and tail and resumed.current_epoch == trainer.current_epoch):
            wrong.append(f"{path.stem}: {same} {tail}")
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_a_run_goes_on_from_every_moment(run: Callable, tmp_path: Path, limits: dict[str, Any]) -> None:
    wrong = resumes(run, tmp_path / "saved", limits, None)
    print(len(list((tmp_path/"saved").glob("*.ckpt"))), len(wrong), *wrong, sep="\n")
    assert not wrong
