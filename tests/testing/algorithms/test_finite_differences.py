"""Central differences agree with autograd, whatever way values leave the graph."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rlframework.testing.algorithms.finite_differences import central_differences


def under_no_grad(x: Tensor) -> Tensor:
    with torch.no_grad():
        factor = torch.zeros_like(x)
        factor += x.exp()
    return (factor * x).sum()


LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "plain": lambda x: (x.sin() * x).sum(),
    "detach": lambda x: (x.exp().detach() * x).sum(),
    "data": lambda x: (x.exp().data * x).sum(),
    "item": lambda x: x[0].exp().item() * x.sum(),
    "float": lambda x: float(x[0].exp()) * x.sum(),
    "tolist": lambda x: sum(x.exp().tolist()) * x.sum(),
    "numpy": lambda x: torch.from_numpy(x.exp().detach().numpy()).mul(x).sum(),
    "no_grad": under_no_grad,
}


@pytest.mark.filterwarnings("ignore:Converting a tensor")
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_they_agree_with_autograd(loss: Callable[[Tensor], Tensor]) -> None:
    x = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64, requires_grad=True)
    before = x.detach().clone()
    (expected,) = torch.autograd.grad(loss(x), x)
    torch.testing.assert_close(central_differences(lambda: loss(x), x, 1e-5), expected, rtol=1e-8, atol=1e-8)
    assert torch.equal(x.detach(), before)
