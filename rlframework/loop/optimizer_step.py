"""What is fixed once for an optimizer step, over all its minibatches and ranks: token weights and entropy masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlframework.functional.masks import entropy_threshold
from rlframework.rollout import Rollout
from rlframework.utilities.distributed import gather_rows, replica, sum_over_replicas

if TYPE_CHECKING:
    from rlframework.algorithms.base import PolicyGradient
    from rlframework.loop.algorithm import PolicyModule


def step_weights(module: PolicyModule, weigh: Callable[[Tensor], Tensor], mask: Tensor, counted: Tensor) -> Tensor:
    """Return the token weights of a rollout, each optimizer step's from all of its rows on all ranks.

    Args:
        module: Whose steps.
        weigh: Its ``token_weights``: it gets the rows of one step that count, and no others.
        mask: ``(B, T)`` bool, this rank's loss tokens.
        counted: ``(B,)`` bool, false on rows that are in no denominator.

    Returns:
        ``(B, T)`` float32.

    Raises:
        ValueError: ``token_weights()`` returned a wrong shape.
    """
    rank, _ = replica(module.trainer)
    steps = []
    parts = module.steps_per_pass
    for rows, kept in zip(mask.chunk(parts), counted.chunk(parts), strict=True):
        everyone = gather_rows(module.trainer, rows)
        present = gather_rows(module.trainer, kept.unsqueeze(1)).squeeze(1)
        weighed = weigh(everyone[present])
        if weighed.shape != everyone[present].shape:
            raise ValueError(
                f"token_weights() returned {tuple(weighed.shape)} for a mask {tuple(everyone[present].shape)}"
            )
        weights = torch.zeros_like(everyone, dtype=torch.float32)
        weights[present] = weighed.float()
        steps.append(weights[rank * len(rows) : (rank + 1) * len(rows), : rows.shape[1]] * rows)
    return torch.cat(steps)


def with_entropy_masks(algorithm: PolicyGradient, minibatches: list[Rollout], share: float) -> list[Rollout]:
    """Mark the share of an optimizer step's tokens that has the highest entropy under the present weights.

    The threshold is one number for the step: it does not depend on the cut into minibatches or on the number of ranks,
    as one per minibatch would.
    """
    minibatches = [minibatch.to(algorithm.device) for minibatch in minibatches]
    masks = [minibatch.loss_mask for minibatch in minibatches]
    if share < 1:
        with algorithm.inference():
            entropies = [algorithm.policy.logprobs(minibatch).entropy.float() for minibatch in minibatches]
        everyone = [gather_rows(algorithm.trainer, rows) for rows in entropies]
        present = [gather_rows(algorithm.trainer, mask) for mask in masks]
        tokens = torch.cat([rows[mask] for rows, mask in zip(everyone, present, strict=True)])
        threshold = entropy_threshold(tokens, share)
        masks = [mask & (rows >= threshold) for rows, mask in zip(entropies, masks, strict=True)]
    kept = sum_over_replicas(algorithm.trainer, sum(mask.sum() for mask in masks).float()).clamp(min=1)  # type: ignore[union-attr]
    return [
        replace(minibatch, entropy_mask=mask if share < 1 else None, entropy_weights=mask / kept)
        for minibatch, mask in zip(minibatches, masks, strict=True)
    ]
