"""Importance ratios of whole completions, from those of their tokens."""

from __future__ import annotations

from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over each row's masked tokens, ``(B, 1)``; 0 for a row without any.

    Of token log-ratios it is the log of GSPO's sequence ratio, ``(pi(y) / pi_old(y))^(1 / n)``: Group Sequence Policy
    Optimization (arXiv:2507.18071), equation 7.

    Args:
        values: ``(B, T)``.
        mask: ``(B, T)`` bool.

    Example:
        >>> import torch
        >>> masked_mean(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
        tensor([[2.]])
    """
    return masked_sum(values, mask) / mask.sum(1, keepdim=True).clamp(min=1)


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Return the sum over each row's masked tokens, ``(B, 1)``.

    Of token log-ratios it is the log-ratio of the whole completion, ``log pi(y) - log pi_old(y)``.

    Args:
        values: ``(B, T)``.
        mask: ``(B, T)`` bool.

    Example:
        >>> import torch
        >>> masked_sum(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
        tensor([[4.]])
    """
    return values.masked_fill(~mask, 0.0).sum(1, keepdim=True)
