"""Whether a noisy figure has risen: the difference of two means, in standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean


def rise_in_errors(before: Sequence[float], after: Sequence[float]) -> float:
    """Return how far the mean has risen from one stretch of a figure to the next, in standard errors of the difference.

    The noise is estimated from steps to the next value, ``var = mean((x_i - x_{i-1})**2) / 2``, within either stretch:
    unlike a variance about the mean it does not take a trend for noise (von Neumann 1941, "Distribution of the ratio of
    the mean square successive difference to the variance").

    Args:
        before: At least two values.
        after: At least two values.

    Returns:
        Positive for a rise; infinite where there is no noise at all, and 0 where nothing has changed.

    Example:
        >>> round(rise_in_errors([1.0, 2.0, 1.0, 2.0], [3.0, 2.0, 3.0, 2.0]), 2)
        2.0
        >>> rise_in_errors([1.0, 1.0], [1.0, 1.0]), rise_in_errors([1.0, 1.0], [0.0, 0.0])
        (0.0, -inf)
    """
    steps = [(b - a) ** 2 for stretch in (before, after) for a, b in pairwise(stretch)]
    rise, error = fmean(after) - fmean(before), math.sqrt(fmean(steps) / 2 * (1 / len(before) + 1 / len(after)))
    if error == 0:
        return math.copysign(math.inf, rise) if rise else 0.0
    return rise / error
