"""Token weights: what one token's loss counts for in an optimizer step. All denominators live here."""

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
