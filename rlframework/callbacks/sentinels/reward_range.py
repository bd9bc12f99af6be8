"""The range of the rewards that a run has paid: groups of equal rewards that are near its top count as solved."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from rlframework.functional.advantages import group_spread
from rlframework.metrics.tally import Tally

# What lies within this share of the range below the highest reward is as good as it.
_NEAR = 0.1


def measure_range(tally: Tally, rewards: Tensor) -> None:
    """Add the highest and the lowest reward of a rollout; NaN abstains.

    Args:
        tally: Of the sentinel.
        rewards: ``(N, G)``.
    """
    tally.max("highest reward", rewards)
    tally.max("lowest reward, negative", -rewards)


def widen(memory: dict[str, Any], figures: dict[str, float]) -> None:
    """Widen the range that a sentinel remembers by that of a new rollout.

    Args:
        memory: Of the sentinel; ``highest`` and ``lowest`` are kept there.
        figures: With those of `measure_range`, over all ranks.
    """
    high, low = figures["highest reward"], -figures["lowest reward, negative"]
    if high == high:  # A rollout without any reward has none.
        memory["highest"] = max(memory.get("highest", high), high)
        memory["lowest"] = min(memory.get("lowest", low), low)


def teach_nothing(memory: dict[str, Any], rewards: Tensor) -> Tensor:
    """Return which groups have equal rewards that are not the best ones, ``(N,)`` bool; of the first rollout none.

    Args:
        memory: Of the sentinel.
        rewards: ``(N, G)``.

    Example:
        >>> import torch
        >>> rewards = torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
        >>> teach_nothing({"highest": 1.0, "lowest": 0.0}, rewards)
        tensor([False,  True, False])
    """
    return (group_spread(rewards) == 0) & (rewards.nanmean(1) < solved_from(memory))


def solved_from(memory: dict[str, Any]) -> float:
    """Return the reward from which on a prompt counts as solved; NaN before there was any rollout.

    Example:
        >>> solved_from({"highest": 1.0, "lowest": 0.0})
        0.9
    """
    highest, lowest = memory.get("highest", float("nan")), memory.get("lowest", float("nan"))
    return float(highest - _NEAR * (highest - lowest))
