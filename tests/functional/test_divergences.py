"""The k3 estimator, by hand."""

from __future__ import annotations

import math

import torch

from rlframework.functional.divergences import k3


def test_values() -> None:
    # d = l_ref - l: exp(1) - 1 - 1 = 0.718282, exp(-1) + 1 - 1 = 0.367879, 2 - ln 2 - 1 = 0.306853
    logprobs = torch.tensor([[-1.0, -1.0, -2.0]])
    reference = torch.tensor([[0.0, -2.0, -2.0 + math.log(2.0)]])
    torch.testing.assert_close(k3(logprobs, reference), torch.tensor([[0.718282, 0.367879, 0.306853]]))


def test_never_negative_and_0_at_equality() -> None:
    generator = torch.Generator().manual_seed(0)
    exponents = torch.rand(100_000, generator=generator) * 9 - 8
    difference = torch.randn(100_000, generator=generator) * 10**exponents
    assert k3(torch.zeros_like(difference), difference).min() >= 0
    logprobs = -torch.rand(1000, generator=generator) * 20
    assert torch.equal(k3(logprobs, logprobs), torch.zeros(1000))


def test_small_differences_keep_their_digits() -> None:
    # d^2 / 2 for small d: exp(d) - d - 1 as it is written would round to 0 or 1e-7 here.
    torch.testing.assert_close(
        k3(torch.tensor([0.0]), torch.tensor([1e-3])), torch.tensor([5.0017e-7]), rtol=2e-4, atol=0
    )


def test_gradient() -> None:
    # dK / dl = 1 - exp(l_ref - l): 1 - e, 0, 1 - 1 / e
    logprobs = torch.tensor([-1.0, -1.0, -1.0], requires_grad=True)
    k3(logprobs, torch.tensor([0.0, -1.0, -2.0])).sum().backward()
    torch.testing.assert_close(logprobs.grad, torch.tensor([1 - math.e, 0.0, 1 - 1 / math.e]))


def test_its_mean_under_the_policy_is_the_divergence() -> None:
    # p = (0.5, 0.3, 0.2), q = (0.2, 0.3, 0.5): KL(p || q) = 0.5 ln 2.5 + 0.2 ln 0.4 = 0.274887
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.3, 0.5])
    torch.testing.assert_close((p * k3(p.log(), q.log())).sum(), torch.tensor(0.274887))
