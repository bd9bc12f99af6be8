"""Drawing a token from logits with a number that belongs to the row alone."""

from __future__ import annotations

import torch
from torch import Tensor


def inverse_cdf_sample(logits: Tensor, uniforms: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Draw one token per row from ``softmax(logits / temperature)`` by inverting its distribution function.

    The token is the first whose cumulative probability exceeds the row's uniform number, so a row's draw depends on
    its own logits and number and on nothing else in the batch. Temperature 0 takes the most likely token, whose
    log-probability under that point mass is 0.

    Args:
        logits: ``(B, V)``.
        uniforms: ``(B,)`` in [0, 1); float64 where the device has it.
        temperature: At least 0.

    Returns:
        ``(B,)`` int64 tokens and ``(B,)`` float32 log-probabilities under the distribution they were drawn from.

    Example:
        >>> tokens, logprobs = inverse_cdf_sample(torch.zeros(2, 4), torch.tensor([0.1, 0.6], dtype=torch.float64))
        >>> tokens.tolist(), round(logprobs[0].item(), 4)
        ([0, 2], -1.3863)
    """
    if temperature == 0:
        tokens = logits.argmax(-1)
        return tokens, torch.zeros_like(tokens, dtype=torch.float32)
    logprobs = (logits.float() / temperature).log_softmax(-1)
    # In the precision of the uniforms: a float32 running sum over a large vocabulary misses the last tokens' mass.
    cumulative = logprobs.to(uniforms.dtype).exp().cumsum(-1)  # (B, V)
    targets = uniforms.unsqueeze(-1) * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, targets, right=True).clamp(max=logits.shape[-1] - 1)
    return tokens.squeeze(-1), logprobs.gather(-1, tokens).squeeze(-1)
