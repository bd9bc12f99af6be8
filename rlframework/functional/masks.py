"""Masks of the tokens and rows that an update leaves out; constants, without gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rlframework.functional.ratios import masked_mean


@torch.no_grad()
def off_policy_mask(
    logprobs: Tensor, behaviour_logprobs: Tensor, advantages: Tensor, mask: Tensor, threshold: float
) -> Tensor:
    """Leave out bad completions that the policy has moved away from since they were sampled.

    ``gate_i = 1[A_i >= 0 or d_i <= threshold]`` with ``d_i = 1/n_i sum_t (log mu - log pi)``, the mean over the row's
    tokens, mu being what sampled. DeepSeek-V3.2 (arXiv:2512.02556).

    Args:
        logprobs: ``(B, T)`` log pi.
        behaviour_logprobs: ``(B, T)`` log mu; NaN where the sampler did not say.
        advantages: ``(B, 1)``.
        mask: ``(B, T)`` bool, loss tokens.
        threshold: In nats per token.

    Returns:
        ``(B, 1)`` bool, false on rows to leave out.

    Example:
        >>> left = off_policy_mask(torch.tensor([[-3.0], [-3.0]]), torch.tensor([[-1.0], [-1.0]]),
        ...                        torch.tensor([[1.0], [-1.0]]), torch.tensor([[True], [True]]), threshold=0.5)
        >>> left.tolist()
        [[True], [False]]
    """
    drift = masked_mean((behaviour_logprobs - logprobs).nan_to_num(0.0), mask)
    return (advantages >= 0) | (drift <= threshold)


# Its name until 0.1.
off_policy_gate = off_policy_mask


@torch.no_grad()
def entropy_threshold(entropies: Tensor, share: float) -> Tensor:
    """Return the entropy that the given share of tokens reaches: the quantile at ``1 - share``, interpolated.

    Beyond the 80/20 Rule (arXiv:2506.01939): only these tokens carry the policy gradient.

    Args:
        entropies: ``(n,)`` of all loss tokens of the optimizer step, of any number (``torch.quantile`` stops at 2^24).
        share: In (0, 1].

    Example:
        >>> entropy_threshold(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]), share=0.5)
        tensor(2.)
    """
    if entropies.numel() == 0:
        return entropies.new_zeros(())
    ascending = entropies.sort().values
    place = (1.0 - share) * (len(ascending) - 1)
    return torch.lerp(ascending[math.floor(place)], ascending[math.ceil(place)], place - math.floor(place))
