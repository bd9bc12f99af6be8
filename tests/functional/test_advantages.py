"""Advantages of small groups, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rlframework.functional.advantages import group_centered, group_normalized, group_spread

NAN = float("nan")


def test_normalized_divides_by_the_bessel_corrected_deviation() -> None:
    # mean 2.5, squares of the deviations 2.25 + 0.25 + 0.25 + 2.25 = 5, variance 5 / 3, deviation 1.290994
    advantages = group_normalized(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), epsilon=0.0)
    torch.testing.assert_close(advantages, torch.tensor([[-1.161895, -0.387298, 0.387298, 1.161895]]))


def test_normalized_adds_epsilon_to_the_deviation_and_by_default_1e_4() -> None:
    # 0 and 1: deviation sqrt(0.5) = 0.70710678, so A = 0.5 / (0.70710678 + epsilon)
    rewards = torch.tensor([[0.0, 1.0]])
    torch.testing.assert_close(group_normalized(rewards, epsilon=1.0), torch.tensor([[-0.292893, 0.292893]]))
    torch.testing.assert_close(
        group_normalized(rewards), torch.tensor([[-0.70700679, 0.70700679]]), atol=1e-7, rtol=0.0
    )


def test_groups_do_not_see_each_other() -> None:
    # Row 2 is row 1 scaled by 10 and shifted by 100: normalised it is the same, centred it is 10 times as much.
    rewards = torch.tensor([[1.0, 3.0], [110.0, 130.0]])
    half = math.sqrt(0.5)
    torch.testing.assert_close(group_normalized(rewards, epsilon=0.0), torch.tensor([[-half, half], [-half, half]]))
    assert group_centered(rewards).tolist() == [[-1.0, 1.0], [-10.0, 10.0]]
    assert group_spread(rewards).tolist() == [2.0, 20.0]


def test_an_abstention_counts_for_nothing() -> None:
    # The valid rewards 1 and 5 have mean 3 and deviation sqrt(8 / 1) = 2.828427.
    rewards = torch.tensor([[1.0, NAN, 5.0]])
    assert group_centered(rewards).tolist() == [[-2.0, 0.0, 2.0]]
    torch.testing.assert_close(group_normalized(rewards, epsilon=0.0), torch.tensor([[-0.707107, 0.0, 0.707107]]))
    assert group_spread(rewards).tolist() == [4.0]


@pytest.mark.parametrize("function", [group_normalized, group_centered])
@pytest.mark.parametrize("rewards", [[[NAN, 7.0, NAN]], [[NAN, NAN, NAN]], [[7.0]], [[NAN]]])
def test_a_row_with_nothing_to_compare_with_gets_0(function, rewards: list[list[float]]) -> None:
    assert function(torch.tensor(rewards)).tolist() == [[0.0] * len(rewards[0])]
    assert group_spread(torch.tensor(rewards)).tolist() == [0.0]


@pytest.mark.parametrize("function", [lambda r: group_normalized(r, epsilon=0.0), group_normalized, group_centered])
@pytest.mark.parametrize("size", [3, 7, 13])
@pytest.mark.parametrize("value", [0.1, -0.7, 1 / 3, 1e6 + 0.1])
def test_equal_rewards_give_exactly_0(function, size: int, value: float) -> None:
    rewards = torch.full((2, size), value)
    assert torch.equal(function(rewards), torch.zeros(2, size))
    rewards[:, 0] = NAN
    assert torch.equal(function(rewards), torch.zeros(2, size))


def test_some_of_these_means_are_inexact() -> None:
    """Show that the test above cannot pass by luck: rewards minus their mean is not 0 there."""
    sizes_and_values = [(size, value) for size in (3, 7, 13) for value in (0.1, -0.7, 1 / 3, 1e6 + 0.1)]
    inexact = [case for case in sizes_and_values if (_full(*case) - _full(*case).nanmean(1, keepdim=True)).any()]
    assert inexact


def _full(size: int, value: float) -> Tensor:
    return torch.full((2, size), value)


def test_advantages_sum_to_0_and_keep_the_order_of_rewards() -> None:
    rewards = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    for advantages in (group_normalized(rewards), group_centered(rewards)):
        torch.testing.assert_close(advantages.sum(1), torch.zeros(50), atol=1e-5, rtol=0.0)
        assert torch.equal(advantages.argsort(1), rewards.argsort(1))
    torch.testing.assert_close(group_normalized(rewards, epsilon=0.0).std(1), torch.ones(50))
