"""Confidence intervals of a measured share, such as an accuracy: of single trials, and of trials in groups."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, variance


def wilson_interval(successes: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a binomial share, by default at 95 %.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). Unlike
    ``p +- z * se`` it stays inside [0, 1] and does not collapse at 0 of n or n of n.

    Args:
        successes: Number of successes; no whole number where trials are worth less than one, as in clusters.
        n: Number of trials, at least 1.
        z: Quantile of the normal distribution.

    Example:
        >>> [round(bound, 3) for bound in wilson_interval(250, 256)]
        [0.95, 0.989]
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"expected 0 <= successes <= n and n >= 1, got {successes} of {n}")
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def grouped_interval(shares: Sequence[float], trials: int = 1, z: float = 1.959964) -> tuple[float, float]:
    """Return the interval of a mean share over groups, such as of problems with several answers each.

    Answers to one problem are alike, so ``N * G`` of them say less than as many to different problems. The Wilson
    interval is taken at the number of trials that would spread the mean as much as the groups do (Kish, "Survey
    Sampling", 1965), ``m (1 - m) / (s^2 / N)``, at least the ``N`` groups and at most the ``N * G`` trials.

    Args:
        shares: Of each of ``N`` groups, in [0, 1].
        trials: Trials that a share is of, ``G``; 1 for one number of a problem, such as pass@k.
        z: Quantile of the normal distribution.

    Raises:
        ValueError: There are no groups, or a share is not in [0, 1].

    Example:
        >>> alike, unlike = [1.0, 1.0, 0.0, 0.0], [0.5, 0.5, 0.5, 0.5]
        >>> [[round(bound, 2) for bound in grouped_interval(shares, trials=16)] for shares in (alike, unlike)]
        [[0.15, 0.85], [0.38, 0.62]]
    """
    if not shares or min(shares) < 0 or max(shares) > 1:
        raise ValueError(f"expected shares of at least one group, all in [0, 1], got {list(shares)[:8]}")
    mean, groups = fmean(shares), len(shares)
    spread = variance(shares) if groups > 1 else 0.0
    effective = mean * (1 - mean) / spread * groups if spread else groups * trials
    # Groups that are all right, or all wrong, say nothing of how alike the trials of one are.
    effective = groups if mean in (0, 1) else min(max(effective, groups), groups * trials)
    return wilson_interval(mean * effective, effective, z)
