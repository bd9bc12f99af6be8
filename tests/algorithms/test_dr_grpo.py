"""Dr. GRPO by its equation."""

from __future__ import annotations

import numpy as np

from rlframework import DrGRPO
from tests.algorithms.closed_form import MAX_TOKENS, RATIOS, REWARDS, assert_step, clipped, make, step


def test_the_step_is_the_papers() -> None:
    advantages = REWARDS - REWARDS.mean(1, keepdims=True)
    np.testing.assert_allclose(advantages, [[0.5, -0.5, 0.0], [-5 / 3, 7 / 3, -2 / 3]])
    terms = [[clipped(r, a, 0.2, 0.2) for r in row] for row, a in zip(RATIOS, advantages.flat, strict=True)]
    budget = len(RATIOS) * MAX_TOKENS
    loss = sum(value for row in terms for value, _ in row) / budget
    assert_step(step(make(DrGRPO)), loss, [[slope / budget for _, slope in row] for row in terms])
