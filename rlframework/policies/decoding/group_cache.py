"""A key-value cache that keeps the prompt of a group once, whatever the number of its rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from rlframework.policies.decoding.kv_cache import RoomyLayer


class Seats:
    """Where the rows of a batch sit: ``M`` seats in each of ``N`` groups, as many as the largest group has rows.

    Args:
        group: ``(B,)`` int64, ascending from 0 without gaps: the group of each row.
        prompt_mask: ``(N, P)`` bool, true on the prompt of each group.
    """

    def __init__(self, group: Tensor, prompt_mask: Tensor) -> None:
        self.group = group
        self.prompt_mask = prompt_mask
        counts = group.bincount()
        self._count = int(counts.max())
        self._seat = torch.arange(len(group), device=group.device) - (counts.cumsum(0) - counts)[group]
        self._full = bool((counts == self._count).all())
        # (N, 1, 1, P), or None where no prompt is padded.
        self.hidden = None if bool(prompt_mask.all()) else ~prompt_mask[:, None, None, :]

    def seated(self, rows: Tensor) -> Tensor:
        """Turn ``(B, ...)`` into ``(N, M, ...)``; empty seats hold 0."""
        if self._full:
            return rows.unflatten(0, (-1, self._count))
        seats = rows.new_zeros(len(self.prompt_mask), self._count, *rows.shape[1:])
        seats[self.group, self._seat] = rows
        return seats

    def in_rows(self, seats: Tensor) -> Tensor:
        """Turn ``(N, M, ...)`` into ``(B, ...)``."""
        return seats.flatten(0, 1) if self._full else seats[self.group, self._seat]


class PromptLayer(RoomyLayer):
    """One layer: keys and values of the prompts, ``(N, H, P, D)``, and behind them what each row has added.

    Args:
        keys: ``(N, H, P, D)`` of the prompts.
        values: ``(N, H, P, D)``.
        seats: Which rows belong to them.
        room: Tokens that can be appended.
    """

    def __init__(self, keys: Tensor, values: Tensor, seats: Seats, room: int) -> None:
        nothing = keys.new_empty(len(seats.group), keys.shape[1], 0, keys.shape[3])
        super().__init__(nothing, nothing, room)
        self._prompt = keys, values
        self._seats = seats

    @property
    def capacity(self) -> int:
        """Tokens that a row can have at most, prompt and all."""
        return self._prompt[0].shape[2] + super().capacity

    def get_seq_length(self) -> int:
        """Tokens that a row has, padding of the prompt and all."""
        return self._prompt[0].shape[2] + self._length

    def reseat(self, seats: Seats, groups: Tensor | None, rows: Tensor) -> None:
        """Keep some rows, and of the prompts those of ``groups``; None is all."""
        self.reorder_cache(rows)
        self._seats = seats
        if groups is not None:
            keys, values = self._prompt
            self._prompt = keys[groups], values[groups]

    def mix(self, query: Tensor, seen: Tensor | None, scale: float | None) -> Tensor:
        """Attend to the prompts, all rows of a group together, and to what each row has added; join the two.

        ``softmax`` over both parts is that over each, weighed by ``sum exp``.
        """
        keys, values = self._prompt
        heads, scale = keys.shape[1], query.shape[-1] ** -0.5 if scale is None else scale
        rows = query.unflatten(1, (heads, -1))  # (B, H, R, D): the R heads that share keys side by side
        seats = self._seats.seated(rows).transpose(1, 2)  # (N, H, M, R, D)
        shape = seats.shape[2:4]
        of_prompt = _weighed(seats.flatten(2, 3), keys, values, scale, self._seats.hidden)
        top, total, mixed = (self._seats.in_rows(part.unflatten(2, shape).transpose(1, 2)) for part in of_prompt)
        own_top, own_total, own_mixed = _weighed(rows, *self._shown, scale, None)
        highest = torch.maximum(top, own_top)
        weight, own_weight = (top - highest).exp_(), (own_top - highest).exp_()
        joined = (weight * mixed + own_weight * own_mixed) / (weight * total + own_weight * own_total)
        return joined.to(query.dtype).flatten(1, 2)


def _weighed(
    query: Tensor, keys: Tensor, values: Tensor, scale: float, hidden: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the highest score and the sum of exponentials, ``(..., 1)`` each, and values times those, ``(..., D)``."""
    scores = (query * scale @ keys.transpose(-1, -2)).float()
    if hidden is not None:
        scores.masked_fill_(hidden, float("-inf"))
    top = scores.amax(-1, keepdim=True)
    weights = scores.sub_(top).exp_()
    return top, weights.sum(-1, keepdim=True), (weights.to(values.dtype) @ values).float()


class GroupCache(DynamicCache):
    """The cache of ``N`` prompts branched into ``N * copies`` rows that share them.

    Args:
        cache: What reading the prompts left, of transformers' plain layers.
        mask: ``(N, P)`` bool, true on the prompts.
        copies: Rows of a group.
        room: Tokens that can be appended to a row.
    """

    def __init__(self, cache: Any, mask: Tensor, copies: int, room: int) -> None:
        super().__init__()
        self._seats = Seats(torch.arange(len(mask), device=mask.device).repeat_interleave(copies), mask)
        self.layers: Any = [PromptLayer(layer.keys, layer.values, self._seats, room) for layer in cache.layers]

    @property
    def inputs(self) -> dict[str, Any]:
        """What a model's forward is called with, so that `tree_attention` finds the prompts."""
        # A mask of four dimensions is handed to the attention as it is; there this cache takes its place.
        mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self._seats.group.device)
        return {"attention_mask": mask, "branches": self}

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows, in ascending order; a group without rows loses its prompt."""
        present, group = self._seats.group[beam_idx].unique_consecutive(return_inverse=True)
        all_there = len(present) == len(self._seats.prompt_mask)
        self._seats = Seats(group, self._seats.prompt_mask[present])
        for layer in self.layers:
            layer.reseat(self._seats, None if all_there else present, beam_idx)
