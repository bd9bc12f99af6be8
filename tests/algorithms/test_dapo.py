"""DAPO by its equation; the run with its other two parts is in samplers/test_filters.py."""

from __future__ import annotations

from rlframework import DAPO
from tests.algorithms.closed_form import RATIOS, TOKENS, assert_step, clipped, make, normalized, step


def test_the_step_is_the_papers() -> None:
    terms = [[clipped(r, a, 0.2, 0.28) for r in row] for row, a in zip(RATIOS, normalized().flat, strict=True)]
    loss = sum(value for row in terms for value, _ in row) / TOKENS
    assert_step(step(make(DAPO)), loss, [[slope / TOKENS for _, slope in row] for row in terms])


def test_unlikely_tokens_can_grow_further_than_in_grpo() -> None:
    # A good completion whose ratio is 1.25: clipped at 1.2, not at 1.28.
    ratios = [[1.25], [1.0], [1.0], [1.0], [1.0], [1.0]]
    assert step(make(DAPO, clip_high=0.2), ratios).slopes[0] == [0.0]
    assert step(make(DAPO), ratios).slopes[0][0] < -0.1
