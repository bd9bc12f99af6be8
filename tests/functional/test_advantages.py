"""Advantages of small groups, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rlframework.functional.advantages import (
    batch_centered,
    batch_normalized,
    batch_scaled,
    batch_std,
    group_centered,
    group_normalized,
    group_spread,
    group_std,
    leave_one_out,
    mean_normalized,
)

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


def test_leave_one_out_compares_with_the_mean_of_the_others() -> None:
    # 1 - (2 + 6) / 2, 2 - (1 + 6) / 2, 6 - (1 + 2) / 2; without the abstention 1 - 6 and 6 - 1
    rewards = torch.tensor([[1.0, 2.0, 6.0], [1.0, NAN, 6.0]])
    torch.testing.assert_close(leave_one_out(rewards), torch.tensor([[-3.0, -1.5, 4.5], [-5.0, 0.0, 5.0]]))


def test_leave_one_out_equals_loops() -> None:
    rewards = torch.rand(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loops = [[row[g] - (sum(row) - row[g]) / 6 for g in range(7)] for row in rewards.tolist()]
    torch.testing.assert_close(leave_one_out(rewards), torch.tensor(loops, dtype=torch.float64))


def test_mean_normalized_divides_by_the_success_rate() -> None:
    # Mean 0.25: (1 - 0.25) / 0.25 = 3. Mean 2: -1/2 and 1/2, a valid mean of 4 over one row: nothing to compare.
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, NAN, 3.0, NAN], [NAN, 4.0, NAN, NAN]])
    expected = torch.tensor([[3.0, -1.0, -1.0, -1.0], [-0.5, 0.0, 0.5, 0.0], [0.0] * 4])
    torch.testing.assert_close(mean_normalized(rewards, epsilon=0.0), expected)
    # The default is 1e-6: 0.75 / 0.250001.
    assert mean_normalized(rewards.double())[0, 0].item() == pytest.approx(2.999988, abs=1e-9)


def test_a_negative_reward_has_no_success_rate() -> None:
    with pytest.raises(ValueError, match=r"smallest is -0\.5"):
        mean_normalized(torch.tensor([[1.0, -0.5, NAN]]))


def test_batch_scaled_centres_by_group_and_scales_by_the_rollout() -> None:
    # Rewards 0, 2, 4, 10: mean 4, squares 16 + 4 + 0 + 36 = 56, deviation sqrt(56 / 3) = 4.320494.
    rewards = torch.tensor([[0.0, 2.0], [4.0, 10.0]])
    expected = torch.tensor([[-0.231455, 0.231455], [-0.694365, 0.694365]])
    torch.testing.assert_close(batch_scaled(rewards, epsilon=0.0), expected)
    # The default is 1e-4: 3 / 4.320594.
    assert batch_scaled(rewards.double())[1, 1].item() == pytest.approx(3 / 4.3205937, abs=1e-7)


def test_batch_scaled_leaves_abstentions_out_of_the_spread() -> None:
    # The valid rewards 0, 2 and 4 have deviation 2; the 4 stands alone in its group.
    rewards = torch.tensor([[0.0, 2.0], [4.0, NAN]])
    assert batch_scaled(rewards, epsilon=0.0).tolist() == [[-0.5, 0.5], [0.0, 0.0]]


def test_batch_normalized_divides_by_the_spread_of_what_it_is_given() -> None:
    # -1, 1, -3, 3: squares 20, deviation sqrt(20 / 3) = 2.581989. NaN takes no part and stays.
    values = torch.tensor([[-1.0, 1.0, NAN], [-3.0, 3.0, NAN]])
    expected = torch.tensor([[-0.387298, 0.387298, NAN], [-1.161895, 1.161895, NAN]])
    torch.testing.assert_close(batch_normalized(values, epsilon=0.0), expected, equal_nan=True)


def test_batch_centered_centres_by_the_valid_mean() -> None:
    rewards = torch.tensor([[0.0, 2.0, NAN], [7.0, 3.0, NAN]])
    assert batch_centered(rewards).tolist() == [[-3.0, -1.0, 0.0], [4.0, 0.0, 0.0]]


def test_deviations_have_bessels_correction_and_are_0_of_one() -> None:
    # 1, 2, 3, 4: variance 5 / 3. 2 and 6: variance 8. All six: mean 3, squares 4 + 1 + 0 + 1 + 1 + 9 = 16, over 5.
    rewards = torch.tensor([[1.0, 2.0, 3.0, 4.0], [2.0, NAN, 6.0, NAN], [NAN, NAN, 5.0, NAN], [NAN] * 4])
    torch.testing.assert_close(group_std(rewards), torch.tensor([1.290994, 2.828427, 0.0, 0.0]))
    torch.testing.assert_close(batch_std(rewards[:2]), torch.tensor(1.788854))
    assert batch_std(rewards[2:]).item() == 0.0


@pytest.mark.parametrize("function", [leave_one_out, mean_normalized, batch_scaled, batch_centered])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e6 + 0.1])
def test_equal_rewards_give_exactly_0_in_the_family_too(function, value: float) -> None:
    rewards = torch.full((2, 7), value)
    rewards[1, :3] = NAN
    assert torch.equal(function(rewards), torch.zeros(2, 7))


def test_batch_statistics_of_one_value_are_finite() -> None:
    everything_but_one = torch.full((2, 3), NAN)
    everything_but_one[0, 0] = 1.0
    for function in (batch_scaled, batch_centered, group_normalized, leave_one_out, mean_normalized):
        assert function(everything_but_one).tolist() == [[0.0] * 3] * 2
