"""The kit lets pass what is unusual and right: another baseline, ranks, a penalty in place of a clip."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rlframework import GRPO, REINFORCE, PolicyGradient, Rollout
from rlframework.functional.advantages import group_centered, group_normalized, group_std
from rlframework.testing import check_algorithm
from tests.drawn import drawn


class ConstantBaseline(REINFORCE):
    def advantages(self, rewards: Tensor) -> Tensor:
        return rewards - 0.5


class NoBaseline(REINFORCE):
    def advantages(self, rewards: Tensor) -> Tensor:
        return rewards


class RunningBaseline(REINFORCE):
    """Remembers, and says so to checkpoints."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("baseline", torch.zeros(()))

    def advantages(self, rewards: Tensor) -> Tensor:
        known = self.baseline.clone()
        self.baseline.lerp_(rewards.nanmean(), 0.5)
        return rewards - known


class Ranks(GRPO):
    def advantages(self, rewards: Tensor) -> Tensor:
        better = (rewards.unsqueeze(2) > rewards.unsqueeze(1)).sum(2) - (
            rewards.unsqueeze(2) < rewards.unsqueeze(1)
        ).sum(2)
        return better / rewards.shape[1]


class Penalty(GRPO):
    """Pulls the log-ratio back, also where the row went the right way."""

    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        log_ratio = self.log_ratio(logprobs, batch)
        return -log_ratio.exp() * batch.advantages + 2.5 * log_ratio.square()


class PartlyNormalized(GRPO):
    """Divides by the root of the standard deviation: groups of much spread count more, but not in proportion."""

    def advantages(self, rewards: Tensor) -> Tensor:
        return group_centered(rewards) / (group_std(rewards).sqrt().unsqueeze(1) + 1e-4)


class MinimumSpread(GRPO):
    """A large epsilon, beside rewards of about 1."""

    def advantages(self, rewards: Tensor) -> Tensor:
        return group_normalized(rewards, epsilon=1e-2)


DESIGNS = [ConstantBaseline, NoBaseline, RunningBaseline, Ranks, Penalty, PartlyNormalized, MinimumSpread]


@pytest.mark.parametrize("kind", drawn(DESIGNS, {"PartlyNormalized"}))
def test_it_passes(kind: type[PolicyGradient]) -> None:
    assert check_algorithm(kind).ok
