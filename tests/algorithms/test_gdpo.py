"""GDPO by its equation, with two rewards of very different spread."""

from __future__ import annotations

import numpy as np
import pytest

from rlframework import GDPO
from rlframework.terms import KLInReward
from tests.algorithms.closed_form import RATIOS, REWARDS, assert_step, clipped, make, normalized, step

OTHER = np.array([[0.0, 100.0, 50.0], [7.0, 7.0, 7.0]])


def advantages(other: np.ndarray) -> np.ndarray:
    total = normalized() + 2 * other
    return total / (total[~np.isnan(total)].std(ddof=1) + 1e-4)


def test_the_step_is_the_papers() -> None:
    # Of 0, 100 and 50 the normalised are -1, 1 and 0; of three equal rewards, 0.
    expected = advantages(np.array([[-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    found = step(make(GDPO), components={"right": REWARDS, "long": OTHER})
    np.testing.assert_allclose(found.advantages, expected, rtol=1e-5)
    terms = [[clipped(r, a, 0.2, 0.2) for r in row] for row, a in zip(RATIOS, found.advantages.flat, strict=True)]
    loss = sum(sum(value for value, _ in row) / max(len(row), 1) for row in terms) / 6
    assert_step(found, loss, [[slope / len(row) / 6 for _, slope in row] for row in terms])


def test_a_reward_that_abstains_is_left_out_of_the_sum() -> None:
    other = OTHER.copy()
    other[1] = np.nan  # says as much as three equal rewards
    expected = advantages(np.array([[-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    found = step(make(GDPO), components={"right": REWARDS, "long": other})
    np.testing.assert_allclose(found.advantages, expected, rtol=1e-5)


def test_a_row_that_nobody_judged_is_in_no_spread() -> None:
    # Of 1 and 0: 0.707107 and -0.707107; of 0, 4 and 1: -5/3, 7/3 and -2/3 over 2.081666. Five values.
    rewards = np.array([[1.0, 0.0, np.nan], [0.0, 4.0, 1.0]])
    values = np.array([0.7070068, -0.7070068, -0.8006024, 1.1208434, -0.3202410])
    found = step(make(GDPO), components={"right": rewards})
    expected = values / (values.std(ddof=1) + 1e-4)
    np.testing.assert_allclose(np.delete(found.advantages.ravel(), 2), expected, rtol=1e-5)
    assert found.advantages[0, 2] == 0 or np.isnan(found.advantages[0, 2])


def test_a_kl_in_the_reward_is_refused() -> None:
    with pytest.raises(ValueError, match="GDPO normalises single rewards and never sees the total; use KLInLoss"):
        make(GDPO, kl_coefficient=0.1, kl=KLInReward())
