"""The settings of a sampler."""

from __future__ import annotations

import pytest

from rlframework import BatchedSampler, GroupSampler


def test_replace_returns_a_changed_copy() -> None:
    sampler = BatchedSampler(group_size=4, max_tokens=8, temperature=0.9, seed=3)
    other = sampler.replace(group_size=1, temperature=0.0)
    assert isinstance(other, BatchedSampler)
    assert (other.group_size, other.temperature, other.max_tokens, other.seed) == (1, 0.0, 8, 3)
    assert (sampler.group_size, sampler.temperature) == (4, 0.9)


def test_replace_refuses_an_unknown_setting() -> None:
    with pytest.raises(AttributeError, match="BatchedSampler has no setting 'beams'"):
        BatchedSampler(4, 8).replace(beams=5)


@pytest.mark.parametrize("sizes", [(0, 8), (4, 0)])
def test_sizes_are_at_least_1(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"must be at least 1, got {sizes[0]} and {sizes[1]}"):
        BatchedSampler(*sizes)


def test_a_negative_temperature_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must not be negative, got -0\.1"):
        BatchedSampler(4, 8, temperature=-0.1)


def test_sample_must_be_written() -> None:
    with pytest.raises(TypeError, match="sample"):
        GroupSampler(4, 8)


def test_a_copy_is_checked_like_a_new_one() -> None:
    with pytest.raises(ValueError, match="max_tokens must be at least 1, got 2 and 0"):
        BatchedSampler(2, 5).replace(max_tokens=0)
    with pytest.raises(AttributeError, match="no setting 'sample'"):
        BatchedSampler(2, 5).replace(sample=None)
