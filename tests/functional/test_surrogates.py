"""The clipped surrogate, by hand."""

from __future__ import annotations

import pytest
import torch

from rlframework.functional.surrogates import clipped_surrogate

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
