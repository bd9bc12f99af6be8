"""GSPO by its equation."""

from __future__ import annotations

import numpy as np

from rlframework import GSPO
from tests.algorithms.closed_form import RATIOS, assert_step, clipped, make, normalized, step


def test_the_step_is_the_papers() -> None:
    """``s_i`` is the geometric mean of the ratios; each of its tokens has 1 / n_i of the slope."""
    terms = [
        clipped(float(np.prod(row) ** (1 / max(len(row), 1))), a, 3e-4, 4e-4)
        for row, a in zip(RATIOS, normalized().flat, strict=True)
    ]
    # The mean over a completion's tokens of one number is that number; a completion without tokens has no loss.
    loss = sum(value for (value, _), row in zip(terms, RATIOS, strict=True) if row) / 6
    slopes = [[slope / max(len(row), 1) / 6] * len(row) for (_, slope), row in zip(terms, RATIOS, strict=True)]
    assert slopes[4][0] != 0  # the ratio is inside the narrow clip
    assert slopes[0] == [0.0]  # and here beyond it
    assert_step(step(make(GSPO)), loss, slopes)
