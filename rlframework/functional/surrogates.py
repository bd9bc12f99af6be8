"""Per-token policy-gradient losses. None of them reduces: the token weights do that."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rlframework.functional.ratios import masked_mean, masked_sum


def ratio_of(log_ratio: Tensor) -> Tensor:
    """Return the importance ratio ``exp(log_ratio)``, of the same shape, bounded far beyond any clip.

    An overflow to inf would turn into NaN when multiplied by an advantage of 0.

    Example:
        >>> ratio_of(torch.tensor([0.0, 1000.0])).isfinite().all().item()
        True
    """
    return log_ratio.clamp(max=60.0).exp()


def clipped_surrogate(log_ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """Return the clipped importance-weighted loss of PPO, of each token or completion.

    ``L_t = -min(rho_t A_t, clip(rho_t, 1 - clip_low, 1 + clip_high) A_t)`` with ``rho_t = exp(log_ratio_t)``.
    Proximal Policy Optimization (arXiv:1707.06347), equation 7; two offsets as in DAPO (arXiv:2503.14476).

    Args:
        log_ratio: ``(B, T)`` or ``(B, 1)``: log pi - log pi_old.
        advantages: ``(B, T)`` or ``(B, 1)``.
        clip_low: Offset of the lower bound from 1.
        clip_high: Offset of the upper bound from 1.

    Returns:
        Loss to be minimised, of the broadcast shape.

    Example:
        >>> log_ratio = torch.tensor([[1.5, 0.5]]).log()
        >>> clipped_surrogate(log_ratio, torch.tensor([[2.0]]), 0.2, 0.2)
        tensor([[-2.4000, -1.0000]])
    """
    ratio = ratio_of(log_ratio)
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    return -torch.minimum(ratio * advantages, clipped * advantages)


def weighted_logprobs(logprobs: Tensor, log_ratio: Tensor, advantages: Tensor) -> Tensor:
    """Return REINFORCE's loss, its importance weight without gradient: ``L_t = -sg(rho_t) A_t log pi_t``.

    With ``rho`` bounded from above it is CISPO, MiniMax-M1 (arXiv:2506.13585): no token loses its gradient.

    Args:
        logprobs: ``(B, T)`` log pi, with gradient.
        log_ratio: ``(B, T)`` or ``(B, 1)``.
        advantages: ``(B, 1)`` or ``(B, T)``.

    Example:
        >>> weighted_logprobs(torch.tensor([[-1.0]]), torch.tensor([[2.0]]).log(), torch.tensor([[3.0]]))
        tensor([[6.]])
    """
    return -ratio_of(log_ratio).detach() * advantages * logprobs


def soft_gated_surrogate(
    log_ratio: Tensor, advantages: Tensor, temperature_positive: float, temperature_negative: float
) -> Tensor:
    """Replace the clip of PPO by a sigmoid gate: ``L_t = -(4 / tau) sigmoid(tau (rho_t - 1)) A_t``.

    ``tau`` is one temperature for positive advantages and another for the rest. Its slope at ratio 1 is that of the
    plain ratio. Soft Adaptive Policy Optimization (arXiv:2511.20347).

    Args:
        log_ratio: ``(B, T)`` or ``(B, 1)``.
        advantages: ``(B, T)`` or ``(B, 1)``.
        temperature_positive: Above 0.
        temperature_negative: Above 0; larger closes the gate sooner.

    Example:
        >>> soft_gated_surrogate(torch.zeros(1, 1), torch.tensor([[3.0]]), 1.0, 1.05)
        tensor([[-6.]])
    """
    # Floats would be rounded to the default dtype by torch.where.
    temperature = torch.full_like(advantages, temperature_negative).masked_fill(advantages > 0, temperature_positive)
    return -4 / temperature * torch.sigmoid(temperature * (ratio_of(log_ratio) - 1)) * advantages


def geometric_surrogate(
    log_ratio: Tensor, advantages: Tensor, mask: Tensor, clip_low: float, clip_high: float
) -> Tensor:
    """Weigh a completion by the geometric mean of its clipped token ratios.

    ``L_i = -A_i exp(1/n_i sum_t c(log rho_it))``, where ``c`` bounds the log-ratio by ``clip_high`` if the advantage is
    positive and by ``-clip_low`` if not. Geometric-Mean Policy Optimization (arXiv:2507.20673).

    Args:
        log_ratio: ``(B, T)``.
        advantages: ``(B, 1)``.
        mask: ``(B, T)`` bool, the tokens of the mean.
        clip_low: Bound in log space, 0.4 for a ratio of exp(-0.4).
        clip_high: Bound in log space.

    Returns:
        ``(B, 1)``.

    Example:
        >>> geometric_surrogate(torch.tensor([[0.0, 9.0]]), torch.ones(1, 1), torch.ones(1, 2).bool(), 0.4, 0.4)
        tensor([[-1.2214]])
    """
    clipped = torch.where(advantages > 0, log_ratio.clamp(max=clip_high), log_ratio.clamp(min=-clip_low))
    return -advantages * ratio_of(masked_mean(clipped, mask))


_LOG_TINY = math.log(1e-8)


@torch.no_grad()
def gamma_weight(log_ratio: Tensor, mask: Tensor, shape: Tensor, rate: Tensor) -> Tensor:
    """Weigh whole completions by a bump around ratio 1: ``phi(w) = w^k exp(lambda (1 - w))``, ``phi(1) = 1``.

    ``w`` is the ratio of the whole completion, not length-normalised. VESPO (arXiv:2602.10693).

    Args:
        log_ratio: ``(B, T)``.
        mask: ``(B, T)`` bool.
        shape: ``(B, 1)``, ``k``.
        rate: ``(B, 1)``, ``lambda``.

    Returns:
        ``(B, 1)`` without gradient.

    Example:
        >>> two = torch.full((1, 1), 2.0)
        >>> gamma_weight(torch.zeros(1, 3), torch.ones(1, 3).bool(), two, two)
        tensor([[1.]])
    """
    log_weight = masked_sum(log_ratio.clamp(-20.0, 20.0), mask).clamp(_LOG_TINY, 20.0)
    return (rate + shape * log_weight - rate * log_weight.exp()).exp()
