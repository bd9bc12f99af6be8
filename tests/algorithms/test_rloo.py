"""RLOO by its equation."""

from __future__ import annotations

import numpy as np

from rlframework import RLOO
from rlframework.functional.divergences import k1
from rlframework.terms import KLInReward
from tests.algorithms.closed_form import RATIOS, assert_step, clipped, make, step


def test_the_step_is_the_papers() -> None:
    # 1 - 0.25, 0 - 0.75, 0.5 - 0.5 and 0 - 2.5, 4 - 0.5, 1 - 2
    advantages = np.array([[0.75, -0.75, 0.0], [-2.5, 3.5, -1.0]])
    found = step(make(RLOO))
    np.testing.assert_allclose(found.advantages, advantages)
    terms = [clipped(float(np.prod(row)), a, 0.2, 0.2) for row, a in zip(RATIOS, advantages.flat, strict=True)]
    loss = sum(value for (value, _), row in zip(terms, RATIOS, strict=True) if row) / 6
    # The log of the product has slope 1 in each token.
    slopes = [[slope / 6] * len(row) for (_, slope), row in zip(terms, RATIOS, strict=True)]
    assert slopes[1][0] == 0  # 0.495 and bad: clipped
    assert_step(found, loss, slopes)


def test_its_kl_is_in_the_reward_by_default() -> None:
    algorithm = make(RLOO)
    assert algorithm.kl_coefficient == 0.05
    assert isinstance(algorithm.kl, KLInReward)
    assert algorithm.kl.estimator is k1
    assert algorithm.reference is not None
