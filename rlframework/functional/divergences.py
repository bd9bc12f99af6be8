"""Estimators of the KL divergence to a reference policy from sampled tokens."""

from __future__ import annotations

from torch import Tensor


def k3(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Estimate KL(pi || pi_ref) per token: unbiased, never negative, small variance near 0.

    ``K = exp(l_ref - l) - (l_ref - l) - 1`` for tokens drawn from pi. J. Schulman, "Approximating KL divergence"
    (2020), estimator k3; used by DeepSeekMath (arXiv:2402.03300), equation 4.

    Args:
        logprobs: ``(B, T)`` log pi.
        reference_logprobs: ``(B, T)`` log pi_ref.

    Returns:
        ``(B, T)`` in nats.

    Example:
        >>> import torch
        >>> k3(torch.tensor([0.0, -1.0]), torch.tensor([0.0, 0.0]))
        tensor([0.0000, 0.7183])
    """
    difference = reference_logprobs - logprobs
    return difference.expm1() - difference
