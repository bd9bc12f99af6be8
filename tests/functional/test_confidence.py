"""Wilson intervals against published values."""

from __future__ import annotations

import numpy as np
import pytest

from rlframework.functional.confidence import grouped_interval, wilson_interval

# The last four are method 3 of table I in R. G. Newcombe, Statistics in Medicine 17 (1998), p. 861.
PUBLISHED = [
    (0, 10, 0.0, 0.2775),
    (10, 10, 0.7225, 1.0),
    (5, 10, 0.2366, 0.7634),
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("successes", "n", "low", "high"), PUBLISHED)
def test_published_values(successes: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5.1e-5)


def test_bounds_stay_inside_0_and_1() -> None:
    for n in range(1, 60):
        none, all_of_them = wilson_interval(0, n), wilson_interval(n, n)
        assert none[0] == pytest.approx(0.0, abs=1e-12)
        assert all_of_them[1] == pytest.approx(1.0, abs=1e-12)
        assert 0.0 <= none[0] < none[1] < 1.0
        assert 0.0 < all_of_them[0] < all_of_them[1] <= 1.0
        assert none[1] == pytest.approx(1 - all_of_them[0], abs=1e-12)


def test_quantile() -> None:
    # The bounds solve |share - p| = z sqrt(p (1 - p) / n). For 1 of 2 and z = 1: (1/2 - p)^2 = p (1 - p) / 2,
    # so p = 1/2 +- 1 / sqrt(12) = 0.211325 and 0.788675.
    assert wilson_interval(1, 2, z=1.0) == pytest.approx((0.211325, 0.788675), abs=1e-6)


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"got {successes} of {n}"):
        wilson_interval(successes, n)


def test_of_single_trials_it_is_wilson_s() -> None:
    assert grouped_interval([1.0] * 3 + [0.0] * 7) == pytest.approx(wilson_interval(3, 10), abs=1e-12)
    assert grouped_interval([1.0] * 8, trials=16) == pytest.approx(wilson_interval(8, 8))


def test_it_covers_what_answers_to_the_same_problems_spread() -> None:
    """200 problems of which each has its own chance, 8 answers each: trials taken one by one would promise too much."""
    random, covered = np.random.default_rng(0), np.zeros(2)
    for _ in range(400):
        right = random.binomial(8, random.beta(0.6, 0.9, size=200))
        intervals = grouped_interval((right / 8).tolist(), trials=8), wilson_interval(int(right.sum()), 1600)
        covered += [low <= 0.4 <= high for low, high in intervals]
    assert 0.93 <= covered[0] / 400 <= 0.98
    assert covered[1] / 400 < 0.75


@pytest.mark.parametrize("shares", [[], [1.5], [-0.1, 0.5]])
def test_what_is_no_share_is_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one group"):
        grouped_interval(shares)
