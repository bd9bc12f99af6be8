"""BNPO by its equation; that it depends on the cut is in test_reducer.py."""

from __future__ import annotations

from rlframework import BNPO
from tests.algorithms.closed_form import RATIOS, TOKENS, assert_step, clipped, make, normalized, step


def test_one_minibatch_is_the_mean_over_its_tokens() -> None:
    terms = [[clipped(r, a, 0.2, 0.2) for r in row] for row, a in zip(RATIOS, normalized().flat, strict=True)]
    loss = sum(value for row in terms for value, _ in row) / TOKENS
    assert_step(step(make(BNPO)), loss, [[slope / TOKENS for _, slope in row] for row in terms])
