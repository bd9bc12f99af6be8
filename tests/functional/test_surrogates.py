"""The surrogates, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from rlframework.functional.surrogates import (
    clipped_surrogate,
    gamma_weight,
    geometric_surrogate,
    ratio_of,
    soft_gated_surrogate,
    weighted_logprobs,
)

# (ratio, advantage, loss, gradient of the loss with respect to the log-ratio), with bounds 0.8 and 1.3.
# Where nothing is clipped the loss is -ratio * A and so is its gradient, since d exp(x) / dx = exp(x).
CASES = [
    ("inside, good", 1.1, 2.0, -2.2, -2.2),
    ("inside, bad", 0.9, -2.0, 1.8, 1.8),
    ("on-policy", 1.0, 3.0, -3.0, -3.0),
    ("too high and good: clipped", 1.5, 2.0, -2.6, 0.0),
    ("too high but bad: still pushed down", 1.5, -2.0, 3.0, 3.0),
    ("too low and bad: clipped", 0.5, -2.0, 1.6, 0.0),
    ("too low but good: still pulled up", 0.5, 2.0, -1.0, -1.0),
    ("no advantage", 1.7, 0.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("case", "ratio", "advantage", "loss", "gradient"), CASES, ids=[case[0] for case in CASES])
def test_values_and_gradients(case: str, ratio: float, advantage: float, loss: float, gradient: float) -> None:
    log_ratio = torch.tensor([[ratio]], dtype=torch.float64).log().requires_grad_()
    value = clipped_surrogate(log_ratio, torch.tensor([[advantage]], dtype=torch.float64), clip_low=0.2, clip_high=0.3)
    value.sum().backward()
    assert value.item() == pytest.approx(loss, abs=1e-12)
    assert log_ratio.grad.item() == pytest.approx(gradient, abs=1e-12)
    if "clipped" in case:
        assert log_ratio.grad.item() == 0.0


def test_one_advantage_serves_a_row_and_nothing_is_reduced() -> None:
    log_ratio = torch.tensor([[1.0, 2.0, 0.5], [1.0, 2.0, 0.5]]).log()
    losses = clipped_surrogate(log_ratio, torch.tensor([[1.0], [-1.0]]), 0.2, 0.2)
    torch.testing.assert_close(losses, torch.tensor([[-1.0, -1.2, -0.5], [1.0, 2.0, 0.8]]))


def test_an_advantage_for_each_token() -> None:
    losses = clipped_surrogate(torch.zeros(1, 3), torch.tensor([[1.0, -2.0, 0.5]]), 0.2, 0.2)
    assert losses.tolist() == [[-1.0, 2.0, -0.5]]


def test_one_ratio_for_a_row() -> None:
    losses = clipped_surrogate(torch.tensor([[3.0]]).log(), torch.tensor([[1.0, -2.0]]), 0.2, 0.2)
    torch.testing.assert_close(losses, torch.tensor([[-1.2, 6.0]]))


@pytest.mark.parametrize(
    "loss",
    [
        lambda log_ratio, advantages: clipped_surrogate(log_ratio, advantages, 0.2, 0.2),
        lambda log_ratio, advantages: weighted_logprobs(log_ratio - 1, log_ratio, advantages),
        lambda log_ratio, advantages: soft_gated_surrogate(log_ratio, advantages, 1.0, 1.05),
        lambda log_ratio, advantages: geometric_surrogate(log_ratio, advantages, log_ratio < 2000, 0.4, 0.4),
        lambda log_ratio, advantages: gamma_weight(log_ratio, log_ratio < 2000, *[advantages + 2] * 2) * advantages,
    ],
    ids=["clipped", "weighted", "soft_gated", "geometric", "gamma"],
)
def test_a_ratio_that_overflows_leaves_no_nan_where_the_advantage_is_0(loss) -> None:
    log_ratio = torch.tensor([[1000.0], [-1000.0]], requires_grad=True)
    value = loss(log_ratio, torch.zeros(2, 1))
    assert torch.equal(value, torch.zeros(2, 1))
    if value.requires_grad:
        value.sum().backward()
        assert torch.equal(log_ratio.grad, torch.zeros(2, 1))
    assert loss(log_ratio, torch.tensor([[-1.0], [-1.0]])).isfinite().all()
    assert ratio_of(torch.tensor(1000.0)).item() == pytest.approx(1.142007e26)  # exp(60)


def test_weighted_logprobs_have_the_gradient_of_logprobs_times_a_constant() -> None:
    # -rho A l = -2 x 3 x -1 = 6 with slope -rho A = -6, and none through the ratio.
    logprobs = torch.tensor([[-1.0, -1.0]], requires_grad=True)
    log_ratio = logprobs + torch.tensor([[1.0 + math.log(2.0), 1.0 + math.log(0.5)]])
    loss = weighted_logprobs(logprobs, log_ratio, torch.tensor([[3.0]]))
    torch.testing.assert_close(loss, torch.tensor([[6.0, 1.5]]))
    loss.sum().backward()
    torch.testing.assert_close(logprobs.grad, torch.tensor([[-6.0, -1.5]]))


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        # tau = 1: -4 s(rho - 1) A with s(0) = 1/2, s(1) = 0.731059, s(-0.5) = 0.377541
        (1.0, 3.0, -6.0, -3.0),
        (2.0, 1.0, -2.924234, -1.572896),  # slope in the log-ratio: 4 s (1 - s) rho A
        (0.5, 1.0, -1.510163, -0.470007),
        # tau = 2 for the rest: -(4 / 2) s(2 (rho - 1)) A with s(2) = 0.880797
        (2.0, -1.0, 1.761594, 0.839949),
        (1.0, -1.0, 1.0, 1.0),
    ],
)
def test_soft_gate(ratio: float, advantage: float, loss: float, gradient: float) -> None:
    log_ratio = torch.tensor([[ratio]], dtype=torch.float64).log().requires_grad_()
    value = soft_gated_surrogate(log_ratio, torch.tensor([[advantage]], dtype=torch.float64), 1.0, 2.0)
    value.sum().backward()
    assert value.item() == pytest.approx(loss, abs=1e-6)
    assert log_ratio.grad.item() == pytest.approx(gradient, abs=1e-6)


def test_geometric_mean_of_clipped_ratios() -> None:
    # Good: logs 0.1, 0.9 -> 0.4, -2 and a token off the mask: exp((0.1 + 0.4 - 2) / 3) = exp(-0.5) = 0.606531.
    # Bad: 0.1, 0.9, -2 -> -0.4: exp(0.2) = 1.221403. The gradient is 1/3 of the value, and none on clipped tokens.
    log_ratio = torch.tensor([[0.1, 0.9, -2.0, 7.0]] * 2, requires_grad=True)
    mask = torch.tensor([[True, True, True, False]] * 2)
    loss = geometric_surrogate(log_ratio, torch.tensor([[2.0], [-3.0]]), mask, 0.4, 0.4)
    torch.testing.assert_close(loss, torch.tensor([[-1.213061], [3.664208]]))
    loss.sum().backward()
    expected = torch.tensor([[-0.404354, 0.0, -0.404354, 0.0], [1.221403, 1.221403, 0.0, 0.0]])
    torch.testing.assert_close(log_ratio.grad, expected)


def test_geometric_bounds_are_two() -> None:
    log_ratio, mask = torch.tensor([[9.0], [-9.0]]), torch.ones(2, 1).bool()
    loss = geometric_surrogate(log_ratio, torch.tensor([[1.0], [-1.0]]), mask, clip_low=0.1, clip_high=0.3)
    torch.testing.assert_close(loss, torch.tensor([[-1.349859], [0.904837]]))  # exp(0.3), exp(-0.1)


def test_gamma_weight_is_a_bump_around_1() -> None:
    # k = 2, lambda = 3. w = 1: 1. w = 2 x 0.25 = 1/2: 1/4 exp(3/2) = 1.120422. w = 2 x 2 = 4: 16 exp(-9) = 0.0019746.
    log_ratio = torch.tensor([[1.0, 1.0, 9.0], [2.0, 0.25, 9.0], [2.0, 2.0, 9.0]]).log().requires_grad_()
    mask = torch.tensor([[True, True, False]] * 3)
    weight = gamma_weight(log_ratio, mask, torch.full((3, 1), 2.0), torch.full((3, 1), 3.0))
    torch.testing.assert_close(weight, torch.tensor([[1.0], [1.120422], [0.00197457]]), rtol=1e-5, atol=0)
    assert not weight.requires_grad


def test_gamma_weight_of_vanishing_and_exploding_ratios() -> None:
    # w is held above 1e-8: 1e-16 exp(3 (1 - 1e-8)) = 2.0086e-15; a huge one has weight 0, without NaN.
    mask, shape, rate = torch.ones(2, 30).bool(), torch.full((2, 1), 2.0), torch.full((2, 1), 3.0)
    weight = gamma_weight(torch.tensor([[-50.0], [50.0]]).expand(2, 30), mask, shape, rate)
    torch.testing.assert_close(weight, torch.tensor([[2.00855e-15], [0.0]]), rtol=1e-4, atol=0)
