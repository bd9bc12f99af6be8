"""What an update leaves out, by hand and against torch."""

from __future__ import annotations

import math

import pytest
import torch

from rlframework.functional.masks import entropy_threshold, off_policy_mask


def test_only_bad_rows_that_have_drifted_are_left_out() -> None:
    # Drift per token, the mean of log mu - log pi: 0.5, 0.5, 0.1, and -2 of a row that became more likely.
    behaviour = torch.full((4, 2), -1.0)
    logprobs = torch.tensor([[-1.5, -1.5], [-1.5, -1.5], [-1.2, -1.0], [1.0, 1.0]])
    advantages = torch.tensor([[1.0], [-1.0], [-1.0], [-1.0]])
    gate = off_policy_mask(logprobs, behaviour, advantages, torch.ones(4, 2).bool(), threshold=0.2)
    assert gate.tolist() == [[True], [False], [True], [True]]


def test_the_threshold_itself_and_an_advantage_of_0_are_kept() -> None:
    mask = torch.ones(2, 1).bool()
    logprobs, behaviour = torch.tensor([[-1.5], [-9.0]]), torch.tensor([[-1.0], [-1.0]])
    assert off_policy_mask(logprobs, behaviour, torch.tensor([[-1.0], [0.0]]), mask, 0.5).tolist() == [[True], [True]]


def test_the_drift_is_over_masked_tokens_and_a_token_of_unknown_probability_has_none() -> None:
    # (3 + 0) / 2 over the two masked tokens: the NaN counts as a token without drift; the third does not count.
    logprobs = torch.tensor([[-4.0, -4.0, 90.0]])
    behaviour = torch.tensor([[-1.0, math.nan, -1.0]])
    mask, bad = torch.tensor([[True, True, False]]), torch.tensor([[-1.0]])
    assert off_policy_mask(logprobs, behaviour, bad, mask, 1.51).item()
    assert not off_policy_mask(logprobs, behaviour, bad, mask, 1.49).item()


def test_a_row_without_tokens_is_kept_and_no_gradient_flows() -> None:
    logprobs = torch.tensor([[-5.0]], requires_grad=True)
    gate = off_policy_mask(logprobs, torch.tensor([[0.0]]), torch.tensor([[-1.0]]), torch.tensor([[False]]), 0.1)
    assert gate.item()
    assert not gate.requires_grad


@pytest.mark.parametrize("share", [0.01, 0.2, 1 / 3, 0.5, 0.8, 0.999, 1.0])
@pytest.mark.parametrize("count", [1, 2, 5, 100, 1001])
def test_the_entropy_threshold_is_the_quantile_of_torch(share: float, count: int) -> None:
    entropies = torch.rand(count, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    expected = torch.quantile(entropies, 1.0 - share)
    torch.testing.assert_close(entropy_threshold(entropies, share), expected, atol=1e-14, rtol=0)


def test_the_threshold_lies_between_two_entropies() -> None:
    # Three quarters of the way from the first of four: place 0.75 x 3 = 2.25, so 3 + 0.25 x (7 - 3).
    assert entropy_threshold(torch.tensor([7.0, 1.0, 3.0, 2.0]), share=0.25).item() == 4.0
    assert entropy_threshold(torch.tensor([7.0, 1.0, 3.0, 2.0]), share=1.0).item() == 1.0


def test_a_threshold_between_equal_entropies_keeps_them() -> None:
    entropies = torch.full((10,), 0.1)
    assert (entropies >= entropy_threshold(entropies, share=0.35)).all()


def test_no_tokens_have_a_threshold_too() -> None:
    assert entropy_threshold(torch.zeros(0), share=0.2).item() == 0.0
