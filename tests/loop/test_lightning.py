"""Every promise of Lightning's that the loop could break, each through a real Trainer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor

from rlframework.algorithms import GRPO
from rlframework.rewards.base import RowReward
from rlframework.rollout import Rollout
from rlframework.samplers import BatchedSampler
from rlframework.testing import tiny_policy

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]


def weights(module: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


class Plain(GRPO):
    """Steps by gradient descent, so that a step shows the gradient as it is."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.policy.parameters(), lr=self.optimization["lr"])


# The order of events


def test_every_rollout_is_made_with_the_newest_weights(grpo: Make, fit: Fit, recorder: Any) -> None:
    fit(grpo(minibatches_per_rollout=2, passes_per_rollout=2), callbacks=[recorder], accumulate_grad_batches=2)
    assert recorder.events == ["rollout", "batch", "batch", "batch", "batch"] * 4
    for number in range(1, 4):
        assert torch.equal(recorder.sampled_with[number], recorder.left_with[4 * number - 1])
        assert not torch.equal(recorder.sampled_with[number], recorder.sampled_with[number - 1])
    # The sampler's own account of its weights.
    for collected in recorder.collected:
        torch.testing.assert_close(collected.rollout.sampler_logprobs, collected.rollout.old_logprobs)


def test_batches_are_rollouts_moved_by_their_own_method(
    grpo: Make, fit: Fit, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = []
    real = Rollout.to
    monkeypatch.setattr(Rollout, "to", lambda self, *args: moved.append(args) or real(self, *args))
    fit(grpo(minibatches_per_rollout=2), callbacks=[recorder])
    assert [type(batch) for batch in recorder.batches] == [Rollout] * 8
    assert len(moved) == 8 + recorder.count("rollout")
    assert set(moved) == {(torch.device("cpu"),)}


# Steps


def test_steps_and_checkpoints_are_exact(grpo: Make, fit: Fit, recorder: Any, tmp_path: Path) -> None:
    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=6, save_top_k=-1)
    algorithm = grpo(minibatches_per_rollout=4, passes_per_rollout=2)
    options = {"max_steps": 24, "max_epochs": -1, "accumulate_grad_batches": 2}
    trainer = fit(algorithm, enable_checkpointing=True, callbacks=[saver, recorder], **options)
    assert trainer.global_step == 24
    assert (recorder.count("batch"), recorder.count("rollout")) == (48, 6)
    assert sorted(int(path.stem.split("=")[1]) for path in tmp_path.glob("*.ckpt")) == [6, 12, 18, 24]


def test_max_steps_stops_inside_a_rollout(grpo: Make, fit: Fit, recorder: Any) -> None:
    trainer = fit(grpo(minibatches_per_rollout=4), max_steps=6, callbacks=[recorder])
    assert (trainer.global_step, recorder.count("batch"), recorder.count("rollout")) == (6, 6, 2)


def test_validation_metrics_can_be_monitored(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    saver = ModelCheckpoint(tmp_path, monitor="val/accuracy", mode="max")
    stopper = EarlyStopping(monitor="val/accuracy", mode="max", min_delta=2.0, patience=2)
    # An accuracy cannot improve by 2: the run stops after the first epoch and two of patience.
    trainer = fit(grpo(), held_out=8, max_epochs=9, enable_checkpointing=True, callbacks=[saver, stopper])
    assert trainer.current_epoch == 3
    assert saver.best_model_score == max(saver.best_k_models.values())
    assert Path(saver.best_model_path).is_file()


def test_schedule_counts_optimizer_steps(grpo: Make, fit: Fit) -> None:
    rates = []

    class Watch(pl.Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
            rates.append(optimizer.param_groups[0]["lr"])

    algorithm = grpo(minibatches_per_rollout=4, schedule="linear", warmup_steps=2, learning_rate=0.1)
    trainer = fit(algorithm, max_epochs=2, accumulate_grad_batches=2, callbacks=[Watch()])
    expected = [0.0, 0.05] + [0.1 * (16 - step) / 14 for step in range(2, 16)]
    assert rates == pytest.approx(expected)
    assert trainer.optimizers[0].param_groups[0]["lr"] == 0.0


def test_number_of_steps_is_known_without_a_rollout(grpo: Make, fit: Fit, recorder: Any) -> None:
    known = []

    class Asks(GRPO):
        def configure_optimizers(self) -> Any:
            known.append((self.trainer.estimated_stepping_batches, recorder.events[:]))
            return super().configure_optimizers()

    algorithm = grpo(kind=Asks, minibatches_per_rollout=2, passes_per_rollout=2)
    trainer = fit(algorithm, prompts=14, max_epochs=2, accumulate_grad_batches=2, callbacks=[recorder])
    assert known == [(12, [])]
    assert trainer.global_step == 12


@pytest.mark.parametrize(
    ("options", "batches", "rollouts", "validations"),
    [
        ({"fast_dev_run": True}, 1, 1, 1),
        ({"fast_dev_run": 3}, 3, 2, 1),
        ({"overfit_batches": 2, "max_epochs": 3}, 6, 3, 3),
        # The second half of the second rollout is left: the next epoch begins with a new one.
        ({"limit_train_batches": 3, "max_epochs": 2}, 6, 4, 2),
        ({"limit_train_batches": 0.5}, 4, 2, 1),
        ({"val_check_interval": 3}, 8, 4, 2),
        ({"val_check_interval": 0.25}, 8, 4, 4),
        ({"check_val_every_n_epoch": 2, "max_epochs": 4}, 32, 16, 2),
        ({"limit_val_batches": 0}, 8, 4, 0),
    ],
    ids=str,
)
def test_limits_keep_their_meaning(
    grpo: Make, fit: Fit, recorder: Any, options: dict, batches: int, rollouts: int, validations: int
) -> None:
    trainer = fit(grpo(minibatches_per_rollout=2), held_out=4, callbacks=[recorder], **options)
    counted = [recorder.count(event) for event in ("batch", "rollout", "validation")]
    assert counted == [batches, rollouts, validations]
    assert trainer.global_step == batches


def test_overfit_batches_repeats_the_same_prompts(grpo: Make, fit: Fit, recorder: Any) -> None:
    fit(grpo(), overfit_batches=1, max_epochs=2, callbacks=[recorder])
    first, second = ([row.prompt.index for row in collected.completions] for collected in recorder.collected)
    assert first == second


# Gradients


@pytest.mark.parametrize("kl_coefficient", [pytest.param(0.0, marks=pytest.mark.slow), 0.1])
def test_accumulation_does_not_change_the_weights(grpo: Make, fit: Fit, kl_coefficient: float) -> None:
    trained = []
    for parts in (1, 2, 4):
        algorithm = grpo(kind=Plain, learning_rate=0.1, minibatches_per_rollout=parts, kl_coefficient=kl_coefficient)
        trainer = fit(algorithm, max_epochs=2, accumulate_grad_batches=parts)
        assert trainer.global_step == 8
        trained.append(weights(algorithm.policy))
    assert (trained[0] - weights(tiny_policy())).abs().max() > 1e-2
    torch.testing.assert_close(trained[1], trained[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(trained[2], trained[0], rtol=0, atol=1e-6)


def test_clipping_is_lightnings_and_the_logged_norm_is_from_before(grpo: Make, fit: Fit) -> None:
    algorithm = grpo(kind=Plain, learning_rate=1.0, minibatches_per_rollout=2)
    options = {"max_steps": 1, "accumulate_grad_batches": 2}
    trainer = fit(algorithm, gradient_clip_val=0.01, **options)
    clipped = weights(algorithm.policy) - weights(tiny_policy())
    assert clipped.norm().item() == pytest.approx(0.01, rel=1e-3)
    algorithm = grpo(kind=Plain, learning_rate=1.0, minibatches_per_rollout=2)
    fit(algorithm, **options)
    whole = weights(algorithm.policy) - weights(tiny_policy())
    assert trainer.callback_metrics["train/grad_norm"].item() == pytest.approx(whole.norm().item(), rel=1e-3)
    assert whole.norm() > 0.1


def test_groups_of_equal_rewards_give_gradients_of_exactly_zero(grpo: Make, fit: Fit) -> None:
    class Constant(RowReward):
        def score_row(self, completion) -> float:
            return 0.1

    gradients = []

    class Watch(pl.Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
            gradients.extend(parameter.grad for parameter in pl_module.policy.parameters())

    # The mean of seven times 0.1 is not 0.1 in float32.
    sampler = BatchedSampler(group_size=7, max_tokens=4)
    algorithm = grpo(reward=Constant(), sampler=sampler, minibatches_per_rollout=2, passes_per_rollout=2)
    trainer = fit(algorithm, callbacks=[Watch()])
    assert len(gradients) == 16 * len(list(tiny_policy().parameters()))
    assert all(gradient.count_nonzero() == 0 for gradient in gradients)
    assert trainer.callback_metrics["train/zero_std_groups"] == 1.0


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": BatchedSampler(group_size=1, max_tokens=4)}, "group_size=1.*at least 2"),
        ({"sampler": BatchedSampler(group_size=4, max_tokens=4, temperature=0.0)}, "temperature=0 makes"),
        ({"kl_coefficient": -0.1}, "kl_coefficient must not be negative, got -0.1"),
    ],
)
def test_what_cannot_learn_is_refused(grpo: Make, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grpo(**options)


def test_accumulation_that_does_not_divide_a_rollout_is_refused(grpo: Make, fit: Fit, recorder: Any) -> None:
    message = "minibatches_per_rollout=4 must be a multiple of accumulate_grad_batches=3"
    with pytest.raises(ValueError, match=message):
        fit(grpo(minibatches_per_rollout=4), accumulate_grad_batches=3, callbacks=[recorder])
    assert recorder.events == []


def test_epochs_that_end_inside_a_step_are_refused(grpo: Make, fit: Fit, recorder: Any) -> None:
    with pytest.raises(ValueError, match=r"7 minibatches.*accumulate_grad_batches=2"):
        fit(grpo(minibatches_per_rollout=4), limit_train_batches=7, accumulate_grad_batches=2, callbacks=[recorder])
    assert recorder.events == []


def test_a_reward_that_always_abstains_stops_the_run(grpo: Make, fit: Fit) -> None:
    class Silent(RowReward):
        def score_row(self, completion) -> None:
            return None

    with pytest.raises(RuntimeError, match=r"abstained \(NaN\) on all 16 completions of a rollout: silent"):
        fit(grpo(reward=Silent()))


def test_prompts_that_do_not_fit_the_model_are_refused_before_the_first_rollout(
    grpo: Make, fit: Fit, recorder: Any
) -> None:
    with pytest.raises(ValueError, match=r"16 prompts .*max_tokens=63 exceed the 64 positions"):
        fit(grpo(sampler=BatchedSampler(2, 63)), callbacks=[recorder])
    assert recorder.events == []
