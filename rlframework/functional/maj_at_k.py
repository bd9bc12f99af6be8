"""maj@k: how often the answer that most of several completions give is right (majority vote, self-consistency)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import nan

import torch
from torch import Tensor


def maj_at_k(answers: Sequence[Sequence[str | None]], right: Tensor, k: int) -> Tensor:
    """Estimate how often the majority of ``k`` answers to a problem is right, without bias.

    Wang et al., "Self-Consistency Improves Chain of Thought Reasoning" (arXiv:2203.11171). Of ``G`` answers the first
    ``k`` vote, then the next ``k``, and so on; what is left over does not vote. Answers are one if their texts are. Of
    several that are given equally often each counts by its share. Where nobody gives an answer, the vote is wrong.

    Args:
        answers: ``N`` problems of ``G`` answers as texts; None for a completion that gives none, which has no vote.
        right: ``(N, G)`` scores of 0 and 1, or NaN where it could not be told, which has no vote either.
        k: Answers that vote, 1 to ``G``.

    Returns:
        ``(N,)`` float64; NaN for a problem without any score.

    Raises:
        ValueError: ``k`` is not in 1 to ``G``.

    Example:
        >>> right = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> maj_at_k([["7", "7", "8"], ["1", "2", "3"]], right, k=3)
        tensor([1.0000, 0.3333], dtype=torch.float64)
    """
    size = right.shape[1]
    if not 1 <= k <= size:
        raise ValueError(f"maj@{k} cannot be told from {size} answers a problem; choose k from 1 to {size}")
    votes = [
        [_vote(given[start : start + k], scores[start : start + k]) for start in range(0, size - k + 1, k)]
        for given, scores in zip(answers, right.tolist(), strict=True)
    ]
    return torch.tensor(votes, dtype=torch.float64).nanmean(1)


def _vote(answers: Sequence[str | None], scores: Sequence[float]) -> float:
    judged = [(answer, score) for answer, score in zip(answers, scores, strict=True) if score == score]
    if not judged:
        return nan
    count = Counter(answer for answer, _ in judged if answer is not None)
    most = max(count.values(), default=0)
    winners = [score for answer, score in judged if answer is not None and count[answer] == most]
    return sum(winners) / len(winners) if winners else 0.0
