"""Per-token policy-gradient losses. None of them reduces: the token weights do that."""

from __future__ import annotations

import torch
from torch import Tensor


def clipped_surrogate(log_ratio: Tensor, advantages: Tensor, clip_low: float, clip_high: float) -> Tensor:
    """Clipped importance-weighted loss of PPO.

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
    # Bounded far beyond any clip: an overflow to inf would turn into NaN when multiplied by an advantage of 0.
    ratio = log_ratio.clamp(max=60.0).exp()
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    return -torch.minimum(ratio * advantages, clipped * advantages)
