"""GMPO by its equation."""

from __future__ import annotations

import numpy as np
import pytest

from rlframework import GMPO
from tests.algorithms.closed_form import RATIOS, assert_step, make, normalized, step


def test_the_step_is_the_papers() -> None:
    """A clipped token counts in the mean and has no slope; the others have 1 / n_i of the completion's."""
    loss, slopes = 0.0, []
    for row, a in zip(RATIOS, normalized().flat, strict=True):
        logs = [min(np.log(r), 0.4) if a > 0 else max(np.log(r), -0.4) for r in row]
        weight = a * np.exp(sum(logs) / max(len(row), 1)) / 6
        loss -= weight if row else 0.0
        free = [(np.log(r) <= 0.4) if a > 0 else (np.log(r) >= -0.4) for r in row]
        slopes.append([-weight / len(row) if f else 0.0 for f in free])
    assert slopes[0] == [0.0]  # 1.5 is above exp(0.4)
    assert_step(step(make(GMPO)), loss, slopes)


def test_the_mean_is_over_the_tokens_of_high_entropy() -> None:
    """So that those left out neither learn nor weigh."""
    kept = [[1.0], [0.0, 1.0, 1.0], [1.0, 1.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0], []]
    found = step(make(GMPO, top_entropy_share=0.5), uncertain=kept)
    # The second, bad: exp((ln 1.1 + ln 0.9) / 2) = 0.994987 over two tokens; the fourth, bad too: 0.7 over one.
    second, fourth = normalized().flat[[1, 3]]
    np.testing.assert_allclose(found.slopes[1], [0.0, *[-second * 0.9949874 / 2 / 6] * 2], rtol=1e-6)
    np.testing.assert_allclose(found.slopes[3], [-fourth * 0.7 / 6, 0.0, 0.0, 0.0], rtol=1e-6)
    assert found.slopes[4] == [0.0, 0.0]


def test_a_cap_within_the_clip_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ratio_cap=1\.4 must not lie below the clip at 1\.492"):
        make(GMPO, ratio_cap=1.4)
    assert make(GMPO, ratio_cap=1.4, clip_high=0.3).clip_high == 0.3
