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
    merged = (
        torch.zeros(learning.shape[0], batch.weights.shape[1], dtype=part.dtype, device=part.device) for part in active
    )
    return TokenLogProbs(
        *(
            empty.index_put((~learning,), still).index_put((learning,), moving)
            for empty, still, moving in zip(merged, idle, active, strict=True)
        )
    )


def _scored(algorithm: PolicyGradient, batch: Rollout, options: dict[str, Any]) -> TokenLogProbs:
    with algorithm.policy.anticipating(lambda scored: algorithm.objective(scored, batch).sum()):
        return algorithm.policy.logprobs(batch, **options)


def learning_rows(algorithm: PolicyGradient, batch: Rollout) -> Tensor:
    """Return ``(B,)`` bool, the same for all rows of a group: whether the loss may have a slope there.

    Only groups whose advantages are all exactly 0 can be idle. A KL term, an entropy bonus or a surrogate of the user's
    own may move them all the same, so the loss is differentiated at made-up log-probabilities, which costs no model.
    """
    everything = torch.ones(len(batch), dtype=torch.bool, device=batch.weights.device)
    still = (batch.advantages == 0).all(1).view(-1, batch.group_size).all(1)
    if not bool(still.any()) or not isinstance(algorithm.trainer.strategy, (SingleDeviceStrategy, DDPStrategy)):
        return everything
    still &= ~_slopes(algorithm, batch).view(len(still), -1).any(1)
    if bool(still.all()):
        still[batch.completion_mask.sum(1).view(len(still), -1).sum(1).argmin()] = False
    return ~still.repeat_interleave(batch.group_size)


@torch.enable_grad()
def _slopes(algorithm: PolicyGradient, batch: Rollout) -> Tensor:
    """Return where the loss has a slope, ``(B, 2 T)`` bool."""
    old = torch.full_like(batch.weights, -1.0) if batch.old_logprobs is None else batch.old_logprobs
    # A little off, but within any clip: at the very same log-probabilities a divergence is flat.
    leaves = [(old + 1e-4).requires_grad_(), torch.ones_like(old).requires_grad_()]
    loss = algorithm.objective(TokenLogProbs(*leaves), batch).sum()
    return torch.cat(torch.autograd.grad(loss, leaves, materialize_grads=True), dim=1) != 0
