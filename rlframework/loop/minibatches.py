"""Minibatches of about as many tokens each: the order of a rollout's rows."""

from __future__ import annotations

import torch
from torch import Tensor

from rlframework.completions import Completions


def balanced_order(completions: Completions, minibatches: int, per_step: int) -> Tensor:
    """Return the order of rows, ``(B,)``, in which the minibatches of a step have about as many tokens.

    The memory of a step is that of its largest minibatch. The gradient is a sum over the step's rows whose weights are
    fixed, so the order does not change it. Groups stay whole and within their optimizer step; they are dealt from the
    largest to the smallest, each to the minibatch with the fewest tokens that has a place left.

    Args:
        completions: ``N`` groups.
        minibatches: That they will be cut into, each of as many groups.
        per_step: Minibatches in an optimizer step.
    """
    tokens = [len(group[0].prompt.ids) + sum(len(row.ids) for row in group) for group in completions.groups()]
    order: list[int] = []
    for groups in torch.arange(completions.num_groups).chunk(minibatches // per_step):
        order += _dealt(groups.tolist(), tokens, per_step)
    return (torch.tensor(order).unsqueeze(1) * completions.group_size + torch.arange(completions.group_size)).flatten()


def _dealt(groups: list[int], tokens: list[int], parts: int) -> list[int]:
    """Return the groups of the first part, then of the second, and so on."""
    places = len(groups) // parts
    dealt: list[list[int]] = [[] for _ in range(parts)]
    for group in sorted(groups, key=lambda group: -tokens[group]):
        free = [part for part in dealt if len(part) < places]
        min(free, key=lambda part: sum(tokens[other] for other in part)).append(group)
    return [group for part in dealt for group in sorted(part)]
