"""Groups dealt to the minibatches of an optimizer step so that each has about as many tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from rlframework.rollout import Rollout


def balanced_order(rollout: Rollout, minibatches: int, per_step: int) -> Tensor:
    """Return the order of rows, ``(B,)``, in which the minibatches of a step have about as many tokens.

    The memory of a step is that of its largest minibatch. The gradient is a sum over the step's rows whose weights are
    fixed, so the order does not change it. Groups stay whole and within their optimizer step; they are dealt from the
    largest to the smallest, each to the minibatch with the fewest tokens that has a place left.

    Args:
        rollout: ``N`` groups.
        minibatches: That it will be cut into, each of as many groups.
        per_step: Minibatches in an optimizer step.
    """
    size = rollout.group_size
    tokens = rollout.prompt_mask.sum(1)[::size] + rollout.completion_mask.sum(1).view(-1, size).sum(1)
    order: list[int] = []
    for groups in torch.arange(rollout.num_groups).chunk(minibatches // per_step):
        order += _dealt(groups.tolist(), tokens.tolist(), per_step)
    rows = torch.tensor(order).unsqueeze(1) * size + torch.arange(size)
    return rows.flatten().to(rollout.group.device)


def _dealt(groups: list[int], tokens: list[int], parts: int) -> list[int]:
    """Return the groups of the first part, then of the second, and so on."""
    places = len(groups) // parts
    dealt: list[list[int]] = [[] for _ in range(parts)]
    for group in sorted(groups, key=lambda group: -tokens[group]):
        free = [part for part in dealt if len(part) < places]
        min(free, key=lambda part: sum(tokens[other] for other in part)).append(group)
    return [group for part in dealt for group in sorted(part)]
