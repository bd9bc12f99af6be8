"""Lite PPO by its equation."""

from __future__ import annotations

import numpy as np

from rlframework import LitePPO
from tests.algorithms.closed_form import RATIOS, REWARDS, TOKENS, assert_step, clipped, make, step


def test_the_step_is_the_papers() -> None:
    # The six rewards have mean 13 / 12 and squares 1 + 0.25 + 16 + 1 - 6 (13 / 12)^2 = 11.208333: deviation 1.497220.
    advantages = (REWARDS - REWARDS.mean(1, keepdims=True)) / (1.4972196 + 1e-4)
    terms = [[clipped(r, a, 0.2, 0.2) for r in row] for row, a in zip(RATIOS, advantages.flat, strict=True)]
    found = step(make(LitePPO))
    np.testing.assert_allclose(found.advantages, advantages, rtol=1e-6)
    loss = sum(value for row in terms for value, _ in row) / TOKENS
    assert_step(found, loss, [[slope / TOKENS for _, slope in row] for row in terms])
