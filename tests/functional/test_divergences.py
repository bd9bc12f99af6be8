"""The estimators of the KL divergence, by hand."""

from __future__ import annotations

import math

import torch

from rlframework.functional.divergences import k1, k2, k3


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


def test_k1_and_k2_values_and_gradients() -> None:
    # d = l - l_ref = -1, 1, 0.5: k1 = d with slope 1, k2 = d^2 / 2 with slope d.
    logprobs = torch.tensor([-1.0, -1.0, -1.5], requires_grad=True)
    reference = torch.tensor([0.0, -2.0, -2.0])
    for estimator, values, slopes in (
        (k1, [-1.0, 1.0, 0.5], [1.0, 1.0, 1.0]),
        (k2, [0.5, 0.5, 0.125], [-1.0, 1.0, 0.5]),
    ):
        divergence = estimator(logprobs, reference)
        assert divergence.tolist() == values
        assert torch.autograd.grad(divergence.sum(), logprobs)[0].tolist() == slopes


def test_what_their_gradients_estimate() -> None:
    """By summing over the policy: k1's is 0, k2's that of KL(pi || ref), k3's that of KL(ref || pi) (arXiv:2506.09477).

    With p = softmax(z): d KL(p || q) / dz = p (ln p - ln q - KL), and d KL(q || p) / dz = p - q.
    """
    logits = torch.tensor([0.5, -0.2, 1.0], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    logprobs = logits.log_softmax(0)
    p = logprobs.exp().detach()
    log_ratio = (p / q).log()
    expected = {k1: torch.zeros(3).double(), k2: p * (log_ratio - (p * log_ratio).sum()), k3: p - q}
    for estimator, gradient in expected.items():
        loss = (p * estimator(logprobs, q.log())).sum()
        (found,) = torch.autograd.grad(loss, logits, retain_graph=True)
        torch.testing.assert_close(found, gradient)


def test_the_mean_of_k1_under_the_policy_is_the_divergence_too() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.3, 0.5])
    torch.testing.assert_close((p * k1(p.log(), q.log())).sum(), torch.tensor(0.274887))
    # k2 is biased: 0.5 (ln 2.5)^2 / 2 + 0.2 (ln 0.4)^2 / 2 = 0.293855
    torch.testing.assert_close((p * k2(p.log(), q.log())).sum(), torch.tensor(0.293855))
