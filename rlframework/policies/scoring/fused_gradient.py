"""Compute the LM head's gradient in the forward pass, where the loss is known beforehand."""

from __future__ import annotations

import torch
from torch import Tensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.functional.projection import Slopes
from rlframework.policies.base import Objective
from rlframework.rollout import Rollout


def token_slopes(objective: Objective, batch: Rollout) -> Slopes | None:
    """Return the gradient of a loss by the scores of a few tokens; None if their slopes depend on other tokens' scores.

    While a few tokens are looked at, the others are taken at their old log-probabilities, or at 0. A loss that ties
    tokens together, such as one of sequence ratios off-policy, is found by moving every other token. One that is not
    found so costs time and changes nothing: `projected_logprobs` compares the slopes that arrive.

    Args:
        objective: From log-probabilities and entropies, ``(B, T)`` each, to the loss.
        batch: What is scored; ``loss_mask`` has its tokens in their order.
    """
    elsewhere = torch.zeros_like(batch.weights) if batch.old_logprobs is None else batch.old_logprobs
    near, moved = _gradient(objective, elsewhere, elsewhere), elsewhere.clone()
    moved[:, 1::2] -= 0.1
    apart = (near - _gradient(objective, moved, elsewhere))[..., ::2].abs()
    if bool((apart > 1e-5 * near[..., ::2].abs() + 1e-7 * near.abs().max()).any()):
        return None
    places = batch.loss_mask.nonzero(as_tuple=True)

    def slopes(tokens: slice, logprobs: Tensor, entropy: Tensor) -> tuple[Tensor, Tensor]:
        here = tuple(axis[tokens] for axis in places)
        base = elsewhere.to(logprobs.dtype)
        of_logprobs, of_entropy = _gradient(objective, *(base.index_put(here, part) for part in (logprobs, entropy)))
        return of_logprobs[here], of_entropy[here]

    return slopes


@torch.enable_grad()
def _gradient(objective: Objective, logprobs: Tensor, entropy: Tensor) -> Tensor:
    """Differentiate a loss by log-probabilities and entropies, ``(B, T)`` each; return ``(2, B, T)``."""
    leaves = [part.detach().clone().requires_grad_() for part in (logprobs, entropy)]
    loss = objective(TokenLogProbs(*leaves))
    if not loss.requires_grad:
        return torch.zeros(2, *logprobs.shape, dtype=logprobs.dtype, device=logprobs.device)
    return torch.stack(torch.autograd.grad(loss, leaves, materialize_grads=True))
