"""Groups without advantage: what nothing can be learned from is scored without gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.rollout import Rollout

if TYPE_CHECKING:
    from rlframework.algorithms.base import PolicyGradient


def score_what_learns(algorithm: PolicyGradient, batch: Rollout, **options: Any) -> TokenLogProbs:
    """Score a minibatch, ``(B, T)``, with gradients for the groups that the loss has a slope in.

    The others keep their place in every denominator and figure; their backward pass, two thirds of the work, would have
    added zeros. One group is always scored with gradients: a replica that had none to exchange would keep the others
    waiting.
    """
    learning = learning_rows(algorithm, batch)
    if bool(learning.all()):
        return _scored(algorithm, batch, options)
    with torch.no_grad():
        idle = algorithm.policy.logprobs(batch.select(~learning))
    active = _scored(algorithm, batch.select(learning), options)
    merged = TokenLogProbs(*(_merged(*parts, learning) for parts in zip(idle, active, strict=True)))
    if bool(_slopes(algorithm, batch, merged)[~learning].any()):
        # A loss that is flat near the old log-probabilities, but not here: a hinge, or a divergence with free bits.
        return _scored(algorithm, batch, options)
    return merged


def _merged(idle: Tensor, active: Tensor, learning: Tensor) -> Tensor:
    empty = torch.zeros(len(learning), active.shape[1], dtype=active.dtype, device=active.device)
    return empty.index_put((~learning,), idle).index_put((learning,), active)


def _scored(algorithm: PolicyGradient, batch: Rollout, options: dict[str, Any]) -> TokenLogProbs:
    return algorithm.policy.logprobs_for(lambda scored: algorithm.objective(scored, batch).sum(), batch, **options)


def learning_rows(algorithm: PolicyGradient, batch: Rollout) -> Tensor:
    """Return ``(B,)`` bool, the same for all rows of a group: whether the loss may have a slope there.

    Only groups whose advantages are all exactly 0 can be idle. A KL term, an entropy bonus or a surrogate of the user's
    own may move them all the same, so the loss is differentiated near the old log-probabilities, which costs no model,
    and by `score_what_learns` once more at the real ones.
    """
    still = (batch.advantages == 0).all(1).view(-1, batch.group_size).all(1)
    if not bool(still.any()) or not _may_split(algorithm, batch):
        return torch.ones(len(batch), dtype=torch.bool, device=still.device)
    old = torch.full_like(batch.weights, -1.0) if batch.old_logprobs is None else batch.old_logprobs
    # A little off, but within any clip: at the very same log-probabilities a divergence is flat.
    near = TokenLogProbs(old - 1e-4, torch.ones_like(old))
    still &= ~_slopes(algorithm, batch, near).view(len(still), -1).any(1)
    if bool(still.all()):
        still[batch.completion_mask.sum(1).view(len(still), -1).sum(1).argmin()] = False
    return ~still.repeat_interleave(batch.group_size)


def _may_split(algorithm: PolicyGradient, batch: Rollout) -> bool:
    """Whether ranks may call the model unequally often, and rows are scored alike in whatever company."""
    strategy = algorithm.trainer.strategy
    alone = isinstance(strategy, SingleDeviceStrategy) or type(strategy) is DDPStrategy  # DeepSpeed's is a child of it
    return alone and algorithm.policy.scores_rows_apart(batch)


@torch.enable_grad()
def _slopes(algorithm: PolicyGradient, batch: Rollout, scored: TokenLogProbs) -> Tensor:
    """Return where the loss has a slope, ``(B, 2 T)`` bool."""
    leaves = [part.detach().clone().requires_grad_() for part in scored]
    loss = algorithm.objective(TokenLogProbs(*leaves), batch).sum()
    return torch.cat(torch.autograd.grad(loss, leaves, materialize_grads=True), dim=1) != 0
