"""Log-probabilities and entropies, by hand and against torch."""

from __future__ import annotations

import math

import pytest
import torch

from rlframework.functional.logprobs import token_logprobs


def test_values() -> None:
    # Logits (0, ln 3) are the probabilities (1/4, 3/4): entropy ln 4 - 3/4 ln 3 = 0.562335.
    logits = torch.tensor([[[0.0, math.log(3.0)], [0.0, math.log(3.0)]]])
    scored = token_logprobs(logits, torch.tensor([[0, 1]]))
    torch.testing.assert_close(scored.logprobs, torch.tensor([[math.log(0.25), math.log(0.75)]]))
    torch.testing.assert_close(scored.entropy, torch.tensor([[0.562335, 0.562335]]))


def test_temperature_divides_the_logits() -> None:
    # At temperature 0.5 the same logits are (0, ln 9): probabilities (1/10, 9/10), entropy 0.325083.
    scored = token_logprobs(torch.tensor([[[0.0, math.log(3.0)]]]), torch.tensor([[1]]), temperature=0.5)
    torch.testing.assert_close(scored.logprobs, torch.tensor([[math.log(0.9)]]))
    torch.testing.assert_close(scored.entropy, torch.tensor([[0.325083]]))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
def test_equals_torch(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 50, generator=generator)
    ids = torch.randint(50, (3, 4), generator=generator)
    scored = token_logprobs(logits, ids, temperature)
    everything = (logits / temperature).log_softmax(-1)
    torch.testing.assert_close(scored.logprobs, everything.gather(-1, ids[..., None])[..., 0])
    torch.testing.assert_close(scored.entropy, torch.distributions.Categorical(logits=everything).entropy())


def test_gradient_is_that_of_log_softmax_and_entropy_has_none() -> None:
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(1)).requires_grad_()
    ids = torch.tensor([[0, 6, 2], [3, 3, 1]])
    scored = token_logprobs(logits, ids, temperature=0.7)
    assert not scored.entropy.requires_grad
    (ours,) = torch.autograd.grad(scored.logprobs.square().sum(), logits)
    theirs = (logits / 0.7).log_softmax(-1).gather(-1, ids[..., None])
    (expected,) = torch.autograd.grad(theirs.square().sum(), logits)
    torch.testing.assert_close(ours, expected)


def test_half_precision_logits_are_reduced_in_float32() -> None:
    # bfloat16 has 8 bits: reduced in it, the logsumexp of 50,000 logits would be off by about 0.03.
    logits = torch.randn(1, 2, 50_000, generator=torch.Generator().manual_seed(2)).bfloat16()
    ids = torch.tensor([[17, 49_999]])
    scored = token_logprobs(logits, ids)
    assert scored.logprobs.dtype == scored.entropy.dtype == torch.float32
    exact = logits.double().log_softmax(-1)
    torch.testing.assert_close(scored.logprobs.double(), exact.gather(-1, ids[..., None])[..., 0], atol=2e-6, rtol=0)
    torch.testing.assert_close(scored.entropy.double(), -(exact.exp() * exact).sum(-1), atol=1e-5, rtol=0)


def test_float64_stays_float64() -> None:
    scored = token_logprobs(torch.zeros(1, 1, 4, dtype=torch.float64), torch.tensor([[2]]))
    assert scored.logprobs.dtype == torch.float64
    assert scored.logprobs.item() == pytest.approx(-math.log(4), abs=1e-15)


def test_huge_logits_do_not_overflow() -> None:
    scored = token_logprobs(torch.tensor([[[1e4, 0.0, -1e4]]]), torch.tensor([[1]]))
    assert scored.logprobs.item() == -1e4
    assert scored.entropy.item() == 0.0


def test_entropy_of_a_peaked_distribution_is_not_negative() -> None:
    logits = 50 + 30 * torch.randn(64, 200, 5, generator=torch.Generator().manual_seed(0))
    entropy = token_logprobs(logits, torch.zeros(64, 200, dtype=torch.int64)).entropy
    exact = torch.special.entr(logits.double().softmax(-1)).sum(-1)
    assert entropy.min() >= 0
    torch.testing.assert_close(entropy.double(), exact, atol=1e-5, rtol=0)


def test_entropy_with_a_forbidden_token_is_finite() -> None:
    scored = token_logprobs(torch.tensor([[[0.0, 0.0, -math.inf]]]), torch.tensor([[0]]))
    assert scored.entropy.item() == pytest.approx(math.log(2))


def test_the_entropy_gradient_is_that_of_finite_differences() -> None:
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64).requires_grad_()
    ids = torch.zeros(2, 3, dtype=torch.int64)

    def entropies(logits: torch.Tensor) -> torch.Tensor:
        return token_logprobs(logits, ids, temperature=0.7, entropy_gradient=True).entropy

    assert torch.autograd.gradcheck(entropies, logits)
    # dH / dz_v = -p_v (ln p_v + H) / tau: with (1/4, 3/4), -1/4 (ln 1/4 + 0.562335) = 0.205990.
    pair = torch.tensor([[[0.0, math.log(3.0)]]], requires_grad=True)
    token_logprobs(pair, torch.tensor([[0]]), entropy_gradient=True).entropy.sum().backward()
    torch.testing.assert_close(pair.grad, torch.tensor([[[0.205990, -0.205990]]]))


def test_asking_for_the_gradient_changes_no_value() -> None:
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(4)).requires_grad_()
    ids = torch.ones(2, 3, dtype=torch.int64)
    plain, asked = token_logprobs(logits, ids), token_logprobs(logits, ids, entropy_gradient=True)
    assert torch.equal(plain.entropy, asked.entropy)
    assert torch.equal(plain.logprobs, asked.logprobs)
    with torch.no_grad():
        assert not token_logprobs(logits, ids, entropy_gradient=True).entropy.requires_grad


def test_the_entropy_gradient_with_a_forbidden_token_is_finite() -> None:
    logits = torch.tensor([[[0.0, math.log(3.0), -math.inf]]], requires_grad=True)
    token_logprobs(logits, torch.tensor([[0]]), entropy_gradient=True).entropy.sum().backward()
    torch.testing.assert_close(logits.grad, torch.tensor([[[0.205990, -0.205990, 0.0]]]))
