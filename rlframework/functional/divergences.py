"""Estimators of the KL divergence to a reference policy from sampled tokens.

J. Schulman, "Approximating KL divergence" (2020), names them k1, k2 and k3. As a number all three estimate
``KL(pi || pi_ref)`` for tokens drawn from pi; as a term of a loss they differ in what their gradient estimates
(arXiv:2506.09477): on-policy k2's is that of the KL divergence, k3's that of the reverse one, and k1's is 0 on average.
"""

from __future__ import annotations

from torch import Tensor


def k1(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Estimate KL(pi || pi_ref) per token: ``K = l - l_ref``. Unbiased; may be negative.

    Args:
        logprobs: ``(B, T)`` log pi.
        reference_logprobs: ``(B, T)`` log pi_ref.

    Example:
        >>> import torch
        >>> k1(torch.tensor([0.0, -1.0]), torch.tensor([0.0, 0.0]))
        tensor([ 0., -1.])
    """
    return logprobs - reference_logprobs


def k2(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Estimate KL(pi || pi_ref) per token: ``K = (l - l_ref)^2 / 2``. Biased, never negative.

    Its gradient ``(l - l_ref) grad l`` is, for tokens drawn from pi, an unbiased one of the KL divergence.

    Args:
        logprobs: ``(B, T)`` log pi.
        reference_logprobs: ``(B, T)`` log pi_ref.

    Example:
        >>> import torch
        >>> k2(torch.tensor([0.0, -1.0]), torch.tensor([0.0, 0.0]))
        tensor([0.0000, 0.5000])
    """
    return (logprobs - reference_logprobs).square() / 2


def k3(logprobs: Tensor, reference_logprobs: Tensor) -> Tensor:
    """Estimate KL(pi || pi_ref) per token: unbiased, never negative, small variance near 0.

    ``K = exp(l_ref - l) - (l_ref - l) - 1`` for tokens drawn from pi. Used by DeepSeekMath (arXiv:2402.03300),
    equation 4.

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
