"""REINFORCE by its equation."""

from __future__ import annotations

import numpy as np

from rlframework import REINFORCE
from tests.algorithms.closed_form import OLD, RATIOS, REWARDS, assert_step, make, step


def weighted(advantages: np.ndarray, cap: float = np.inf) -> tuple[float, list[list[float]]]:
    """Return ``1/B sum -sg(min(rho, cap)) A log pi`` and its slopes, without gradient through rho."""
    slopes = [[-min(r, cap) * a / 6 for r in row] for row, a in zip(RATIOS, advantages.flat, strict=True)]
    logprobs = [[np.log(r) + OLD for r in row] for row in RATIOS]
    loss = sum(s * p for pair in zip(slopes, logprobs, strict=True) for s, p in zip(*pair, strict=True))
    return loss, slopes


def test_the_step_is_williams_with_an_importance_weight() -> None:
    assert_step(step(make(REINFORCE)), *weighted(REWARDS - 13 / 12))


def test_the_weight_can_be_bounded() -> None:
    assert_step(step(make(REINFORCE, ratio_cap=1.2)), *weighted(REWARDS - 13 / 12, cap=1.2))
