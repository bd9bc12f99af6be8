"""Rows that wait for their next turn: their keys and values, packed without padding, and the batch they go on in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from rlframework.policies.decoding.fused_step import FusedDecoder
from rlframework.policies.decoding.group_cache import GroupCache
from rlframework.policies.decoding.kv_cache import PreallocatedLayer
from rlframework.rollout import left_pad


class KeptRows:
    """Keys and values of the rows of a conversation, while they wait for their next turn.

    A row that has ended its turn is taken out of its batch by `put`. `resume` makes a batch of the rows that go on,
    with padding on the left alone, as if it had just read them; rows that do not are forgotten. Prompts that groups
    share stay where they are.

    Args:
        cache: Of all rows, as they begin: a `GroupCache`, layers of `PreallocatedLayer`, or a decoder with one of them.
        mask: ``(B, P)`` bool over the prompts, one for each row.
        pad_id: Id that fills padding.
    """

    def __init__(self, cache: Any, mask: Tensor, pad_id: int) -> None:
        self._decoder = cache if isinstance(cache, FusedDecoder) else None
        states = _states(cache)
        self._prompts = states.prompts if isinstance(states, GroupCache) else None
        self._group = states.group if isinstance(states, GroupCache) else None
        # Columns, and tokens of each row, that belong to its group and are not kept here.
        self._shared = 0 if self._prompts is None else mask.shape[1]
        self._shared_tokens = (mask.sum(1) if self._prompts is not None else torch.zeros(len(mask))).int().tolist()
        self._device = mask.device
        self._pad_id = pad_id
        # Of a row, how many tokens of its own are kept, and of each layer its keys and its values, (n, H, D).
        self._lengths: dict[int, int] = {}
        self._states: dict[int, list[Tensor]] = {}

    def put(self, cache: Any, places: Tensor, rows: Sequence[int], mask: Tensor) -> None:
        """Keep copies of some rows of a batch.

        Args:
            cache: Of the batch.
            places: ``(n,)`` int64, where the rows are in it.
            rows: Their numbers in the conversation.
            mask: ``(n, S)`` bool, true on the tokens that are kept.
        """
        own = mask[:, self._shared :]
        place, columns = own.nonzero(as_tuple=True)
        lengths = own.sum(1).tolist()
        states = [
            part.split(lengths) for layer in _states(cache).layers for part in layer.packed(places[place], columns)
        ]
        for row, length, *of_row in zip(rows, lengths, *states, strict=True):
            self._lengths[row], self._states[row] = length, of_row

    def resume(self, seen: Mapping[int, Sequence[int]], room: int) -> tuple[Tensor, Tensor, Any]:
        """Make a batch of some rows, and forget all others.

        Args:
            seen: All ids of each row, by its number in ascending order; those that are not kept are to be read.
            room: Tokens that are to come after these, at most.

        Returns:
            ``(B, L)`` ids to read, ``(B, S)`` mask and the cache: what `Policy.next_logits` takes.
        """
        unread = {row: len(ids) - self._shared_tokens[row] - self._lengths[row] for row, ids in seen.items()}
        width = max(1, *unread.values())
        # A row with less to read reads its last tokens again: padding in their place would come between its tokens.
        again = {row: min(width - count, self._lengths[row]) for row, count in unread.items()}
        lengths = [self._lengths[row] - again[row] for row in seen]
        ids, new = left_pad([ids[-unread[row] - again[row] :] for row, ids in seen.items()], self._pad_id, self._device)
        own = torch.arange(max(lengths), device=self._device) >= max(lengths) - self._tensor(lengths)[:, None]
        padded = not bool(own.all() and new.all())
        cache, of_prompt = self._batch(list(seen), lengths, own, padded, ids.shape[1] + room)
        self._states.clear()
        return ids, torch.cat([of_prompt, own, new], dim=1), cache

    def _batch(self, rows: list[int], lengths: list[int], own: Tensor, padded: bool, room: int) -> tuple[Any, Tensor]:
        """Return the cache of a batch, and the mask ``(B, P)`` of prompts that are shared in it."""

        def batched() -> Tensor:
            # Taken out of the rows one by one, so that all of it is not there twice.
            parts = [self._states[row].pop(0)[:length] for row, length in zip(rows, lengths, strict=True)]
            return _left_padded(torch.cat(parts), own)

        layers = [(batched(), batched()) for _ in range(len(self._states[rows[0]]) // 2)]
        if self._prompts is None or self._group is None:
            cache: Any = DynamicCache()
            cache.layers = [PreallocatedLayer(keys, values, room) for keys, values in layers]
            of_prompt = own[:, :0]
        else:
            present, group = self._group[self._tensor(rows)].unique_consecutive(return_inverse=True)
            prompts = self._prompts.of(present)
            cache, of_prompt = GroupCache(prompts, group, room, layers, padded), prompts.mask[group]
        return (cache if self._decoder is None else self._decoder.with_cache(cache)), of_prompt

    def _tensor(self, values: Sequence[int]) -> Tensor:
        return torch.tensor(values, device=self._device)


def _states(cache: Any) -> Any:
    return cache.cache if isinstance(cache, FusedDecoder) else cache


def _left_padded(packed: Tensor, mask: Tensor) -> Tensor:
    """Return states of tokens, ``(n, H, D)``, where the mask ``(B, O)`` is true, as ``(B, H, O, D)``."""
    states = packed.new_zeros(len(mask), packed.shape[1], mask.shape[1], packed.shape[2])
    states.transpose(1, 2)[mask] = packed
    return states
