"""From rewards to advantages, one group at a time."""

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
    `group_normalized`.

    Example:
        >>> group_centered(torch.tensor([[1.0, 3.0], [5.0, 5.0]]))
        tensor([[-1.,  1.],
                [ 0.,  0.]])
    """
    centred, spread = _centre(rewards)
    return torch.where(spread > 0, centred, 0.0).nan_to_num(0.0)


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
