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
from pytorch_lightning.callbacks import EarlyStopping
from torch import Tensor

from rlframework.algorithms import GRPO
from rlframework.callbacks import RefreshReference, RolloutCallback
from rlframework.completions import Completion
from rlframework.rewards.base import RowReward
from tests.drawn import drawn

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

    def __init__(self, moments: Moments, random: bool = True) -> None:
        super().__init__()
        self.moments = moments
        self.random = random

    def score_row(self, completion: Completion) -> float:
        if completion.prompt.index == 0:
            self.moments.now("reward")
        # In the middle of a rollout the random numbers are others than at its start, and in that of a validation.
        drawn = float(torch.rand(())) if self.random else 0.0
        return sum(letter in "aeiou" for letter in completion.text) + 0.1 * drawn


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

    def make(
        moments: Moments,
        seed: int = 0,
        random: int = 1,
        kind: type[GRPO] = Watched,
        schedule: str = "linear",
        draws: bool = True,
        **trainer: Any,
    ) -> tuple[Tensor, list, pl.Trainer]:
        algorithm = grpo(
            dropout_policy(0.1, seed),
            kind=kind,
            moments=moments,
            reward=Told(moments, draws),
            kl_coefficient=0.1,
            schedule=schedule,
            warmup_steps=3 if schedule == "linear" else 0,
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
    "no validation": {"held_out": 0, "limit_train_batches": 12},
}


def resumes(run: Callable, folder: Path, limits: dict[str, Any], chosen: set[int] | None) -> list[str]:
    """Save a run at moments, go on from each, and return the moments after which it ended otherwise."""
    moments = Moments(saver(folder), chosen)
    weights, events, trainer = run(moments, **limits)
    wrong = []
    for path in sorted(folder.glob("*.ckpt")):
        again, later, resumed = run(Moments(nothing), seed=3, random=2, ckpt_path=str(path), **limits)
        same = torch.equal(weights, again) and resumed.global_step == trainer.global_step
        assert resumed.limit_val_batches == trainer.limit_val_batches
        tail = events[len(events) - len(later) :] == later
        if not (same and tail):
            wrong.append(f"{path.stem}: weights {same}, events {tail}")
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_a_run_goes_on_from_every_moment(run: Callable, tmp_path: Path, limits: dict[str, Any]) -> None:
    assert resumes(run, tmp_path / "saved", limits, None) == []


@pytest.mark.parametrize(
    "limits", drawn(["whole epochs", "validation inside steps", "steps"], {"validation inside steps"})
)
def test_a_run_goes_on_from_some_moments(run: Callable, tmp_path: Path, limits: str) -> None:
    chosen = set(Random(limits).sample(range(180), 6))
    assert resumes(run, tmp_path / "saved", LIMITS[limits], chosen) == []


class StopError(Exception):
    """Ends a run, as a kill would."""


@pytest.mark.parametrize("accumulate", drawn({f"{n} minibatches": [n] for n in (1, 2, 4)}, {"2 minibatches"}))
def test_a_run_that_is_stopped_three_times_ends_as_if_it_never_was(
    run: Callable, tmp_path: Path, accumulate: int
) -> None:
    limits = {"accumulate_grad_batches": accumulate, "val_check_interval": 5}
    weights, _, trainer = run(Moments(nothing), **limits)
    for attempt in range(2):
        random, path = Random(f"{accumulate} {attempt}"), None
        for number in range(3):
            here = tmp_path / f"{attempt}-{number}.ckpt"

            def stop(trainer: pl.Trainer, name: str, here: Path = here) -> None:
                trainer.save_checkpoint(here)
                raise StopError(name)

            with pytest.raises(StopError):
                run(Moments(stop, {random.randint(1, 70)}), seed=number, random=number + 1, ckpt_path=path, **limits)
            path = here
        again, _, resumed = run(Moments(nothing), seed=5, random=5, ckpt_path=path, **limits)
        assert resumed.global_step == trainer.global_step
        assert torch.equal(weights, again)


def stop(trainer: pl.Trainer, name: str) -> None:
    trainer.should_stop = True


@pytest.mark.parametrize(
    ("moments", "limits"), [(Moments(stop, {30}), {}), (Moments(nothing), {"max_steps": 3})], ids=["stopped", "limited"]
)
def test_the_rest_of_an_epoch_that_was_stopped_is_not_lost(
    run: Callable, tmp_path: Path, moments: Moments, limits: dict[str, Any]
) -> None:
    """By `should_stop`, as a Timer sets it, or by a limit of steps that is raised later."""
    # A run that is stopped is validated, and that may draw random numbers.
    always = {"schedule": "constant", "draws": False}
    weights, events, _ = run(Moments(nothing), **always)
    _, _, stopped = run(moments, **always, **limits)
    assert 0 < stopped.global_step < 8
    stopped.save_checkpoint(tmp_path / "stopped.ckpt")
    again, later, resumed = run(Moments(nothing), seed=3, random=2, ckpt_path=str(tmp_path / "stopped.ckpt"), **always)
    assert resumed.global_step == 16
    assert torch.equal(weights, again)
    assert later == events


class Steps(torch.optim.AdamW):
    """Calls a function when weights are changed and the step is not over."""

    act: Callable[[], None]

    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        self.act()
        return loss


class Acting(Watched):
    """Learns with `Steps`."""

    def configure_optimizers(self) -> Any:
        optimizer = Steps(self.policy.parameters(), lr=1e-2)
        optimizer.act = self.act
        return optimizer


def test_signals_wait_until_weights_and_optimizer_belong_together(run: Callable, tmp_path: Path) -> None:
    """A handler that saves at once, as Lightning's does under Slurm, is called at any line of Python."""
    plain = type("Plain", (Acting,), {"act": lambda self: None})
    weights, _, _ = run(Moments(nothing), kind=plain)
    saved: list[Path] = []
    inside: list[bool] = []

    def interrupt(self: Acting) -> None:
        inside.append(True)
        os.kill(os.getpid(), signal.SIGUSR1)
        inside.pop()

    def handle(number: int, frame: Any) -> None:
        assert not inside
        saved.append(tmp_path / f"{len(saved)}.ckpt")
        trainers[0].save_checkpoint(saved[-1])

    trainers: list[pl.Trainer] = []
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        run(
            Moments(lambda trainer, name: trainers.append(trainer), {0}),
            kind=type("Hit", (Acting,), {"act": interrupt}),
        )
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(saved) == 16
    for path in saved[::5]:
        again, _, resumed = run(Moments(nothing), seed=3, random=2, kind=plain, ckpt_path=str(path))
        assert resumed.global_step == 16
        assert torch.equal(weights, again)


def test_weights_that_the_optimizer_changed_in_part_are_not_gone_on_with(run: Callable, tmp_path: Path) -> None:
    def fail(self: Acting) -> None:
        raise MemoryError("no memory for the second half")

    trainers: list[pl.Trainer] = []
    fails = type("Fails", (Acting,), {"act": fail})
    with pytest.raises(MemoryError):
        run(Moments(lambda trainer, name: trainers.append(trainer), {0}), kind=fails)
    with pytest.warns(UserWarning, match="no run can be resumed from it"):
        trainers[0].save_checkpoint(tmp_path / "torn.ckpt")
    with pytest.raises(ValueError, match="resume from the checkpoint before it"):
        run(Moments(nothing), kind=fails, ckpt_path=str(tmp_path / "torn.ckpt"))


class Plateau(Watched):
    """Lowers its learning rate when the reward of training does not rise."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.policy.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", factor=0.7, patience=0)
        watched = {"scheduler": scheduler, "monitor": self.monitor, "interval": self.interval}
        return {"optimizer": optimizer, "lr_scheduler": watched}


@pytest.mark.parametrize(
    ("monitor", "interval"), drawn({"step": ("train/reward", "step"), "epoch": ("val/reward", "epoch")}, {"epoch"})
)
def test_a_schedule_that_watches_a_metric_goes_on(run: Callable, tmp_path: Path, monitor: str, interval: str) -> None:
    kind = type("Watching", (Plateau,), {"monitor": monitor, "interval": interval})
    chosen = {*Random(0).sample(range(200), 1), 104, 112}
    assert resumes(run, tmp_path / "saved", {"kind": kind, "max_epochs": 3}, chosen) == []


class BeforeSchedule(Watched):
    """Has code of its own before a schedule follows the weights."""

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        self.moments.now("before_schedule")
        super().lr_scheduler_step(scheduler, metric)


class EveryThird(BeforeSchedule):
    """Lowers its learning rate after every third minibatch that ends a step."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.policy.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.7)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step", "frequency": 3}}


class EndOfValidation(Watched):
    """Has code of its own where the epoch of a validation ends."""

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        self.moments.now("end_of_validation")


class Stopping(Watched):
    """Is stopped at the ninth validation."""

    def configure_callbacks(self) -> Any:
        return [EarlyStopping("val/reward", patience=8, min_delta=1e6, mode="max")]


class Refreshing(Watched):
    """Moves its reference."""

    def configure_callbacks(self) -> Any:
        return [RefreshReference(every_n_steps=2, mixing=0.5)]


class NoSuper(Watched):
    """Forgets that the hook has something to do."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        pass


PLACES: dict[str, tuple[type[GRPO], str, dict[str, Any]]] = {
    "before a schedule": (BeforeSchedule, "before_schedule", {}),
    "before a schedule that is not due each time": (EveryThird, "before_schedule", {}),
    "between epochs, with such a schedule": (EveryThird, "on_train_epoch_start", {}),
    "where the epoch of a validation ends": (EndOfValidation, "end_of_validation", {"val_check_interval": 3}),
    "after a validation inside a step, of which EarlyStopping knows": (
        Stopping,
        "on_after_backward",
        {"val_check_interval": 3},
    ),
    "before the reference is moved": (Refreshing, "lr_scheduler_step", {}),
    "at the end of an epoch over the same prompts": (
        Watched,
        "on_validation_start",
        {"overfit_batches": 8, "max_epochs": 3},
    ),
    "without super()": (NoSuper, "on_train_batch_end", {"val_check_interval": 3}),
}


DRAWN = {"before a schedule that is not due each time", "where the epoch of a validation ends"}


@pytest.mark.parametrize(("kind", "moment", "limits"), drawn(PLACES, DRAWN))
def test_a_run_goes_on_from(
    run: Callable, tmp_path: Path, kind: type[GRPO], moment: str, limits: dict[str, Any]
) -> None:
    moments = Moments(nothing)
    run(moments, kind=kind, **limits)
    there = [number for number, name in enumerate(moments.seen) if name == moment]
    chosen = set(there[1 :: max(1, len(there) // 3)])
    assert resumes(run, tmp_path / "saved", {"kind": kind, **limits}, chosen) == []
