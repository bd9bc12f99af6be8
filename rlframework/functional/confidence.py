"""Confidence intervals: of a share, such as an accuracy, of trials in groups, and of the difference of two policies."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor


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
    interval is taken at as many trials as they are worth by their `design_effect`, at least the ``N`` groups.

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
    groups, n = len(shares), len(shares) * trials
    right = [share * trials for share in shares]
    effect = design_effect(sum(right), n, groups, sum(count**2 for count in right))
    # Groups that are all right, or all wrong, say nothing of how alike the trials of one are.
    effective = groups if sum(right) in (0, n) else max(n / effect, groups)
    return wilson_interval(sum(right) / n * effective, effective, z)


def design_effect(successes: float, n: float, groups: int, squares: float) -> float:
    """Return by what factor trials in groups say less than as many independent ones; at least 1.

    The variance of the groups' successes over that of independent trials: several answers to one prompt are right or
    wrong together. L. Kish, "Survey Sampling" (1965), section 8.2.

    Args:
        successes: Number of successes.
        n: Number of trials.
        groups: Number of groups; 0 where nobody counted.
        squares: Sum over the groups of the square of their successes.

    Example:
        Two groups of four that are all right or all wrong are two trials:

        >>> design_effect(4, 8, groups=2, squares=16)
        4.0
    """
    independent = successes * (1 - successes / n)
    between = squares - successes**2 / groups if groups else 0.0
    return max(1.0, between / independent) if independent else 1.0


class Difference(NamedTuple):
    """The difference of two means on the same prompts, by a bootstrap.

    Args:
        mean: Second less first.
        low: Lower bound of its 95 % interval.
        high: Upper bound.
        p_value: Two-sided: how often a bootstrap sample lies on the other side of 0, doubled.
    """

    mean: Tensor
    low: Tensor
    high: Tensor
    p_value: Tensor


def paired_bootstrap(differences: Tensor, resamples: int = 10_000, seed: int = 0) -> Difference:
    """Return how sure a difference between two policies is, from its value on each prompt.

    Prompts are drawn with replacement, each with both of its scores, and the differences averaged. As both answered the
    same prompts, what makes a prompt hard for both does not widen the interval. Efron and Tibshirani, "An Introduction
    to the Bootstrap" (1993); Koehn, "Statistical Significance Tests for Machine Translation Evaluation" (2004).

    Args:
        differences: ``(N,)`` score of the second policy less that of the first, by prompt; the order does not matter.
        resamples: Bootstrap samples.
        seed: Of the samples.

    Raises:
        ValueError: There are no prompts.

    Example:
        >>> result = paired_bootstrap(torch.tensor([1.0] * 12 + [0.0] * 80 + [-1.0] * 4))
        >>> [round(float(value), 3) for value in result]
        [0.083, 0.0, 0.167, 0.051]
    """
    if len(differences) == 0:
        raise ValueError("no prompt was scored by both policies, and of none there is no difference")
    values = differences.double().cpu().sort().values
    generator = torch.Generator().manual_seed(seed)
    # A thousand at a time bounds the memory.
    parts = [min(1000, resamples - start) for start in range(0, resamples, 1000)]
    drawn = [values[torch.randint(len(values), (part, len(values)), generator=generator)].mean(1) for part in parts]
    means = torch.cat(drawn)
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
    beyond = torch.minimum((means <= 0).double().mean(), (means >= 0).double().mean())
    return Difference(values.mean(), low, high, (2 * beyond).clamp(max=1.0))
