"""LUSPO by its equation."""

from __future__ import annotations

import numpy as np

from rlframework import LUSPO
from tests.algorithms.closed_form import RATIOS, assert_step, clipped, make, normalized, step


def test_the_step_is_the_papers() -> None:
    """GSPO's loss of a completion times its length, so that every token has the slope of the whole."""
    terms = [
        clipped(float(np.prod(row) ** (1 / max(len(row), 1))), a, 3e-4, 4e-4)
        for row, a in zip(RATIOS, normalized().flat, strict=True)
    ]
    loss = sum(len(row) * value for (value, _), row in zip(terms, RATIOS, strict=True)) / 6
    slopes = [[slope / 6] * len(row) for (_, slope), row in zip(terms, RATIOS, strict=True)]
    assert_step(step(make(LUSPO)), loss, slopes)
