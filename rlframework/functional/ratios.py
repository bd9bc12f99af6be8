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


def effective_sample_share(ratio: Tensor, mask: Tensor) -> Tensor:
    """Return which share of the tokens the effective sample size (ESS) is, a scalar in (0, 1]; NaN without any token.

    ``(sum w)^2 / (n sum w^2)`` of importance ratios ``w`` over ``n`` tokens (Kong, 1992): 1 where all are alike, and
    ``1 / n`` where one outweighs the rest.

    Args:
        ratio: ``(B, T)``, not negative.
        mask: ``(B, T)`` bool.

    Example:
        >>> import torch
        >>> effective_sample_share(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
        tensor(0.8000)
    """
    kept = ratio.masked_fill(~mask, 0.0)
    return kept.sum() ** 2 / (mask.sum() * (kept**2).sum())
