"""The lean decoding step with shapes and addresses that stay, so that a GPU can replay it as one graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from rlframework.policies.decoding.fused_step import LeanDecoder
from rlframework.policies.decoding.kv_cache import RoomyLayer

# A graph attends to a multiple of this many tokens; behind the last one it is masked.
SPAN = 256


class GraphedDecoder:
    """Takes the steps of a `LeanDecoder` from one recorded graph for each batch and each span of the cache.

    Launching a model's kernels one by one takes longer than running them while a batch is small; a graph is one launch.
    Whenever rows leave the batch, or the cache outgrows the span, another graph is recorded, which takes about as long
    as three steps. On a CPU the same static step runs without a graph.

    Args:
        decoder: What is recorded.
    """

    def __init__(self, decoder: LeanDecoder) -> None:
        self._decoder = decoder
        self._step: _StaticStep | None = None

    def step(self, tokens: Tensor, mask: Tensor, cache: Any) -> Tensor:
        """Read one token per row and return ``(B, V)`` logits for the next, valid until the next step.

        Args:
            tokens: ``(B,)``.
            mask: ``(B, S)`` bool over everything seen and the token itself.
            cache: Of `RoomyLayer`.
        """
        if self._step is None or not self._step.serves(mask.shape[1], cache):
            self._step = _StaticStep(self._decoder, len(tokens), mask.shape[1], cache)
        logits = self._step(tokens, mask)
        for layer in cache.layers:
            layer.advance()
        return logits


class _StaticStep:
    """One step over buffers that are filled anew each time."""

    def __init__(self, decoder: LeanDecoder, rows: int, length: int, cache: Any) -> None:
        self._decoder = decoder
        first = cache.layers[0]
        self._span = min(-(-length // SPAN) * SPAN, first.capacity)
        device = first.buffers[0].device
        self._first_buffers = first.buffers
        self._tokens = torch.zeros(rows, dtype=torch.int64, device=device)
        self._positions = torch.zeros(rows, dtype=torch.int64, device=device)
        self._column = torch.zeros(1, dtype=torch.int64, device=device)
        self._seen = torch.zeros(rows, 1, 1, self._span, dtype=torch.bool, device=device)
        self._layers = [_StaticLayer(layer, self._column, self._span) for layer in cache.layers]
        self._logits = torch.empty(0)
        self._replay: Callable[[], None] | None = None

    def serves(self, length: int, cache: Any) -> bool:
        """Whether the rows are those that it was made for, and the cache still fits."""
        return cache.layers[0].buffers is self._first_buffers and length <= self._span

    def __call__(self, tokens: Tensor, mask: Tensor) -> Tensor:
        self._tokens.copy_(tokens)
        self._positions.copy_(mask.sum(1) - 1)
        self._column.fill_(mask.shape[1] - 1)
        self._seen[..., : mask.shape[1]] = mask[:, None, None, :]
        if self._replay is None:
            self._replay = self._recorded() if tokens.is_cuda else self._run
        self._replay()
        return self._logits

    def _run(self) -> None:
        self._logits = self._decoder.forward(self._tokens, self._positions, self._seen, self._layers)

    def _recorded(self) -> Callable[[], None]:
        """Record a graph. The steps that warm up write what the graph will write, so they may run as often."""
        half = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else None
        # A graph must not read the copies of weights that autocast keeps for as long as its context lasts.
        with torch.autocast("cuda", dtype=half, enabled=half is not None, cache_enabled=False):
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self._run()
                self._run()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._run()
        return graph.replay


class _StaticLayer:
    """A layer of the cache that is written at a column known to the device alone, and read up to the span."""

    def __init__(self, layer: RoomyLayer, column: Tensor, span: int) -> None:
        self._keys, self._values = layer.buffers
        self._column = column
        self._span = span

    def attend(self, query: Tensor, key: Tensor, value: Tensor, seen: Tensor, scale: float) -> Tensor:
        """Write a token of every row and attend from it, ``(B, H_q, D)``."""
        self._keys.index_copy_(2, self._column, key.unsqueeze(2))
        self._values.index_copy_(2, self._column, value.unsqueeze(2))
        keys, values = self._keys[:, :, : self._span], self._values[:, :, : self._span]
        grouped = query.shape[1] != keys.shape[1]
        mixed = scaled_dot_product_attention(query.unsqueeze(2), keys, values, seen, scale=scale, enable_gqa=grouped)
        return mixed.squeeze(2)
