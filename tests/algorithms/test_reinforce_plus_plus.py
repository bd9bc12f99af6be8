"""REINFORCE++ with baseline by its equation."""

from __future__ import annotations

import numpy as np

from rlframework import ReinforcePlusPlusBaseline
from rlframework.functional.divergences import k2
from rlframework.terms import KLInLoss
from tests.algorithms.closed_form import RATIOS, REWARDS, TOKENS, assert_step, clipped, make, step


def test_the_step_is_the_papers() -> None:
    centred = REWARDS - REWARDS.mean(1, keepdims=True)
    # Squares 0.25 + 0.25 + 0 + (25 + 49 + 4) / 9 = 9.166667, over 5: deviation 1.354006.
    advantages = centred / 1.3540064
    found = step(make(ReinforcePlusPlusBaseline))
    np.testing.assert_allclose(found.advantages, advantages, rtol=1e-6)
    terms = [[clipped(r, a, 0.2, 0.2) for r in row] for row, a in zip(RATIOS, advantages.flat, strict=True)]
    loss = sum(value for row in terms for value, _ in row) / TOKENS
    assert_step(found, loss, [[slope / TOKENS for _, slope in row] for row in terms])


def test_its_kl_is_k2_in_the_loss() -> None:
    algorithm = make(ReinforcePlusPlusBaseline, kl_coefficient=0.1)
    assert isinstance(algorithm.kl, KLInLoss)
    assert algorithm.kl.estimator is k2
    assert algorithm.clip_high == algorithm.clip_low == 0.2
