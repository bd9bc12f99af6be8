"""Log-probabilities straight from hidden states, tile by tile: the logits of a batch are never all in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rlframework.functional.logprobs import TokenLogProbs

Slopes = Callable[[slice, Tensor, Tensor], tuple[Tensor, Tensor]]
"""From some tokens, and their ``(r,)`` log-probabilities and entropies, to the gradient of the loss by both."""


def projected_logprobs(
    hidden: Tensor,
    weight: Tensor,
    ids: Tensor,
    temperature: float = 1.0,
    *,
    entropy_gradient: bool = False,
    slopes: Slopes | None = None,
    tile: int = 2**24,
) -> TokenLogProbs:
    """Score tokens as `token_logprobs` scores ``hidden @ weight.T``, with one tile of logits in memory at a time.

    With ``z = hidden W^T / temperature`` and ``p = softmax(z)``, a loss of slopes ``g = dL/dlog pi(y)`` and
    ``h = dL/dH`` has ``dL/dz_v = g (1[v = y] - p_v) - h p_v (log p_v + H)``. The backward pass makes a tile's logits
    again and this gradient from them: four matrix products in all. Where the slopes are known beforehand, the forward
    pass makes the gradient while it has the logits: three products. The backward pass then compares the slopes that
    arrive with these, up to one common factor (a loss scaler's), and starts again if they differ: wrong ones cost time,
    no more.

    Products are of the dtype of ``hidden`` (of autocast, where that is on), reductions of at least float32. In float16
    slopes are not asked for.

    Args:
        hidden: ``(n, D)`` states that predict the tokens.
        weight: ``(V, D)`` of the head.
        ids: ``(n,)`` int64 tokens.
        temperature: Greater than 0.
        entropy_gradient: Let gradients flow through the entropy.
        slopes: The gradient of the loss by the scores of some tokens, where it is known beforehand.
        tile: Most logits at a time.

    Returns:
        ``(n,)`` log-probabilities and entropies, of at least float32.

    Example:
        >>> from rlframework.functional.logprobs import token_logprobs
        >>> hidden, weight, ids = torch.randn(5, 8), torch.randn(11, 8), torch.arange(5)
        >>> tiled = projected_logprobs(hidden, weight, ids, temperature=0.7, tile=22)
        >>> whole = token_logprobs(hidden @ weight.T, ids, temperature=0.7)
        >>> torch.allclose(tiled.logprobs, whole.logprobs, atol=1e-5)
        True
    """
    settings = _Settings(temperature, tile, slopes if torch.is_grad_enabled() else None)
    return TokenLogProbs(*_Projection.apply(hidden, weight, ids, settings, entropy_gradient))


class _Projection(torch.autograd.Function):
    """Autograd function over all tiles; their gradient is made while a tile is there, or in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, ids: Tensor, settings: _Settings, entropy_gradient: bool
    ) -> tuple[Tensor, Tensor]:
        slopes_of = settings.slopes if any(ctx.needs_input_grad[:2]) else None
        tiles = _Tiles(hidden, weight, ids, settings, ctx.needs_input_grad if slopes_of else (False, False))
        if tiles.dtype == torch.float16:
            # Half of the slopes would vanish: the loss scaler multiplies them in the backward pass only.
            slopes_of = None
        ctx.save_for_backward(hidden, weight, ids)
        ctx.settings, ctx.dtype, ctx.expected, ctx.gradients = settings, tiles.dtype, None, None
        logprobs, entropy, *slopes = torch.zeros(4, len(ids), device=ids.device, dtype=tiles.reduced)
        for span in tiles.spans():
            logprobs[span], entropy[span] = tiles.read(span)
            if slopes_of is not None:
                slopes[0][span], slopes[1][span] = slopes_of(span, logprobs[span], entropy[span])
                tiles.learn(span, slopes[0][span], slopes[1][span], entropy[span])
        if slopes_of is not None:
            ctx.expected, ctx.gradients = torch.stack(slopes), tiles.gradients
        if not entropy_gradient:
            ctx.mark_non_differentiable(entropy)
        return logprobs, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_logprobs: Tensor, of_entropy: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.expected is not None:
            factor = _common_factor(torch.stack([of_logprobs, of_entropy]), ctx.expected)
            gradients, ctx.gradients, ctx.expected = ctx.gradients, None, None
            if factor is not None:
                return *(part if part is None else part.mul_(factor) for part in gradients), None, None, None
        hidden, weight, ids = ctx.saved_tensors
        with torch.autocast(hidden.device.type, dtype=ctx.dtype, enabled=ctx.dtype != hidden.dtype):
            tiles = _Tiles(hidden, weight, ids, ctx.settings, ctx.needs_input_grad)
        for span in tiles.spans():
            _, entropy = tiles.read(span)
            tiles.learn(span, of_logprobs[span], of_entropy[span], entropy)
        return *tiles.gradients, None, None, None


def _common_factor(arrived: Tensor, expected: Tensor) -> float | None:
    """Return the number that turns the expected slopes into those that arrived, or None if there is none."""
    size = expected.square().sum()
    factor = (arrived * expected).sum() / size if size > 0 else torch.ones_like(size)
    error, size = (arrived - factor * expected).abs(), arrived.abs()
    return float(factor) if bool((error <= 1e-5 * size + 1e-7 * size.max()).all()) else None


class _Settings(NamedTuple):
    """Settings of the forward and the backward pass."""

    temperature: float
    tile: int
    slopes: Slopes | None


class _Tiles:
    """One tile of the logits at a time, and the gradients that gather from tile to tile."""

    def __init__(
        self, hidden: Tensor, weight: Tensor, ids: Tensor, settings: _Settings, learns: Sequence[bool]
    ) -> None:
        device = hidden.device.type
        self.dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        self.reduced = torch.promote_types(self.dtype, torch.float32)
        self._hidden, self._weight, self._ids = hidden.to(self.dtype), weight.to(self.dtype), ids
        self._temperature = settings.temperature
        self._rows = min(max(1, settings.tile // len(weight)), max(1, len(ids)))
        self._buffer = hidden.new_empty(self._rows, len(weight), dtype=self.dtype)
        self._tile = self._buffer
        self._of_hidden = torch.empty_like(hidden) if learns[0] else None
        self._of_weight = torch.zeros_like(weight, dtype=self.reduced) if learns[1] else None
        self._weight_dtype = weight.dtype

    def spans(self) -> list[slice]:
        """Cut the tokens into tiles."""
        return [slice(start, start + self._rows) for start in range(0, len(self._ids), self._rows)]

    @torch.no_grad()
    def read(self, span: slice) -> tuple[Tensor, Tensor]:
        """Return the tile's log-probabilities and entropies, ``(r,)`` each, and keep its probabilities."""
        states = self._hidden[span]
        with torch.autocast(states.device.type, enabled=False):
            logits = torch.mm(states, self._weight.t(), out=self._buffer[: len(states)])
        self._tile = logits.to(self.reduced)
        if self._temperature != 1:
            self._tile.div_(self._temperature)
        # A few rows at a time on a CPU: what is read five times had better stay in its cache.
        few = max(1, 2**20 // self._tile.shape[1]) if self._tile.device.type == "cpu" else len(self._tile)
        parts = zip(self._tile.split(few), self._ids[span].split(few), strict=True)
        logprobs, entropy = zip(*(_to_probabilities(rows, ids) for rows, ids in parts), strict=True)
        return torch.cat(logprobs), torch.cat(entropy)

    @torch.no_grad()
    def learn(self, span: slice, of_logprobs: Tensor, of_entropy: Tensor, entropy: Tensor) -> None:
        """Add the tile's part to the gradients; its probabilities are used up."""
        tile, states = self._tile, self._hidden[span]
        of_logprobs, of_entropy = (part.unsqueeze(1) / self._temperature for part in (of_logprobs, of_entropy))
        spread = None
        if of_entropy.any():
            spread = of_entropy * (torch.special.xlogy(tile, tile) + tile * entropy.unsqueeze(1))
        tile.mul_(-of_logprobs).scatter_add_(1, self._ids[span].unsqueeze(1), of_logprobs)
        of_logits = (tile if spread is None else tile.sub_(spread)).to(self.dtype)
        with torch.autocast(states.device.type, enabled=False):
            if self._of_hidden is not None:
                self._of_hidden[span] = of_logits @ self._weight
            if self._of_weight is not None and self.dtype == self.reduced:
                self._of_weight.addmm_(of_logits.t(), states)
            elif self._of_weight is not None:
                self._of_weight += of_logits.t() @ states

    @property
    def gradients(self) -> tuple[Tensor | None, Tensor | None]:
        """Gradients of the states and of the head, ``(n, D)`` and ``(V, D)``, or None where none are needed."""
        return self._of_hidden, None if self._of_weight is None else self._of_weight.to(self._weight_dtype)


def _to_probabilities(logits: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-probabilities and entropies; the logits become probabilities in place."""
    top = logits.amax(1, keepdim=True)
    log_normaliser = top + (logits - top).exp_().sum(1, keepdim=True).log_()
    logits -= log_normaliser
    logprobs = logits.gather(1, ids.unsqueeze(1)).squeeze(1)
    probabilities = logits.exp()
    entropy = -torch.linalg.vecdot(probabilities, logits.clamp_(min=torch.finfo(logits.dtype).min))
    logits.copy_(probabilities)
    return logprobs, entropy
