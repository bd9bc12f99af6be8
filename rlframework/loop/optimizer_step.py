"""Token weights and entropy masks, computed once per optimizer step over all its minibatches and ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework.functional.masks import entropy_threshold
from rlframework.rollout import Rollout
from rlframework.utilities.distributed import gather_rows, replica_rank, sum_over_replicas


def step_weights(
    trainer: pl.Trainer, steps: int, weigh: Callable[[Tensor], Tensor], mask: Tensor, counted: Tensor
) -> Tensor:
    """Return the token weights of a rollout, each optimizer step's from all of its rows on all ranks.

    Args:
        trainer: The Trainer, whose ranks share the steps.
        steps: Optimizer steps that the rows are cut into.
        weigh: The algorithm's ``token_weights``: it gets the rows of one step that count, and no others.
        mask: ``(B, T)`` bool, this rank's loss tokens.
        counted: ``(B,)`` bool, false on rows that are in no denominator.

    Returns:
        ``(B, T)`` float32.

    Raises:
        ValueError: ``token_weights()`` returned a wrong shape.
    """
    rank, _ = replica_rank(trainer)
    weights_of_steps = []
    for rows, kept in zip(mask.chunk(steps), counted.chunk(steps), strict=True):
        everyone = gather_rows(trainer, rows)
        present = gather_rows(trainer, kept.unsqueeze(1)).squeeze(1)
        weighed = weigh(everyone[present])
        if weighed.shape != everyone[present].shape:
            raise ValueError(
                f"token_weights() returned {tuple(weighed.shape)} for a mask {tuple(everyone[present].shape)}"
            )
        weights = torch.zeros_like(everyone, dtype=torch.float32)
        weights[present] = weighed.float()
        weights_of_steps.append(weights[rank * len(rows) : (rank + 1) * len(rows), : rows.shape[1]] * rows)
    return torch.cat(weights_of_steps)


def with_entropy_masks(
    trainer: pl.Trainer, minibatches: Sequence[Rollout], entropies: Sequence[Tensor] | None, share: float
) -> list[Rollout]:
    """Mark the share of an optimizer step's tokens that has the highest entropy, and weigh them for their mean.

    The threshold is one number for the step: it does not depend on the cut into minibatches or on the number of ranks,
    as one per minibatch would.

    Args:
        trainer: The Trainer, whose ranks share the step.
        minibatches: This rank's minibatches of the step.
        entropies: ``(B, T)`` of each, under the weights that the step starts from; None where all tokens are taken.
        share: Share of the tokens, in (0, 1].
    """
    masks = [minibatch.loss_mask for minibatch in minibatches]
    if entropies is not None:
        everyone = [gather_rows(trainer, rows) for rows in entropies]
        present = [gather_rows(trainer, mask) for mask in masks]
        tokens = torch.cat([rows[mask] for rows, mask in zip(everyone, present, strict=True)])
        threshold = entropy_threshold(tokens, share)
        masks = [mask & (rows >= threshold) for rows, mask in zip(entropies, masks, strict=True)]
    kept = sum_over_replicas(trainer, torch.stack([mask.sum() for mask in masks]).sum().float()).clamp(min=1)
    return [
        replace(minibatch, entropy_mask=None if entropies is None else mask, entropy_weights=mask / kept)
        for minibatch, mask in zip(minibatches, masks, strict=True)
    ]
