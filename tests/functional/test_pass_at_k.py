"""The estimator is the share of all choices of k answers that hold a right one."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from rlframework.functional.pass_at_k import pass_at_k


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_it_is_the_share_of_all_choices_that_hold_a_right_answer(n: int) -> None:
    for k in range(1, n + 1):
        for c in range(n + 1):
            choices = list(combinations([True] * c + [False] * (n - c), k))
            share = sum(map(any, choices)) / len(choices)
            assert pass_at_k(torch.tensor([c]), torch.tensor([n]), k).item() == pytest.approx(share, abs=1e-12)


def test_many_answers_overflow_nothing() -> None:
    # C(10000, 5000) has three thousand digits.
    got = pass_at_k(torch.tensor([1]), torch.tensor([10_000]), 5_000)
    assert got.item() == pytest.approx(0.5, abs=1e-9)


def test_fewer_answers_than_tries_tell_nothing() -> None:
    assert pass_at_k(torch.tensor([2, 2]), torch.tensor([3, 2]), 3).isnan().tolist() == [False, True]


@pytest.mark.parametrize(
    ("right", "k", "message"), [(1, 0, "k=0"), (1, 1.5, "k=1.5"), (3, 1, r"got \[3\] of \[2\]"), (-1, 1, "expected 0")]
)
def test_impossible_numbers_are_refused(right: int, k: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pass_at_k(torch.tensor([right]), torch.tensor([2]), k)
