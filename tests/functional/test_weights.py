"""Token weights of small masks, by hand."""

from __future__ import annotations

import pytest
import torch

from rlframework.functional.weights import fixed_budget, sequence_mean, sequence_sum, token_mean


def test_every_row_counts_the_same() -> None:
    # Three rows: each weighs 1 / 3, shared by its 1, 4 or 2 tokens.
    mask = torch.tensor([[1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]], dtype=torch.bool)
    expected = torch.tensor([[1 / 3, 0, 0, 0], [1 / 12] * 4, [1 / 6, 1 / 6, 0, 0]])
    weights = sequence_mean(mask)
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))
    assert weights.dtype == torch.float32


def test_an_empty_row_weighs_nothing_but_counts_as_a_row() -> None:
    weights = sequence_mean(torch.tensor([[True, True], [False, False]]))
    assert weights.tolist() == [[0.25, 0.25], [0.0, 0.0]]


def test_no_tokens_at_all() -> None:
    assert torch.equal(sequence_mean(torch.zeros(2, 3, dtype=torch.bool)), torch.zeros(2, 3))


def test_a_hole_in_a_row() -> None:
    weights = sequence_mean(torch.tensor([[True, False, True]]))
    assert weights.tolist() == [[0.5, 0.0, 0.5]]


MASK = torch.tensor([[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0]], dtype=torch.bool)


def test_every_token_counts_the_same() -> None:
    expected = torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0]]) / 7
    torch.testing.assert_close(token_mean(MASK), expected)


def test_tokens_add_up_and_rows_count_the_same() -> None:
    expected = torch.tensor([[0.25, 0, 0, 0], [0.25] * 4, [0, 0, 0, 0], [0.25, 0, 0.25, 0]])
    assert torch.equal(sequence_sum(MASK), expected)


def test_the_budget_is_every_rows_whatever_its_length() -> None:
    # 4 rows x 10 tokens
    expected = torch.tensor([[0.025, 0, 0, 0], [0.025] * 4, [0, 0, 0, 0], [0.025, 0, 0.025, 0]])
    torch.testing.assert_close(fixed_budget(MASK, max_tokens=10), expected)


@pytest.mark.parametrize(
    "function", [sequence_mean, token_mean, sequence_sum, lambda mask: fixed_budget(mask, 10)], ids=range(4)
)
def test_steps_without_tokens_or_rows_weigh_nothing(function) -> None:
    assert torch.equal(function(torch.zeros(2, 3, dtype=torch.bool)), torch.zeros(2, 3))
    assert function(torch.zeros(0, 3, dtype=torch.bool)).shape == (0, 3)
    assert function(MASK).dtype == torch.float32
