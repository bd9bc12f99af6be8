"""A rise in standard errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rlframework.callbacks.sentinels.trend import rise_in_errors


@pytest.mark.parametrize("trend", [0.0, 0.2])
def test_noise_is_within_two_errors_as_often_as_it_should_be(trend: float) -> None:
    """A trend within the stretches is not taken for noise: its own rise is what is added to each value."""
    random = np.random.default_rng(0)
    rises = []
    for _ in range(2000):
        values = random.normal(size=20) + trend * np.arange(20)
        rises.append(rise_in_errors(list(values[:10]), list(values[10:] - 10 * trend)))
    assert 0.93 < np.mean(np.abs(rises) < 2) < 0.97


def test_without_noise_any_rise_is_one() -> None:
    assert rise_in_errors([1.0, 1.0], [2.0, 2.0]) == math.inf
