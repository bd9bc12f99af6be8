"""Ratios of whole completions, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from rlframework.functional.ratios import effective_sample_share, masked_mean, masked_sum

VALUES = torch.tensor([[1.0, 3.0, 8.0], [2.0, 5.0, 5.0], [4.0, 4.0, 4.0]])
RATIOS = [(2.0, 2.0, 2.0), (1.0, 2.0, 3.0), (7.0, 0.0, 0.0)]
MASK = torch.tensor([[True, True, False], [True, False, True], [False, False, False]])


def test_sums_and_means_are_over_the_masked_tokens_of_a_row() -> None:
    assert masked_sum(VALUES, MASK).tolist() == [[4.0], [7.0], [0.0]]
    assert masked_mean(VALUES, MASK).tolist() == [[2.0], [3.5], [0.0]]


def test_nothing_off_the_mask_gets_in() -> None:
    poisoned = VALUES.masked_fill(~MASK, math.nan)
    assert masked_sum(poisoned, MASK).tolist() == [[4.0], [7.0], [0.0]]
    assert masked_mean(VALUES.masked_fill(~MASK, math.inf), MASK).tolist() == [[2.0], [3.5], [0.0]]


def test_gradients_go_to_the_masked_tokens_alone() -> None:
    values = VALUES.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(masked_mean(values, MASK).sum(), values)
    assert slopes.tolist() == [[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]


def test_the_mean_of_log_ratios_is_the_log_of_the_geometric_mean() -> None:
    # Ratios 2 and 8: geometric mean 4, product 16.
    log_ratio = torch.tensor([[2.0, 8.0]]).log()
    both = torch.tensor([[True, True]])
    torch.testing.assert_close(masked_mean(log_ratio, both).exp(), torch.tensor([[4.0]]))
    torch.testing.assert_close(masked_sum(log_ratio, both).exp(), torch.tensor([[16.0]]))


def test_the_effective_sample_size_falls_with_the_spread_of_the_ratios() -> None:
    mask = torch.tensor([[True, True, True, False]])
    shares = [effective_sample_share(torch.tensor([[*ratios, 99.0]]), mask).item() for ratios in RATIOS]
    assert shares == pytest.approx([1.0, 36 / 42, 1 / 3])
    assert effective_sample_share(torch.ones(1, 4), torch.zeros(1, 4, dtype=torch.bool)).isnan()
