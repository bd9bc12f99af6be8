"""Advantages from rewards: within each group, or (``batch_...``) over all groups of the rollout."""

from __future__ import annotations

import torch
from torch import Tensor


def group_normalized(rewards: Tensor, epsilon: float = 1e-4) -> Tensor:
    """Centre and scale rewards within each group.

    ``A_ng = (r_ng - mean_g r_n) / (std_g r_n + epsilon)``, the standard deviation with Bessel's correction.
    DeepSeekMath (arXiv:2402.03300), section 4.1.2; the correction and epsilon as in TRL.

    A NaN reward has abstained: it takes no part in its group's statistics and its advantage is 0. So is that of a row
    with no other valid reward to compare with. A group whose rewards are all equal gets exactly 0, also where the
    floating-point mean of equal numbers is not that number.

    Args:
        rewards: ``(N, G)`` float.
        epsilon: Added to the standard deviation, in units of reward.

    Returns:
        ``(N, G)`` advantages.

    Example:
        >>> group_normalized(torch.tensor([[1.0, 3.0], [5.0, 5.0]]), epsilon=0.0)
        tensor([[-0.7071,  0.7071],
                [ 0.0000,  0.0000]])
    """
    centred, spread = _centre(rewards)
    scaled = centred / (group_std(rewards).unsqueeze(1) + epsilon)
    return torch.where(spread > 0, scaled, 0.0).nan_to_num(0.0)


def group_centered(rewards: Tensor) -> Tensor:
    """Centre rewards within each group, without scaling: ``A_ng = r_ng - mean_g r_n``.

    Understanding R1-Zero-Like Training (Dr. GRPO, arXiv:2503.20783), equation 3. NaN and equal rewards as in
    `group_normalized`. Rewards and advantages are ``(N, G)``.

    Example:
        >>> group_centered(torch.tensor([[1.0, 3.0], [5.0, 5.0]]))
        tensor([[-1.,  1.],
                [ 0.,  0.]])
    """
    centred, spread = _centre(rewards)
    return torch.where(spread > 0, centred, 0.0).nan_to_num(0.0)


def leave_one_out(rewards: Tensor) -> Tensor:
    """Compare each reward with the mean of the others of its group: ``A_ng = r_ng - mean_{h != g} r_nh``.

    Back to Basics (RLOO, arXiv:2402.14740); ``G / (G - 1)`` times `group_centered`. NaN and equal rewards
    as in `group_normalized`. Rewards and advantages are ``(N, G)``.

    Example:
        >>> leave_one_out(torch.tensor([[0.0, 3.0, 3.0]]))
        tensor([[-3.0000,  1.5000,  1.5000]])
    """
    valid = (~rewards.isnan()).sum(1, keepdim=True)
    return group_centered(rewards) * valid / (valid - 1).clamp(min=1)


def mean_normalized(rewards: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Divide by the group's mean reward: ``A_ng = (r_ng - mean_g r_n) / (mean_g r_n + epsilon)``.

    Maximum Likelihood Reinforcement Learning (MaxRL, arXiv:2602.02710): with rewards of 0 and 1 the
    estimator averages over the successes alone, so a rare success counts more. A group without any gets 0. NaN and
    equal rewards as in `group_normalized`.

    Args:
        rewards: ``(N, G)`` float, none negative.
        epsilon: Added to the mean, in units of reward.

    Raises:
        ValueError: A reward is negative: the mean of a group is then no success rate, and may be 0.

    Example:
        >>> mean_normalized(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]), epsilon=0.0)
        tensor([[ 3., -1., -1., -1.],
                [ 0.,  0.,  0.,  0.]])
    """
    if (rewards < 0).any():
        raise ValueError(
            "rewards must not be negative to be divided by their mean, and the smallest is "
            f"{rewards.nan_to_num().min()}; use rewards of 0 and 1, such as CorrectAnswer()"
        )
    scaled = group_centered(rewards) / (rewards.nanmean(1, keepdim=True) + epsilon)
    return scaled.nan_to_num(0.0)


def batch_scaled(rewards: Tensor, epsilon: float = 1e-4) -> Tensor:
    """Centre within the group, scale by the whole rollout: ``A_ng = (r_ng - mean_g r_n) / (std r + epsilon)``.

    Tricks or Traps (Lite PPO, arXiv:2508.08221): an easy group's tiny spread no longer blows up its
    advantages. The standard deviation, with Bessel's correction, is that of the rewards of all groups.

    Args:
        rewards: ``(N, G)`` float.
        epsilon: Added to the standard deviation, in units of reward.

    Example:
        >>> batch_scaled(torch.tensor([[0.0, 2.0], [4.0, 4.0]]), epsilon=0.0)
        tensor([[-0.5222,  0.5222],
                [ 0.0000,  0.0000]])
    """
    return group_centered(rewards) / (batch_std(rewards) + epsilon)


def batch_normalized(values: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Divide by the standard deviation over the whole rollout: ``A_ng / (std A + epsilon)``.

    For values that are centred already. REINFORCE++ (arXiv:2501.03262). NaN stays NaN.

    Args:
        values: ``(N, G)`` float.
        epsilon: Added to the standard deviation, in units of the values.

    Example:
        >>> batch_normalized(torch.tensor([[-1.0, 1.0], [0.0, 0.0]]), epsilon=0.0)
        tensor([[-1.2247,  1.2247],
                [ 0.0000,  0.0000]])
    """
    return values / (batch_std(values) + epsilon)


def batch_centered(rewards: Tensor) -> Tensor:
    """Centre rewards ``(N, G)`` by the whole rollout: ``A_ng = r_ng - mean r``.

    NaN and equal rewards as in `group_normalized`.

    Example:
        >>> batch_centered(torch.tensor([[0.0, 2.0], [5.0, 5.0]]))
        tensor([[-3., -1.],
                [ 2.,  2.]])
    """
    return group_centered(rewards.reshape(1, -1)).view_as(rewards)


def batch_std(rewards: Tensor) -> Tensor:
    """Return the standard deviation of all valid rewards ``(N, G)``, a scalar, with Bessel's correction; 0 of one.

    Example:
        >>> batch_std(torch.tensor([[1.0, 3.0], [float("nan"), float("nan")]]))
        tensor(1.4142)
    """
    return group_std(rewards.reshape(1, -1)).squeeze(0)


def group_std(rewards: Tensor) -> Tensor:
    """Return the standard deviation of each group's valid rewards, ``(N,)``, with Bessel's correction.

    A group with one valid reward has 0.

    Example:
        >>> group_std(torch.tensor([[1.0, 3.0, float("nan")], [5.0, float("nan"), float("nan")]]))
        tensor([1.4142, 0.0000])
    """
    centred, _ = _centre(rewards)
    valid = (~rewards.isnan()).sum(1)
    return (centred.nan_to_num(0.0).square().sum(1) / (valid - 1).clamp(min=1)).sqrt()


def group_spread(rewards: Tensor) -> Tensor:
    """Return ``max - min`` of the valid rewards of each group, ``(N,)``; 0 for a group of equal rewards."""
    return _centre(rewards)[1].squeeze(1)


def _centre(rewards: Tensor) -> tuple[Tensor, Tensor]:
    """Return rewards minus their group's mean ``(N, G)`` and the group's range ``(N, 1)``."""
    missing = rewards.isnan()
    high = rewards.masked_fill(missing, float("-inf")).amax(1, keepdim=True)
    low = rewards.masked_fill(missing, float("inf")).amin(1, keepdim=True)
    return rewards - rewards.nanmean(1, keepdim=True), (high - low).clamp(min=0.0)
