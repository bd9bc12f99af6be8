"""KL divergence to the reference policy: whether it enters the loss or the reward, and by which estimate."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from torch import Tensor

from rlframework.functional.divergences import k1, k3
from rlframework.functional.ratios import masked_sum
from rlframework.functional.surrogates import ratio_of
from rlframework.utilities.arguments import Checked

Estimator = Callable[[Tensor, Tensor], Tensor]


class KLTerm(Checked):
    """KL term that holds a policy near its reference; its weight is the algorithm's ``kl_coefficient``.

    A subclass overrides `token_loss`, `reward_penalty`, or both; as it is, it only measures (``train/kl``).

    Args:
        estimator: Function of ``(logprobs, reference_logprobs)``, such as `k1`, `k2` and `k3` of
            ``rlframework.functional.divergences``.

    Attributes:
        in_reward: Whether `reward_penalty` is overridden, so that the rollout has to be scored by the policy too.
    """

    in_reward = False

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator

    def token_loss(self, logprobs: Tensor, reference_logprobs: Tensor, log_ratio: Tensor) -> Tensor | None:
        """Return the KL loss of each token, ``(B, T)``, or None.

        Args:
            logprobs: ``(B, T)`` log pi, with gradient.
            reference_logprobs: ``(B, T)`` log pi_ref.
            log_ratio: ``(B, T)`` or ``(B, 1)`` log of the importance ratio before any cap, with gradient.
        """
        return None

    def reward_penalty(self, old_logprobs: Tensor, reference_logprobs: Tensor, mask: Tensor) -> Tensor | None:
        """Return the penalty that is subtracted from each completion's reward, ``(B,)``, or None.

        Args:
            old_logprobs: ``(B, T)`` log pi_old, under the policy that the rollout was made with.
            reference_logprobs: ``(B, T)`` log pi_ref.
            mask: ``(B, T)`` bool, loss tokens.
        """
        return None


class KLInLoss(KLTerm):
    """Adds ``K_it`` to the loss of every token, as GRPO does.

    Args:
        estimator: By default `k3`.
        ratio_corrected: Multiply it by the importance ratio, gradient included: ``K_it rho_it``. Off-policy this makes
            the estimate unbiased; on-policy it changes the gradient from ``1 - pi_ref / pi`` to that of the KL
            divergence, ``log pi - log pi_ref`` times ``grad log pi``. DeepSeek-V3.2 (arXiv:2512.02556);
            TRL's ``use_bias_correction_kl``, which is on by default there.

    Example:
        >>> import torch
        >>> term = KLInLoss(ratio_corrected=True)
        >>> term.token_loss(torch.tensor([[-1.0]]), torch.tensor([[0.0]]), torch.tensor([[2.0]]).log())
        tensor([[1.4366]])
    """

    def __init__(self, estimator: Estimator = k3, ratio_corrected: bool = False) -> None:
        super().__init__(estimator)
        self.ratio_corrected = ratio_corrected
        if estimator is k1 and not ratio_corrected:
            warnings.warn(
                "k1 as a loss has a gradient of 0 on average: it adds noise and holds nothing back. Use k2 or k3, "
                "ratio_corrected=True, or KLInReward",
                stacklevel=2,
            )

    def token_loss(self, logprobs: Tensor, reference_logprobs: Tensor, log_ratio: Tensor) -> Tensor:
        """Return the divergence ``K`` or ``K rho`` of each token, ``(B, T)``."""
        divergence = self.estimator(logprobs, reference_logprobs)
        return divergence * ratio_of(log_ratio) if self.ratio_corrected else divergence


class KLInReward(KLTerm):
    """Subtracts ``kl_coefficient sum_t K_it`` from a completion's reward, under the policy that sampled it.

    The reward is then part of what is compared within the group. RLOO (arXiv:2402.14740), with k1, the default.

    Example:
        >>> import torch
        >>> mask = torch.tensor([[True, True, False]])
        >>> KLInReward().reward_penalty(torch.tensor([[-1.0, -1.0, 0.0]]), torch.tensor([[-2.0, -1.5, 0.0]]), mask)
        tensor([1.5000])
    """

    in_reward = True

    def __init__(self, estimator: Estimator = k1) -> None:
        super().__init__(estimator)

    def reward_penalty(self, old_logprobs: Tensor, reference_logprobs: Tensor, mask: Tensor) -> Tensor:
        """Return the divergence of each whole completion, ``(B,)``."""
        return masked_sum(self.estimator(old_logprobs, reference_logprobs), mask).squeeze(1)
