"""A run that stops and goes on ends with the very bits of one that never stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from rlframework.algorithms import GRPO
from tests.drawn import drawn

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]

# Two rollouts an epoch of 4 minibatches x 2 passes, two minibatches a step: 4 optimizer steps a rollout, 8 an epoch.
SIZES = {"prompts_per_rollout": 4, "minibatches_per_rollout": 4, "passes_per_rollout": 2}
TRAINER = {"accumulate_grad_batches": 2, "max_epochs": 2, "prompts": 10, "held_out": 4}


@pytest.fixture
def algorithm(grpo: Make, dropout_policy: Callable) -> Make:
    """Return a maker of an algorithm with everything that a checkpoint must hold: dropout, a reference, a schedule."""

    def make(seed: int = 0) -> GRPO:
        options = {"kl_coefficient": 0.1, "schedule": "linear", "warmup_steps": 3}
        return grpo(dropout_policy(0.1, seed), **options, **SIZES)

    return make


def weights(algorithm: GRPO) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in algorithm.parameters()])


def savers(folder: Path) -> list[ModelCheckpoint]:
    """Return callbacks that save after every step, at the end of every epoch, and after every validation."""
    every_step = ModelCheckpoint(folder, "step-{step}", every_n_train_steps=1, save_top_k=-1)
    every_epoch = ModelCheckpoint(folder, "epoch-{step}", every_n_epochs=1, save_top_k=-1, save_on_train_epoch_end=True)
    validated = ModelCheckpoint(folder, "validated-{step}", monitor="val/reward", save_top_k=-1)
    return [every_step, every_epoch, validated]


def checkpoints(folder: Path) -> dict[str, Path]:
    return {path.stem.replace("step=", ""): path for path in sorted(folder.glob("*.ckpt"))}


# From some of the checkpoints, or from all.
every = pytest.mark.parametrize("every", drawn({"some": (4,), "all": (1,)}, {"some"}))


@every
@pytest.mark.parametrize(
    ("limits", "steps", "steps_per_rollout"),
    drawn(
        {
            "whole epochs": ({}, 16, [4, 4, 4, 4]),
            "validation inside epochs": ({"val_check_interval": 0.25}, 16, [4, 4, 4, 4]),
            "steps": ({"max_steps": 15, "max_epochs": -1}, 15, [4, 4, 4, 4]),
            # Epochs end in the middle of a rollout.
            "short epochs": ({"limit_train_batches": 12}, 12, [4, 2, 4, 2]),
        },
        {"short epochs"},
    ),
)
def test_resuming_is_bit_exact_wherever_the_run_stopped(
    algorithm: Make,
    fit: Fit,
    recorder: Any,
    tmp_path: Path,
    limits: dict[str, Any],
    steps: int,
    steps_per_rollout: list[int],
    every: int,
) -> None:
    pl.seed_everything(1, verbose=False)
    whole = algorithm()
    callbacks = [recorder, *savers(tmp_path / "saved")]
    trainer = fit(whole, callbacks=callbacks, enable_checkpointing=True, **{**TRAINER, **limits})
    assert trainer.global_step == steps
    saved = checkpoints(tmp_path / "saved")
    assert {f"step-{step}" for step in range(1, steps + 1)} <= set(saved)
    kinds = {name.split("-")[0] for name in saved}
    assert kinds == {"step", "epoch", "validated"}

    for name in (name for kind in kinds for name in [one for one in saved if one.startswith(kind)][::every]):
        path = saved[name]
        # Another process begins with other random numbers, and maybe with other weights.
        pl.seed_everything(2, verbose=False)
        resumed, again = algorithm(seed=3), type(recorder)()
        trainer = fit(resumed, ckpt_path=str(path), callbacks=[again], **{**TRAINER, **limits})
        assert trainer.global_step == steps, name
        assert torch.equal(weights(resumed), weights(whole)), name
        begun = sum(sum(steps_per_rollout[:number]) < int(name.split("-")[1]) for number in range(4))
        made = [collected.step for collected in again.collected]
        assert made == [collected.step for collected in recorder.collected][begun:], name


def test_dropout_makes_runs_of_other_random_numbers_differ(algorithm: Make, fit: Fit) -> None:
    """The test above would see a random state that is not restored."""
    ends = []
    for seed in (1, 2):
        pl.seed_everything(seed, verbose=False)
        trained = algorithm()
        fit(trained, **TRAINER)
        ends.append(weights(trained))
    assert not torch.equal(*ends)


def test_another_cut_of_the_rollouts_is_refused(algorithm: Make, fit: Fit, tmp_path: Path) -> None:
    fit(algorithm(), callbacks=savers(tmp_path / "saved"), enable_checkpointing=True, max_steps=3, **TRAINER)
    other = algorithm()
    other.minibatches_per_rollout, other.passes_per_rollout = 2, 4
    with pytest.raises(ValueError, match="minibatches=4 is now 2, passes=2 is now 4"):
        fit(other, ckpt_path=str(checkpoints(tmp_path / "saved")["step-3"]), **TRAINER)


def test_another_accumulation_is_refused_inside_a_rollout(algorithm: Make, fit: Fit, tmp_path: Path) -> None:
    fit(algorithm(), callbacks=savers(tmp_path / "saved"), enable_checkpointing=True, max_steps=3, **TRAINER)
    options = {**TRAINER, "accumulate_grad_batches": 4}
    with pytest.raises(ValueError, match="accumulate_grad_batches=2 is now 4"):
        fit(algorithm(), ckpt_path=str(checkpoints(tmp_path / "saved")["step-3"]), **options)


def test_a_checkpoint_of_weights_loads_into_a_new_module(algorithm: Make, fit: Fit, tmp_path: Path) -> None:
    trained = algorithm()
    fit(trained, callbacks=savers(tmp_path / "saved"), enable_checkpointing=True, max_steps=3, **TRAINER)
    checkpoint = torch.load(checkpoints(tmp_path / "saved")["step-3"], weights_only=True)
    fresh = algorithm(seed=3)
    assert not torch.equal(weights(fresh), weights(trained))
    fresh.load_state_dict(checkpoint["state_dict"])
    assert torch.equal(weights(fresh), weights(trained))


class Figures(pl.Callback):
    """Notes what callbacks and progress bars see when training starts and at each batch's end."""

    def __init__(self) -> None:
        self.at_start: dict[str, float] = {}
        self.in_bar: dict[str, float] = {}
        self.seen: dict[int, dict[str, float]] = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if not self.seen and not self.at_start:
            self.at_start = figures(trainer.callback_metrics)
            self.in_bar = figures(trainer.progress_bar_metrics)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.seen[trainer.global_step] = figures(trainer.callback_metrics)


def figures(metrics: dict[str, Any]) -> dict[str, float]:
    timed = ("train/rollout_seconds", "train/update_seconds")
    return {name: float(value) for name, value in metrics.items() if name.startswith("train/") and name not in timed}


@every
def test_a_resumed_run_has_every_figure_at_once(algorithm: Make, fit: Fit, tmp_path: Path, every: int) -> None:
    """Those of a rollout are measured in its first step; a run that goes on inside it must not lose them."""
    pl.seed_everything(1, verbose=False)
    whole = Figures()
    fit(algorithm(), callbacks=[whole, *savers(tmp_path / "saved")], enable_checkpointing=True, **TRAINER)
    assert len({whole.seen[step]["train/reward"] for step in range(1, 17)}) == 4
    for step in range(1, 16, every):
        again = Figures()
        path = checkpoints(tmp_path / "saved")[f"step-{step}"]
        fit(algorithm(seed=3), ckpt_path=str(path), callbacks=[again], **TRAINER)
        assert again.at_start == whole.seen[step], step
        assert again.in_bar == {"train/reward": whole.seen[step]["train/reward"]}, step
        for later, seen in again.seen.items():
            assert seen == whole.seen[later], (step, later)


def test_figures_of_half_a_step_are_not_lost(algorithm: Make, fit: Fit, tmp_path: Path) -> None:
    """A run may be saved by hand between two minibatches of a step; the rollout's figures are not logged yet."""

    class SaveInside(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
            if batch_idx == trainer.global_step == 0:
                trainer.save_checkpoint(tmp_path / "inside.ckpt")

    pl.seed_everything(1, verbose=False)
    whole, again = Figures(), Figures()
    fit(algorithm(), callbacks=[whole, SaveInside()], **TRAINER)
    fit(algorithm(seed=3), ckpt_path=str(tmp_path / "inside.ckpt"), callbacks=[again], **TRAINER)
    assert "train/reward" not in again.at_start
    assert again.seen[1]["train/reward"] == whole.seen[1]["train/reward"]


def test_a_monitor_of_the_reward_sees_that_of_its_step(
    algorithm: Make, fit: Fit, recorder: Any, tmp_path: Path
) -> None:
    """Also the first one, and the one right after a resume."""
    named = ModelCheckpoint(
        tmp_path, "{step}-{train/reward:.6f}", monitor="train/reward", mode="max", every_n_train_steps=1, save_top_k=-1
    )
    named.FILE_EXTENSION = ".best"
    fit(algorithm(), callbacks=[recorder, named], enable_checkpointing=True, **TRAINER)
    rewards = [collected.scores.total.mean().item() for collected in recorder.collected]
    saved = sorted(named.best_k_models.values())
    assert sorted(float(value) for value in saved) == pytest.approx(sorted(4 * rewards), abs=1e-6)
