"""CISPO by its equation."""

from __future__ import annotations

import numpy as np

from rlframework import CISPO
from tests.algorithms.closed_form import OLD, RATIOS, TOKENS, assert_step, make, normalized, step


def test_the_step_is_the_papers() -> None:
    """Beyond the cap, here 1.4, a token keeps a gradient: that of the cap."""
    slopes = [[-min(r, 1.4) * a / TOKENS for r in row] for row, a in zip(RATIOS, normalized().flat, strict=True)]
    loss = sum(s * (np.log(r) + OLD) for pair in zip(slopes, RATIOS, strict=True) for s, r in zip(*pair, strict=True))
    assert slopes[3][3] != 0
    assert_step(step(make(CISPO, ratio_cap=1.4)), loss, slopes)


def test_the_cap_is_5_unless_told_otherwise() -> None:
    assert make(CISPO).ratio_cap == 5.0
    assert make(CISPO, ratio_cap=None).ratio_cap is None
