"""SAPO by its equation."""

from __future__ import annotations

import numpy as np
import pytest

from rlframework import SAPO
from tests.algorithms.closed_form import RATIOS, assert_step, make, normalized, step


def test_the_step_is_the_papers() -> None:
    """The gate ``4 / tau sigmoid(tau (rho - 1))`` has slope ``4 s (1 - s) rho`` in log rho: 1 on-policy."""
    loss, slopes = 0.0, []
    for row, a in zip(RATIOS, normalized().flat, strict=True):
        tau = 1.0 if a > 0 else 1.05
        gates = [1 / (1 + np.exp(-tau * (r - 1))) for r in row]
        loss -= sum(4 / tau * s * a for s in gates) / max(len(row), 1) / 6
        slopes.append([-4 * s * (1 - s) * r * a / len(row) / 6 for s, r in zip(gates, row, strict=True)])
    assert_step(step(make(SAPO)), loss, slopes)


@pytest.mark.parametrize("side", ["temperature_positive", "temperature_negative"])
def test_a_temperature_of_0_is_refused(side: str) -> None:
    with pytest.raises(ValueError, match="temperatures must be above 0"):
        make(SAPO, **{side: 0.0})
