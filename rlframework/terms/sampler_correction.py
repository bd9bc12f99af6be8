"""Sampler correction: importance weights for the gap between the engine that sampled and the policy that learns.

An inference engine with other kernels or another precision samples from a slightly different distribution than the
one that is trained, with the same weights. The factor ``pi_old / pi_sampler``, bounded, makes up for it. It is fixed
when the rollout is made, carries no gradient, and multiplies the surrogate, not the KL term.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from rlframework.functional.surrogates import ratio_of
from rlframework.utilities.arguments import Checked


class SamplerCorrection(Checked, ABC):
    """Turns the log-probabilities of policy and sampler into a factor. Override `bound`, and `pool` if need be.

    A token that the sampler gave no log-probability (NaN) has ratio 1.

    Args:
        low: Lower bound of the ratio, at most 1; None is no bound.
        high: Upper bound of the ratio, at least 1; None is no bound.

    Attributes:
        per_sequence: Whether `pool` returns one number per completion.
        anchors: Whether the sampler's log-probabilities take the place of the old ones, so that the surrogate's own
            ratio makes up for the gap; there is no factor then.

    Raises:
        ValueError: There is no bound, or they leave out 1, the ratio of an engine that agrees with the policy.

    Example:
        >>> mask, zero = torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 2)
        >>> gap = torch.tensor([[4.0, 0.5]]).log()
        >>> TokenTruncation().factor(gap, zero, mask), TokenMask().factor(gap, zero, mask)
        (tensor([[3.0000, 0.5000]]), tensor([[0.0000, 0.5000]]))
        >>> SequenceTruncation().factor(gap, zero, mask), SequenceMask(high=1.5).factor(gap, zero, mask)
        (tensor([[2.]]), tensor([[0.]]))
    """

    per_sequence: ClassVar[bool] = False
    anchors: ClassVar[bool] = False

    def __init__(self, low: float | None = None, high: float | None = 3.0) -> None:
        if (low is None and high is None) or (low or 0.0) > 1 or (high or 1.0) < 1:
            raise ValueError(f"the bounds of a ratio must include 1, and one must be set: got low={low}, high={high}")
        self.low = low
        self.high = high

    def factor(self, old_logprobs: Tensor, sampler_logprobs: Tensor, mask: Tensor) -> Tensor:
        """Return the correction factor of the surrogate, ``(B, T)`` or ``(B, 1)``.

        Args:
            old_logprobs: ``(B, T)`` under the policy that the rollout was made with.
            sampler_logprobs: ``(B, T)`` as the sampler saw them.
            mask: ``(B, T)`` bool, loss tokens.
        """
        difference = (old_logprobs - sampler_logprobs).masked_fill(~mask, 0.0).nan_to_num(0.0)
        return self.bound(ratio_of(self.pool(difference)))

    def pool(self, difference: Tensor) -> Tensor:
        """Turn token log-ratios, ``(B, T)``, into those that are bounded: these, or one per completion, ``(B, 1)``."""
        return difference

    @abstractmethod
    def bound(self, ratio: Tensor) -> Tensor:
        """Return the bounded ratio, ``(B, T)`` or ``(B, 1)``: clamped, or 0 where it is left out."""


class TokenTruncation(SamplerCorrection):
    """Bounds each token's ratio (truncated importance sampling); TRL's ``token_truncate``."""

    def bound(self, ratio: Tensor) -> Tensor:
        """Clamp the ratio, ``(B, T)`` or ``(B, 1)``, between ``low`` and ``high``."""
        return ratio.clamp(self.low, self.high)


BOUNDED = TokenTruncation()
"""The default of samplers that round; by this name a saved recipe finds it again."""


class TokenMask(SamplerCorrection):
    """Leaves out tokens whose ratio is out of bounds; TRL's ``token_mask``."""

    def bound(self, ratio: Tensor) -> Tensor:
        """Put 0 where the ratio, ``(B, T)`` or ``(B, 1)``, is out of bounds."""
        return torch.where(ratio == ratio.clamp(self.low, self.high), ratio, 0.0)


class SequenceTruncation(TokenTruncation):
    """Bounds the ratio of the whole completion, the product over its tokens; TRL's ``sequence_truncate``."""

    per_sequence = True

    def pool(self, difference: Tensor) -> Tensor:
        """Add up the log-ratios of a completion's tokens, ``(B, 1)``."""
        return difference.sum(1, keepdim=True)


class SequenceMask(TokenMask):
    """Leaves out completions whose ratio, the product over its tokens, is out of bounds; TRL's ``sequence_mask``."""

    per_sequence = True

    def pool(self, difference: Tensor) -> Tensor:
        """Add up the log-ratios of a completion's tokens, ``(B, 1)``."""
        return difference.sum(1, keepdim=True)


class SamplerRatio(SamplerCorrection):
    """Has the surrogate take its ratio to the sampler itself, so that its clip is a trust region around what sampled.

    The sampler's log-probabilities become the old ones, which spares a forward pass. For algorithms whose surrogate
    bounds the ratio of a token (``trust_region``). It is what rollouts that are ahead of learning are corrected with by
    default: between sampling and learning the policy has moved, and a factor beside the clip would let it move on
    unseen. Called bypass mode in verl.

    Example:
        >>> SamplerRatio().anchors, TokenTruncation().anchors
        (True, False)
    """

    anchors = True

    def __init__(self) -> None:
        super().__init__(high=float("inf"))

    def bound(self, ratio: Tensor) -> Tensor:
        """Return 1 everywhere, ``(B, T)``: there is no factor."""
        return torch.ones_like(ratio)
