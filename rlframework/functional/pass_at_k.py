"""pass@k: the chance that one of several answers is right."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor


def pass_at_k(right: Tensor, sampled: Tensor, k: int) -> Tensor:
    """Estimate the chance that at least one of ``k`` answers to a problem is right, without bias.

    ``pass@k = 1 - C(n - c, k) / C(n, k)`` for ``c`` right ones of ``n`` answers. Chen et al., "Evaluating Large
    Language Models Trained on Code" (arXiv:2107.03374), equation 1. ``1 - (1 - c / n) ** k`` would be too low.

    Args:
        right: ``(N,)`` right answers to each problem, ``c``.
        sampled: ``(N,)`` answers to each problem, ``n``.
        k: Answers that may be tried, at least 1.

    Returns:
        ``(N,)`` float64; NaN for a problem with fewer than ``k`` answers, of which nothing can be said.

    Raises:
        ValueError: ``k`` is no whole number of at least 1, or a problem with more right answers than answers.

    Example:
        >>> pass_at_k(torch.tensor([0, 1, 3]), torch.tensor([4, 4, 4]), k=2)
        tensor([0.0000, 0.5000, 1.0000], dtype=torch.float64)
    """
    if not isinstance(k, Integral) or k < 1:
        raise ValueError(f"k={k!r}: a whole number of answers is tried, at least one")
    if (right < 0).any() or (right > sampled).any():
        raise ValueError(f"expected 0 <= right <= sampled, got {right.tolist()} of {sampled.tolist()}")
    tried = torch.arange(k, dtype=torch.float64)
    wrong, among = (sampled - right).double().unsqueeze(1), sampled.double().unsqueeze(1)
    # One factor for each answer tried: that it is wrong as well. The last wrong one makes it 0.
    all_wrong = ((wrong - tried).clamp(min=0) / (among - tried)).prod(1)
    return torch.where(sampled >= k, 1 - all_wrong, torch.nan)
