"""Token weights: the weight of each token's loss in an optimizer step. All denominators live here.

Every function takes the loss tokens of all rows of the step on all ranks, ``(B, T)`` bool, and returns ``(B, T)``
float32 that is 0 off the mask.
"""

from __future__ import annotations

from torch import Tensor


def sequence_mean(mask: Tensor) -> Tensor:
    """Mean over the tokens of a row, then over rows: ``w_it = m_it / (B max(n_i, 1))``.

    DeepSeekMath (arXiv:2402.03300), equation 3. A row without tokens still counts in ``B``.

    Args:
        mask: ``(B, T)`` bool, the loss tokens of every row of the optimizer step, over all ranks.

    Returns:
        ``(B, T)`` float32, summing to at most 1.

    Example:
        >>> import torch
        >>> sequence_mean(torch.tensor([[True, True], [True, False]]))
        tensor([[0.2500, 0.2500],
                [0.5000, 0.0000]])
    """
    lengths = mask.sum(1, keepdim=True).clamp(min=1)
    return mask.float() / (mask.shape[0] * lengths)


def token_mean(mask: Tensor) -> Tensor:
    """Mean over all tokens of the step: ``w_it = m_it / max(sum_jt m_jt, 1)``.

    DAPO (arXiv:2503.14476): a token of a long completion counts as much as one of a short completion.

    Example:
        >>> import torch
        >>> token_mean(torch.tensor([[True, True, True], [True, False, False]]))
        tensor([[0.2500, 0.2500, 0.2500],
                [0.2500, 0.0000, 0.0000]])
    """
    return mask.float() / mask.sum().clamp(min=1)


def sequence_sum(mask: Tensor) -> Tensor:
    """Sum over the tokens of a row, mean over rows: ``w_it = m_it / B``.

    The weight of ``grad log pi(y) = sum_t grad log pi(y_t)`` in REINFORCE; of the sequence-level loss in LUSPO
    (arXiv:2602.05261).

    Example:
        >>> import torch
        >>> sequence_sum(torch.tensor([[True, True], [True, False]]))
        tensor([[0.5000, 0.5000],
                [0.5000, 0.0000]])
    """
    return mask.float() / max(mask.shape[0], 1)


def fixed_budget(mask: Tensor, max_tokens: int) -> Tensor:
    """Share every row's budget: ``w_it = m_it / (B max_tokens)``.

    Dr. GRPO (arXiv:2503.20783): a constant denominator has no preference among lengths.

    Args:
        mask: ``(B, T)`` bool.
        max_tokens: Token budget of a completion.

    Example:
        >>> import torch
        >>> fixed_budget(torch.tensor([[True, True], [True, False]]), max_tokens=4)
        tensor([[0.1250, 0.1250],
                [0.1250, 0.0000]])
    """
    return mask.float() / (max(mask.shape[0], 1) * max_tokens)
