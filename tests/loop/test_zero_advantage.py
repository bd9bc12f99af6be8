"""A group without advantage is spared the backward pass, changes nothing by it, and is not spared where it would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework.algorithms import GRPO
from rlframework.functional.divergences import k2
from rlframework.loop import zero_advantage
from rlframework.rewards.base import RowReward
from rlframework.terms import EntropyBonus, KLInLoss
from rlframework.testing import tiny_policy

Make, Fit = Callable[..., GRPO], Callable[..., pl.Trainer]


class SomePrompts(RowReward):
    """Tells the completions of every other prompt apart."""

    def score_row(self, completion: Any) -> float:
        return float(completion.prompt.index % 2 and len(set(completion.ids)))


class Flat(RowReward):
    def score_row(self, completion: Any) -> float:
        return 1.0


class Anchored(GRPO):
    """A surrogate that pulls whatever the advantage is."""

    def surrogate(self, logprobs: Tensor, batch: Any) -> Tensor:
        return super().surrogate(logprobs, batch) + 0.01 * (logprobs + 2).square()


@pytest.fixture
def learned(grpo: Make, fit: Fit, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Tensor, dict, list[int]]]:
    """Return a run's weights, figures and numbers of rows scored with gradient."""

    def run(skip: bool, reward: RowReward | None = None, **options: Any) -> tuple[Tensor, dict, list[int]]:
        policy, rows = tiny_policy(), []
        # Many, so that some completions end and some are truncated.
        policy.model.generation_config.eos_token_id = list(range(1, 9))
        score = policy.logprobs

        def watched(batch: Any, **given: Any) -> Any:
            if torch.is_grad_enabled():
                rows.append(len(batch))
            return score(batch, **given)

        # Made before it is watched: its reference is a copy.
        algorithm = grpo(policy, reward=reward or SomePrompts(), **options)
        policy.logprobs = watched
        everything = lambda batch: torch.ones(len(batch), dtype=torch.bool)  # noqa: E731
        with monkeypatch.context() as patch:
            if not skip:
                patch.setattr(zero_advantage, "rows_with_gradient", everything)
            trainer = fit(algorithm, max_steps=3, gradient_clip_val=1.0)
        weights = torch.nn.utils.parameters_to_vector(policy.parameters()).detach()
        return weights, {k: v for k, v in trainer.callback_metrics.items() if "seconds" not in k}, rows

    return run


@pytest.mark.parametrize("options", [{}, {"passes_per_rollout": 2}, {"mask_truncated": True}])
def test_the_run_is_the_same_and_fewer_rows_are_differentiated(learned: Callable, options: dict) -> None:
    (weights, figures, rows), (expected, plain, all_rows) = learned(True, **options), learned(False, **options)
    assert sum(rows) < sum(all_rows) == 16 * len(all_rows)
    torch.testing.assert_close(weights, expected, atol=1e-5, rtol=0)
    assert (weights - torch.nn.utils.parameters_to_vector(tiny_policy().parameters())).abs().max() > 1e-3
    assert figures.keys() == plain.keys()
    for name in figures:
        torch.testing.assert_close(figures[name], plain[name], atol=1e-4, rtol=1e-3, msg=name)


class Leashed(GRPO):
    """A surrogate that pulls only once the policy has moved: flat where a rollout starts."""

    def surrogate(self, logprobs: Tensor, batch: Any) -> Tensor:
        moved = (self.log_ratio(logprobs, batch).abs() - 1e-3).clamp(min=0)
        return super().surrogate(logprobs, batch) + moved


def test_a_loss_that_is_flat_at_the_start_alone_is_not_taken_for_idle(learned: Callable) -> None:
    options = {"kind": Leashed, "passes_per_rollout": 3}
    torch.testing.assert_close(learned(True, **options)[0], learned(False, **options)[0], atol=1e-5, rtol=0)
    assert learned(True, **options)[2] != learned(True, passes_per_rollout=3)[2]


def test_one_group_always_goes_along(learned: Callable) -> None:
    assert learned(True, Flat())[2] == [4, 4, 4]


@pytest.mark.parametrize(
    "options",
    [
        {"kl_coefficient": 0.1},
        {"kl_coefficient": 0.1, "kl": KLInLoss(k2)},
        {"entropy_bonus": EntropyBonus(0.01), "reward": Flat()},
        {"kind": Anchored, "reward": Flat()},
    ],
)
def test_what_moves_without_advantage_is_differentiated(learned: Callable, options: dict) -> None:
    (weights, _, rows), (expected, _, _) = learned(True, **options), learned(False, **options)
    # A divergence is flat until the policy has moved.
    assert rows[-2:] == [16, 16]
    assert rows[0] < 16
    torch.testing.assert_close(weights, expected, atol=1e-5, rtol=0)


def test_a_resumed_run_knows_that_groups_without_advantage_teach(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    trainer = fit(grpo(tiny_policy(), reward=Flat(), kind=Anchored), max_steps=1)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    resumed = grpo(tiny_policy(), reward=Flat(), kind=Anchored)
    assert not resumed._zero_advantages_teach
    fit(resumed, max_steps=1, ckpt_path=tmp_path / "one.ckpt")
    assert resumed._zero_advantages_teach
