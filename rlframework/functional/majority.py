"""maj@k: whether the answer that most of several samples agree on is right (self-consistency)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor


def majority_at_k(answers: Sequence[Sequence[Hashable]], scores: Tensor, k: int) -> Tensor:
    """Return how often the most frequent of ``k`` answers to a problem is right.

    Wang et al., "Self-Consistency Improves Chain of Thought Reasoning in Language Models" (arXiv:2203.11171). Of more
    than ``k`` answers, disjoint blocks of ``k`` are taken as they were sampled, and their mean. Where several answers
    are equally frequent each counts for its share. A completion without an answer has no vote; without any, the problem
    is not solved.

    Args:
        answers: ``N`` problems, ``G`` answers each in comparable form; None where there is no answer.
        scores: ``(N, G)``, 1 where the answer is right and 0 where it is not; NaN abstains, and has no vote.
        k: Answers that vote, at most ``G``.

    Returns:
        ``(N,)`` float64, in 0 to 1; NaN for a problem on whose answers every score abstained.

    Raises:
        ValueError: ``k`` is not in 1 to ``G``.

    Example:
        >>> majority_at_k([["4", "4", "5"], ["1", "2", None]], torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]), k=3)
        tensor([1.0000, 0.5000], dtype=torch.float64)
    """
    size = scores.shape[1]
    if not 1 <= k <= size:
        raise ValueError(f"maj@{k} cannot be told from {size} completions a prompt; sample with group_size={k}")
    rows = zip(answers, scores.tolist(), strict=True)
    return torch.tensor([_of_problem(list(given), right, k) for given, right in rows], dtype=torch.float64)


def _of_problem(answers: list[Hashable], scores: list[float], k: int) -> float:
    blocks = [range(start, start + k) for start in range(0, len(answers) - k + 1, k)]
    if all(score != score for score in scores):
        return float("nan")
    return sum(_of_block([(answers[i], scores[i]) for i in block]) for block in blocks) / len(blocks)


def _of_block(votes: list[tuple[Hashable, float]]) -> float:
    valid = [(answer, score) for answer, score in votes if answer is not None and score == score]
    counts = Counter(answer for answer, _ in valid)
    most = max(counts.values(), default=0)
    # An answer that is written alike is judged alike; the first judgement of it counts.
    judged = dict(reversed(valid))
    winners = [judged[answer] for answer, count in counts.items() if count == most]
    return sum(winners) / len(winners) if winners else 0.0
