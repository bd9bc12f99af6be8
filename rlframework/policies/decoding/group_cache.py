"""A key-value cache that keeps the prompt of a group once, however many rows it has."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from rlframework.policies.decoding.kv_cache import PreallocatedLayer


class GroupRows:
    """Rows of a batch by their groups: ``N`` groups of ``M`` places, as many as the largest group has rows.

    Args:
        group: ``(B,)`` int64, ascending from 0 without gaps: the group of each row.
        prompt_mask: ``(N, P)`` bool, true on the prompt of each group.
    """

    def __init__(self, group: Tensor, prompt_mask: Tensor) -> None:
        self.group = group
        self.prompt_mask = prompt_mask
        counts = group.bincount()
        self._count = int(counts.max())
        self._place = torch.arange(len(group), device=group.device) - (counts.cumsum(0) - counts)[group]
        self._full = bool((counts == self._count).all())
        # (N, 1, 1, P), or None where no prompt is padded.
        self.hidden = None if bool(prompt_mask.all()) else ~prompt_mask[:, None, None, :]

    def by_group(self, rows: Tensor) -> Tensor:
        """Turn ``(B, ...)`` into ``(N, M, ...)``; empty places hold 0."""
        if self._full:
            return rows.unflatten(0, (-1, self._count))
        groups = rows.new_zeros(len(self.prompt_mask), self._count, *rows.shape[1:])
        groups[self.group, self._place] = rows
        return groups

    def by_row(self, groups: Tensor) -> Tensor:
        """Turn ``(N, M, ...)`` into ``(B, ...)``."""
        return groups.flatten(0, 1) if self._full else groups[self.group, self._place]


class PromptLayer(PreallocatedLayer):
    """Cache layer with keys and values of the prompts, ``(N, H, P, D)``, and after them what each row has added.

    Args:
        keys: ``(N, H, P, D)`` of the prompts.
        values: ``(N, H, P, D)``.
        rows: Which rows belong to them.
        room: Tokens that can be appended.
    """

    def __init__(self, keys: Tensor, values: Tensor, rows: GroupRows, room: int) -> None:
        nothing = keys.new_empty(len(rows.group), keys.shape[1], 0, keys.shape[3])
        super().__init__(nothing, nothing, room)
        self._prompt = keys, values
        self._rows = rows

    @property
    def capacity(self) -> int:
        """Tokens that a row can have at most, prompt and all."""
        return self._prompt[0].shape[2] + super().capacity

    def get_seq_length(self) -> int:
        """Tokens that a row has, padding of the prompt and all."""
        return self._prompt[0].shape[2] + self._length

    def regroup(self, rows: GroupRows, kept: Tensor, groups: Tensor | None) -> None:
        """Keep some rows, and the prompts of some groups.

        Args:
            rows: The rows that are kept, by their groups.
            kept: ``(B',)`` int64, where they were.
            groups: ``(N',)`` int64, which groups they are of; None is all.
        """
        self.reorder_cache(kept)
        self._rows = rows
        if groups is not None:
            keys, values = self._prompt
            self._prompt = keys[groups], values[groups]

    def mix(self, query: Tensor, seen: Tensor | None, scale: float | None) -> Tensor:
        """Attend to the prompts, all rows of a group together, and to what each row has added, ``(B, H_q, D)``.

        ``softmax`` over both parts is that over each, weighed by ``sum exp``.
        """
        keys, values = self._prompt
        heads, scale = keys.shape[1], query.shape[-1] ** -0.5 if scale is None else scale
        rows = query.unflatten(1, (heads, -1))  # (B, H, R, D): the R heads that share keys side by side
        groups = self._rows.by_group(rows).transpose(1, 2)  # (N, H, M, R, D)
        shape = groups.shape[2:4]
        of_prompt = _weighed(groups.flatten(2, 3), keys, values, scale, self._rows.hidden)
        top, total, mixed = (self._rows.by_row(part.unflatten(2, shape).transpose(1, 2)) for part in of_prompt)
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
    """Key-value cache of ``N`` prompts branched into ``N * copies`` rows that share them.

    Args:
        cache: What reading the prompts left, of transformers' plain layers.
        mask: ``(N, P)`` bool, true on the prompts.
        copies: Rows of a group.
        room: Tokens that can be appended to a row.
    """

    def __init__(self, cache: Any, mask: Tensor, copies: int, room: int) -> None:
        super().__init__()
        self._rows = GroupRows(torch.arange(len(mask), device=mask.device).repeat_interleave(copies), mask)
        self.layers: Any = [PromptLayer(layer.keys, layer.values, self._rows, room) for layer in cache.layers]

    @property
    def inputs(self) -> dict[str, Any]:
        """Arguments of the model's forward by which `tree_attention` finds the prompts."""
        # A mask of four dimensions is handed to the attention as it is; there this cache takes its place.
        mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self._rows.group.device)
        return {"attention_mask": mask, "branches": self}

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows, in ascending order; a group without rows loses its prompt."""
        present, group = self._rows.group[beam_idx].unique_consecutive(return_inverse=True)
        all_there = len(present) == len(self._rows.prompt_mask)
        self._rows = GroupRows(group, self._rows.prompt_mask[present])
        for layer in self.layers:
            layer.regroup(self._rows, beam_idx, None if all_there else present)
