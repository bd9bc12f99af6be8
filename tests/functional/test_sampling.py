"""Inverse-CDF draws: the distribution, its edges, and the log-probability that comes with a token."""

from __future__ import annotations

import math

import pytest
import torch

from rlframework.functional.sampling import inverse_cdf_sample, truncated

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


def test_a_large_vocabulary_is_searched_by_blocks_to_the_same_end() -> None:
    generator = torch.Generator().manual_seed(5)
    logits = 3 * torch.randn(300, 5001, generator=generator)  # no multiple of a block
    logits[:, ::3] = -math.inf
    numbers = torch.rand(300, generator=generator, dtype=torch.float64)
    numbers[:2] = uniforms(0.0, LAST)
    tokens, logprobs = inverse_cdf_sample(logits, numbers, 0.7)
    exact = (logits.double() / 0.7).log_softmax(-1)
    cumulative = exact.exp().cumsum(-1)
    assert tokens.tolist() == torch.searchsorted(cumulative, numbers.unsqueeze(1), right=True).squeeze(1).tolist()
    torch.testing.assert_close(logprobs.double(), exact.gather(1, tokens.unsqueeze(1)).squeeze(1), atol=1e-5, rtol=0)


def test_draws_from_a_large_vocabulary_follow_softmax() -> None:
    generator = torch.Generator().manual_seed(6)
    logits = 2 * torch.randn(1, 6000, generator=generator)
    numbers = torch.rand(200_000, generator=generator, dtype=torch.float64)
    tokens = torch.cat([inverse_cdf_sample(logits.expand(len(part), -1), part)[0] for part in numbers.split(2000)])
    expected = logits[0].double().softmax(-1) * len(numbers)
    common = expected > 20
    observed = tokens.bincount(minlength=6000)[common]
    chi_square = ((observed - expected[common]) ** 2 / expected[common]).sum().item()
    freedom = int(common.sum())
    assert freedom > 500
    assert chi_square < freedom + 4 * math.sqrt(2 * freedom)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"top_k": 2}, [0.5, 0.25]),
        ({"top_p": 0.7}, [0.5, 0.25]),
        ({"top_p": 0.76}, [0.5, 0.25, 0.125]),
        ({"min_p": 0.2}, [0.5, 0.25, 0.125]),
        ({"top_k": 3, "top_p": 0.8, "min_p": 0.3}, [0.5, 0.25]),
        ({}, [0.5, 0.25, 0.125, 0.125]),
    ],
)
def test_truncation_keeps_the_likely_tokens_and_their_proportions(options: dict, left: list[float]) -> None:
    logits = torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log()
    if len(left) == 3:
        logits[0, 3] -= 1e-3 if "top_p" in options else math.log(2)
    kept = truncated(logits, **options).softmax(-1)[0]
    expected = logits.exp()[0, : len(left)]
    torch.testing.assert_close(kept[kept > 0], expected / expected.sum())
