"""Preallocated key-value cache: a decoding step writes one column instead of copying all of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers.cache_utils import DynamicCache, DynamicLayer


class PreallocatedLayer(DynamicLayer):
    """Cache layer with keys and values in buffers that are longer than what is in them.

    Args:
        keys: ``(B, H, L, D)`` to start with.
        values: ``(B, H, L, D)``.
        room: Tokens that can be appended.

    Attributes:
        buffers: Keys and values, ``(B, H, L + room, D)``; others when the rows change.
    """

    def __init__(self, keys: Tensor, values: Tensor, room: int) -> None:
        super().__init__()
        super().update(keys[:, :, :0], values[:, :, :0])  # which sets the layer up, in transformers 4 and 5
        self._length = keys.shape[-2]
        self.buffers = [torch.nn.functional.pad(states, (0, 0, 0, room)) for states in (keys, values)]
        self._show()

    @property
    def capacity(self) -> int:
        """Tokens that the buffers hold at most."""
        return self.buffers[0].shape[2]

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write after what is there; return all keys and values, ``(B, H, L', D)`` each.

        Args:
            key_states: ``(B, H, l, D)`` of new tokens.
            value_states: ``(B, H, l, D)``.
            *args: Of other layers.
            **kwargs: Of other layers.
        """
        end = self._length + key_states.shape[-2]
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, self._length : end] = states
        self._length = end
        return self._show()

    def attend(self, query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, scale: float) -> Tensor:
        """Append a token to every row and attend from it, ``(B, H_q, D)``.

        Args:
            query: ``(B, H_q, D)``.
            key: ``(B, H, D)``.
            value: ``(B, H, D)``.
            seen: ``(B, 1, 1, S)`` bool over everything, or None where nothing is padded.
            scale: Factor on the scores.
        """
        self.update(key.unsqueeze(2), value.unsqueeze(2))
        return self.mix(query.unsqueeze(2), seen, scale).squeeze(2)

    def mix(self, query: Tensor, seen: Tensor | None, scale: float | None) -> Tensor:
        """Attend from the newest token to everything that is there, ``(B, H_q, 1, D)``.

        Args:
            query: ``(B, H_q, 1, D)``.
            seen: ``(B, 1, 1, S)`` bool over everything, or None where nothing is padded.
            scale: Factor on the scores.
        """
        keys, values = self._shown
        # The heads that share keys as so many queries of one head: a sixth of the time in bfloat16 on a CPU.
        rows = query.squeeze(2).unflatten(1, (keys.shape[1], -1))
        return scaled_dot_product_attention(rows, keys, values, seen, scale=scale).flatten(1, 2).unsqueeze(2)

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows, in this order."""
        self.buffers = [self._rows_of(buffer, beam_idx) for buffer in self.buffers]
        self._show()

    def _rows_of(self, buffer: Tensor, rows: Tensor) -> Tensor:
        kept = buffer.new_empty(len(rows), *buffer.shape[1:])
        # Room that nothing is in yet is not copied.
        torch.index_select(buffer[:, :, : self._length], 0, rows, out=kept[:, :, : self._length])
        return kept

    def packed(self, rows: Tensor, columns: Tensor) -> list[Tensor]:
        """Return copies of keys and values, ``(n, H, D)`` each.

        Args:
            rows: ``(n,)`` int64.
            columns: ``(n,)`` int64, of what was given or appended to the rows.
        """
        return [buffer.transpose(1, 2)[rows, columns] for buffer in self.buffers]

    def _show(self) -> tuple[Tensor, Tensor]:
        keys, values = (buffer[:, :, : self._length] for buffer in self.buffers)
        self.keys, self.values = keys, values
        self._shown = keys, values
        return self._shown


def preallocated(cache: DynamicCache, rows: Tensor, room: int) -> DynamicCache:
    """Keep the given rows of a cache of plain layers, in buffers that have room for more tokens.

    Args:
        cache: As the model returned it, of transformers' plain layers.
        rows: ``(B',)`` int64, in the order wanted; a row may come several times.
        room: Tokens to come, at most.
    """
    layers: Any = cache.layers
    cache.layers = [PreallocatedLayer(layer.keys[rows], layer.values[rows], room) for layer in layers]
    return cache
