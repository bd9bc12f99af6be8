"""Tiles of logits give what all logits at once give, with slopes known beforehand or not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rlframework.functional import projection
from rlframework.functional.logprobs import token_logprobs
from rlframework.functional.projection import projected_logprobs

N, D, V = 7, 8, 11
TILES = [2**20, 3 * V, V, 1]


class Told:
    """Gives slopes beforehand."""

    def __init__(self, slopes: Tensor) -> None:
        self.told, self.asked = slopes, []

    def __call__(self, tokens: slice, logprobs: Tensor, entropy: Tensor) -> tuple[Tensor, Tensor]:
        self.asked.append(logprobs)
        return self.told[0, tokens], self.told[1, tokens]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the tokens of every tile that is read."""
    sizes: list[int] = []
    read = projection._Tiles.read
    counted = lambda self, span: (sizes.append(len(self._ids[span])), read(self, span))[1]  # noqa: E731
    monkeypatch.setattr(projection._Tiles, "read", counted)
    return sizes


def data(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden, weight, slopes = (torch.randn(*s, dtype=dtype, generator=generator) for s in ((N, D), (V, D), (2, N)))
    return hidden.requires_grad_(), weight.requires_grad_(), torch.randint(V, (N,), generator=generator), slopes


def gradients(scored: tuple[Tensor, Tensor], slopes: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    loss = sum((part * slope).sum() for part, slope in zip(scored, slopes, strict=True))
    return torch.autograd.grad(loss, leaves)


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("factor", [None, 1.0, -3.0])
def test_a_tile_at_a_time_is_exact(tile: int, factor: float | None, reads: list[int]) -> None:
    hidden, weight, ids, slopes = data()
    told = None if factor is None else Told(factor * slopes)
    options = {"entropy_gradient": True, "slopes": told, "tile": tile}
    tiled = projected_logprobs(hidden, weight, ids, 0.7, **options)
    whole = token_logprobs(hidden @ weight.T, ids, 0.7, entropy_gradient=True)
    torch.testing.assert_close(tiled, whole)
    expected = gradients(whole, slopes, hidden, weight)
    torch.testing.assert_close(gradients(tiled, slopes, hidden, weight), expected)
    assert sum(reads) == N * (2 if told is None else 1)
    assert told is None or torch.equal(torch.cat(told.asked), tiled.logprobs)


def test_wrong_slopes_cost_time_and_nothing_else(reads: list[int]) -> None:
    hidden, weight, ids, slopes = data()
    tiled = projected_logprobs(hidden, weight, ids, entropy_gradient=True, slopes=Told(slopes.flip(0)), tile=2 * V)
    whole = token_logprobs(hidden @ weight.T, ids, entropy_gradient=True)
    expected = gradients(whole, slopes, hidden, weight)
    torch.testing.assert_close(gradients(tiled, slopes, hidden, weight), expected)
    assert sum(reads) == 2 * N


def test_a_second_backward_pass_does_not_meet_what_the_first_scaled() -> None:
    hidden, weight, ids, slopes = data()
    tiled = projected_logprobs(hidden, weight, ids, slopes=Told(slopes * torch.tensor([[2.0], [0.0]])))
    loss = (tiled.logprobs * slopes[0]).sum()
    first, second = (torch.autograd.grad(loss, (hidden, weight), retain_graph=True) for _ in range(2))
    torch.testing.assert_close(first, second)


def test_only_what_learns_gets_a_gradient() -> None:
    hidden, weight, ids, slopes = data()
    whole = torch.autograd.grad((token_logprobs(hidden @ weight.T, ids).logprobs * slopes[0]).sum(), hidden)
    frozen = projected_logprobs(hidden, weight.detach(), ids, slopes=Told(slopes * torch.tensor([[1.0], [0.0]])))
    torch.testing.assert_close(torch.autograd.grad((frozen.logprobs * slopes[0]).sum(), hidden), whole)
    assert not frozen.entropy.requires_grad
    with torch.no_grad():
        assert not projected_logprobs(hidden, weight, ids, slopes=Told(slopes)).logprobs.requires_grad


@pytest.mark.parametrize("known", [False, True])
def test_autocast_multiplies_in_half_precision_and_sums_in_single(known: bool) -> None:
    hidden, weight, ids, slopes = data(torch.float32)
    slopes[1] = 0
    with torch.autocast("cpu", torch.bfloat16):
        told = Told(slopes) if known else None
        tiled = projected_logprobs(hidden, weight, ids, slopes=told, tile=2 * V)
        whole = token_logprobs(torch.nn.functional.linear(hidden, weight), ids)
    assert tiled.logprobs.dtype == torch.float32
    torch.testing.assert_close(tiled.logprobs, whole.logprobs, atol=1e-5, rtol=0)
    sides = [torch.autograd.grad((side.logprobs * slopes[0]).sum(), (hidden, weight)) for side in (tiled, whole)]
    for left, right in zip(*sides, strict=True):
        assert left.dtype == torch.float32
        assert (left - right).norm() <= 0.01 * right.norm()


def test_slopes_are_not_asked_for_in_float16() -> None:
    hidden, weight, ids, slopes = data(torch.float32)
    told = Told(slopes)
    with torch.autocast("cpu", torch.float16):
        projected_logprobs(hidden, weight, ids, slopes=told)
    assert told.asked == []


def test_one_steep_token_does_not_hide_another_that_is_wrong(reads: list[int]) -> None:
    hidden, weight, ids, slopes = data()
    slopes[0, 0] = 1e4
    told = slopes.clone()
    told[0, 1] += 0.05
    scored = projected_logprobs(hidden, weight, ids, entropy_gradient=True, slopes=Told(told))
    gradients(scored, slopes, hidden, weight)
    assert sum(reads) == 2 * N
