"""MaxRL by its equation."""

from __future__ import annotations

import numpy as np
import pytest

from rlframework import MaxRL
from rlframework.terms import KLInReward
from tests.algorithms.closed_form import OLD, RATIOS, assert_step, make, step


def test_the_step_is_the_papers() -> None:
    # Means 0.5 and 5 / 3 (plus 1e-6): 0.5 / 0.5, -1, 0 and -1, (7 / 3) / (5 / 3) = 1.4, (-2 / 3) / (5 / 3) = -0.4.
    advantages = np.array([1.0, -1.0, 0.0, -1.0, 1.4, -0.4]) * np.repeat([0.5 / 0.500001, 1 / (1 + 6e-7)], 3)
    slopes = [[-r * a / 6 for r in row] for row, a in zip(RATIOS, advantages, strict=True)]
    loss = sum(s * (np.log(r) + OLD) for pair in zip(slopes, RATIOS, strict=True) for s, r in zip(*pair, strict=True))
    assert_step(step(make(MaxRL)), loss, slopes)


def test_with_rewards_of_0_and_1_it_averages_over_the_successes() -> None:
    # One of 3 solved: 3 x the average of the slopes of log pi, less the sum over all; on-policy, one token each.
    found = step(make(MaxRL), [[1.0]] * 3, {"right": np.array([[1.0, 0.0, 0.0]])})
    np.testing.assert_allclose(np.ravel(found.slopes), [-2 / 3, 1 / 3, 1 / 3], atol=1e-5)


def test_a_kl_in_the_reward_is_refused() -> None:
    with pytest.raises(ValueError, match="MaxRL divides by the mean reward, which a KL in the reward makes negative"):
        make(MaxRL, kl_coefficient=0.1, kl=KLInReward())
