"""Log-probabilities and entropies of sampled tokens from logits."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class TokenLogProbs(NamedTuple):
    """Per-token statistics of a batch of completions.

    Args:
        logprobs: ``(B, T)`` float32, natural logarithm, with gradient.
        entropy: ``(B, T)`` float32 in nats, of the whole distribution at each position; with gradient if asked for.
    """

    logprobs: Tensor
    entropy: Tensor


def token_logprobs(
    logits: Tensor, ids: Tensor, temperature: float = 1.0, *, entropy_gradient: bool = False
) -> TokenLogProbs:
    """Score tokens under the tempered distribution ``softmax(logits / temperature)``.

    ``log pi(y) = z_y - logsumexp(z)`` and ``H = logsumexp(z) - sum_v p_v z_v`` with ``z = logits / temperature``.
    Reductions run in at least float32, also of half-precision logits: a half-precision sum over a vocabulary drifts.

    Args:
        logits: ``(B, T, V)`` logits for the token at each position.
        ids: ``(B, T)`` int64 tokens.
        temperature: Sampling temperature, greater than 0.
        entropy_gradient: Let gradients flow through the entropy; costs another ``(B, T, V)`` of memory.

    Example:
        >>> scored = token_logprobs(torch.zeros(1, 1, 4), torch.tensor([[2]]))
        >>> round(scored.logprobs.item(), 4), round(scored.entropy.item(), 4)
        (-1.3863, 1.3863)
    """
    scaled = logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature
    log_normaliser = scaled.logsumexp(-1)
    chosen = scaled.gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    with torch.set_grad_enabled(entropy_gradient and torch.is_grad_enabled()):
        # A forbidden token's -inf becomes the lowest number, whose probability is 0 too: 0 * -inf would be NaN.
        all_logprobs = (scaled - log_normaliser.unsqueeze(-1)).clamp(min=torch.finfo(scaled.dtype).min)  # (B, T, V)
        entropy = -(all_logprobs.exp() * all_logprobs).sum(-1)
    return TokenLogProbs(chosen - log_normaliser, entropy)
