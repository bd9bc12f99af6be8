"""Confidence interval of a measured share, such as an accuracy."""

from __future__ import annotations

from math import sqrt


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
