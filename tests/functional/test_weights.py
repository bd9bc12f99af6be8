"""Token weights of small masks, by hand."""

from __future__ import annotations

import torch

from rlframework.functional.weights import sequence_mean


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
