"""Inverse-CDF draws: the distribution, its edges, and the log-probability that comes with a token."""

from __future__ import annotations

import math

import pytest
import torch

from rlframework.functional.sampling import inverse_cdf_sample

LAST = 1 - 2**-53  # the greatest float64 below 1


def uniforms(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_token_whose_cumulative_probability_is_the_first_to_exceed_the_number() -> None:
    # Probabilities (1/4, 1/2, 1/4) have their steps at 0.25 and 0.75.
    logits = torch.tensor([0.25, 0.5, 0.25]).log().expand(6, 3)
    tokens, logprobs = inverse_cdf_sample(logits, uniforms(0.0, 0.2499, 0.2501, 0.7499, 0.7501, LAST))
    assert tokens.tolist() == [0, 0, 1, 1, 2, 2]
    assert tokens.dtype == torch.int64
    torch.testing.assert_close(logprobs.exp(), torch.tensor([0.25, 0.25, 0.5, 0.5, 0.25, 0.25]))


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_draws_follow_softmax(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(12, generator=generator)
    draws = 200_000
    numbers = torch.rand(draws, generator=generator, dtype=torch.float64)
    tokens, _ = inverse_cdf_sample(logits.expand(draws, -1), numbers, temperature)
    expected = (logits.double() / temperature).softmax(-1) * draws
    chi_square = ((tokens.bincount(minlength=12) - expected) ** 2 / expected).sum().item()
    assert chi_square < 31.26  # the 0.999 quantile with 11 degrees of freedom


@pytest.mark.parametrize("impossible", [[0, 1], [5, 6, 7], [0, 3, 7]])
def test_a_token_of_probability_0_is_never_drawn(impossible: list[int]) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(1000, 8, generator=generator)
    logits[:, impossible] = -math.inf
    for number in (0.0, 0.5, LAST):
        tokens, logprobs = inverse_cdf_sample(logits, uniforms(number).expand(1000))
        assert not torch.isin(tokens, torch.tensor(impossible)).any()
        assert logprobs.isfinite().all()


def test_the_ends_of_a_huge_vocabulary_are_within_reach() -> None:
    size = 150_000
    tokens, logprobs = inverse_cdf_sample(torch.zeros(3, size), uniforms(0.0, LAST, 1 - 1.5 / size))
    assert tokens.tolist() == [0, size - 1, size - 2]
    torch.testing.assert_close(logprobs, torch.full((3,), -math.log(size)))


def test_rare_tokens_behind_a_sure_one_are_within_reach() -> None:
    # 149,999 tokens of 1e-9 each behind one token: a float32 running sum would stay at 1 and never reach the last.
    logits = torch.full((1, 150_000), math.log(1e-9))
    logits[0, 0] = 0.0
    tokens, logprobs = inverse_cdf_sample(logits, uniforms(LAST))
    assert tokens.item() == 149_999
    assert logprobs.item() == pytest.approx(math.log(1e-9 / (1 + 149_999e-9)), abs=1e-4)


def test_logprob_is_under_the_tempered_distribution() -> None:
    logits = torch.randn(64, 30, generator=torch.Generator().manual_seed(4))
    numbers = torch.rand(64, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    tokens, logprobs = inverse_cdf_sample(logits, numbers, temperature=0.7)
    expected = (logits / 0.7).log_softmax(-1)[torch.arange(64), tokens]
    torch.testing.assert_close(logprobs, expected)
    assert logprobs.dtype == torch.float32


def test_temperature_0_takes_the_most_likely_token_for_sure() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    tokens, logprobs = inverse_cdf_sample(logits, uniforms(0.99, 0.99), temperature=0)
    assert tokens.tolist() == [1, 0]
    assert logprobs.tolist() == [0.0, 0.0]


def test_a_row_does_not_depend_on_the_others() -> None:
    logits = torch.randn(20, 40, generator=torch.Generator().manual_seed(6))
    numbers = torch.rand(20, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    together, _ = inverse_cdf_sample(logits, numbers)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(8))
    assert torch.equal(inverse_cdf_sample(logits[order], numbers[order])[0], together[order])
    assert torch.equal(inverse_cdf_sample(logits[3:4], numbers[3:4])[0], together[3:4])


def test_half_precision_logits_are_normalised_in_float32() -> None:
    logits = torch.zeros(1, 1000, dtype=torch.bfloat16)
    _, logprobs = inverse_cdf_sample(logits, uniforms(0.5))
    assert logprobs.item() == pytest.approx(-math.log(1000), abs=1e-5)
