"""VESPO by its equation."""

from __future__ import annotations

import numpy as np
import pytest

from rlframework import VESPO
from rlframework.terms import SequenceMask, TokenMask
from tests.algorithms.closed_form import OLD, RATIOS, TOKENS, assert_step, make, normalized, step


def weighed(factors: list[list[float]]) -> tuple[float, list[list[float]]]:
    """Return the loss and slopes; a factor of 0 leaves its token out of the ratio and of the loss."""
    loss, slopes = 0.0, []
    for row, kept, a in zip(RATIOS, factors, normalized().flat, strict=True):
        w = np.prod([r * f for r, f in zip(row, kept, strict=True) if f])
        k, rate = (2.0, 3.0) if a >= 0 else (3.0, 2.0)
        weight = w**k * np.exp(rate * (1 - w))
        slopes.append([-weight * a / TOKENS if f else 0.0 for f in kept])
        loss += sum(s * (np.log(r) + OLD) for s, r in zip(slopes[-1], row, strict=True))
    return loss, slopes


def test_the_step_is_the_papers() -> None:
    assert_step(step(make(VESPO)), *weighed([[1.0] * len(row) for row in RATIOS]))


def test_a_sampler_correction_enters_the_ratio() -> None:
    factors = [[2.0], [0.5, 0.0, 1.5], [1.0, 0.8], [1.0, 0.0, 0.0, 0.9], [0.0, 0.0], []]
    found = step(make(VESPO, sampler_correction=TokenMask()), correction=factors)
    assert_step(found, *weighed(factors))


def test_what_it_has_no_place_for_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ratio_cap=2\.0: the weight of VESPO is bounded already"):
        make(VESPO, ratio_cap=2.0)
    with pytest.raises(ValueError, match="use TokenTruncation or TokenMask"):
        make(VESPO, sampler_correction=SequenceMask())
