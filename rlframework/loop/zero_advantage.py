"""Skip the backward pass for groups whose advantages are all zero, where the loss has no slope in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies.base import Policy
from rlframework.rollout import Rollout

Objective = Callable[[TokenLogProbs, Rollout], Tensor]


def rows_with_gradient(batch: Rollout) -> Tensor:
    """Return ``(B,)`` bool, the same for all rows of a group: false where all advantages of the group are exactly 0.

    One group is always scored with gradients, the shortest if need be: a replica that had none to exchange would keep
    the others waiting.
    """
    zero = (batch.advantages == 0).all(1).view(-1, batch.group_size).all(1)
    if bool(zero.all()):
        zero[batch.completion_mask.sum(1).view(len(zero), -1).sum(1).argmin()] = False
    return ~zero.repeat_interleave(batch.group_size)


def score_with_gradient_where_needed(
    policy: Policy, batch: Rollout, objective: Objective, *, in_parts: bool = True, **options: Any
) -> tuple[TokenLogProbs, bool]:
    """Score a minibatch, ``(B, T)``, with gradients for groups whose advantages are not all 0.

    The others keep their place in every denominator and figure; their backward pass, two thirds of the work, would
    have added zeros. A KL term, an entropy bonus or a surrogate of the user's own may have a slope there all the same:
    the objective is differentiated at the log-probabilities that were found, and if it has one, all rows are scored
    with gradients.

    Args:
        policy: The policy.
        batch: The minibatch.
        objective: The scalar loss of a minibatch.
        in_parts: False scores all rows together, with gradients.
        **options: Of ``policy.logprobs``.

    Returns:
        The log-probabilities, and whether the objective had a slope where all advantages are 0.
    """
    learning = rows_with_gradient(batch)
    if not in_parts or bool(learning.all()):
        return _scored(policy, batch, objective, options), False
    with torch.no_grad():
        idle = policy.logprobs(batch.select(~learning))
    active = _scored(policy, batch.select(learning), objective, options)
    merged = TokenLogProbs(*(_merged(*parts, learning) for parts in zip(idle, active, strict=True)))
    if bool(_slopes(objective, merged, batch)[~learning].any()):
        return _scored(policy, batch, objective, options), True
    return merged, False


def _scored(policy: Policy, batch: Rollout, objective: Objective, options: dict[str, Any]) -> TokenLogProbs:
    return policy.logprobs_for(lambda scored: objective(scored, batch), batch, **options)


def _merged(idle: Tensor, active: Tensor, learning: Tensor) -> Tensor:
    empty = torch.zeros(len(learning), active.shape[1], dtype=active.dtype, device=active.device)
    return empty.index_put((~learning,), idle).index_put((learning,), active)


@torch.enable_grad()
def _slopes(objective: Objective, scored: TokenLogProbs, batch: Rollout) -> Tensor:
    """Return where the loss has a slope, ``(B, 2 T)`` bool."""
    leaves = [part.detach().clone().requires_grad_() for part in scored]
    loss = objective(TokenLogProbs(*leaves), batch)
    return torch.cat(torch.autograd.grad(loss, leaves, materialize_grads=True), dim=1) != 0
