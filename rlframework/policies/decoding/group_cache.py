"""A key-value cache that keeps the prompt of a group once, however many rows it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from rlframework.policies.decoding.kv_cache import PreallocatedLayer

# Scores of the prompts that are held at a time, while several tokens are read together.
_SCORES_AT_A_TIME = 2**25


class Prompts(NamedTuple):
    """Keys and values of prompts, each kept once for its group.

    Args:
        states: Of each layer the keys and the values, ``(N, H, P, D)``.
        mask: ``(N, P)`` bool, true on the prompts.
    """

    states: list[tuple[Tensor, Tensor]]
    mask: Tensor

    def of(self, groups: Tensor) -> Prompts:
        """Return the prompts of some groups, ``(N',)`` int64 in ascending order."""
        if len(groups) == len(self.mask):
            return self
        return Prompts([(keys[groups], values[groups]) for keys, values in self.states], self.mask[groups])


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
        # (B, 1, 1, P), or None where no prompt is padded.
        self.hidden = None if bool(prompt_mask.all()) else ~prompt_mask[group][:, None, None, :]

    def product(self, rows: Tensor, prompts: Tensor) -> Tensor:
        """Multiply each row by its prompt, the rows of a group in one product, ``(B, H, Q, E)``.

        Args:
            rows: ``(B, H, Q, D)``.
            prompts: ``(N, H, D, E)``.
        """
        queries = rows.shape[2]
        groups = self._by_group(rows).transpose(1, 2).flatten(2, 3)  # (N, H, M Q, D)
        return self._by_row((groups @ prompts).unflatten(2, (-1, queries)).transpose(1, 2))

    def _by_group(self, rows: Tensor) -> Tensor:
        """Turn ``(B, ...)`` into ``(N, M, ...)``; empty places hold 0."""
        if self._full:
            return rows.unflatten(0, (-1, self._count))
        groups = rows.new_zeros(len(self.prompt_mask), self._count, *rows.shape[1:])
        groups[self.group, self._place] = rows
        return groups

    def _by_row(self, groups: Tensor) -> Tensor:
        """Turn ``(N, M, ...)`` into ``(B, ...)``."""
        return groups.flatten(0, 1) if self._full else groups[self.group, self._place]


class PromptLayer(PreallocatedLayer):
    """Cache layer with keys and values of the prompts, ``(N, H, P, D)``, and after them what each row has added.

    Args:
        prompts: Keys and values of the prompts, ``(N, H, P, D)`` each.
        rows: Which rows belong to them.
        own: Keys and values of what the rows have added so far, ``(B, H, O, D)`` each.
        padded: Whether some of that is padding, or of what is appended first.
        room: Tokens that can be appended.

    Attributes:
        prompt: Keys and values of the prompts that the rows have now.
    """

    def __init__(
        self, prompts: tuple[Tensor, Tensor], rows: GroupRows, own: Sequence[Tensor], padded: bool, room: int
    ) -> None:
        keys, values = own
        super().__init__(keys, values, room)
        self.prompt = prompts
        self._rows = rows
        self._padded = padded

    @property
    def capacity(self) -> int:
        """Tokens that a row can have at most, prompt and all."""
        return self.prompt[0].shape[2] + super().capacity

    def get_seq_length(self) -> int:
        """Tokens that a row has, padding of the prompt and all."""
        return self.prompt[0].shape[2] + self._length

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
            keys, values = self.prompt
            self.prompt = keys[groups], values[groups]

    def mix(self, query: Tensor, seen: Tensor | None, scale: float | None) -> Tensor:
        """Attend from the newest tokens to the prompts and to what each row has added, ``(B, H_q, L, D)``.

        Args:
            query: ``(B, H_q, L, D)``.
            seen: ``(B, 1, L, S)`` bool over everything; of no account for one token where the rows' part is not padded.
            scale: Factor on the scores.
        """
        tokens = query.shape[2]
        hidden = None
        if seen is not None and (self._padded or tokens > 1):
            hidden = ~seen[..., self.prompt[0].shape[2] :]
        at_once = max(1, _SCORES_AT_A_TIME // (query[:, :, 0, 0].numel() * self.prompt[0].shape[2]))
        if hidden is None or tokens <= at_once:
            return self._mix(query, hidden, scale)
        parts = zip(query.split(at_once, dim=2), hidden.split(at_once, dim=2), strict=True)
        return torch.cat([self._mix(*part, scale) for part in parts], dim=2)

    def _mix(self, query: Tensor, hidden: Tensor | None, scale: float | None) -> Tensor:
        """Attend to both parts under one ``softmax``, the prompt's scores side by side with those of a row's own."""
        keys, values = self.prompt
        own_keys, own_values = self._shown
        tokens, prompt = query.shape[2], keys.shape[2]
        # (B, H, R L, D): the R heads that share keys side by side, with all their tokens.
        rows = query.unflatten(1, (keys.shape[1], -1)).flatten(2, 3)
        rows = rows * (query.shape[-1] ** -0.5 if scale is None else scale)
        of_prompt = self._rows.product(rows, keys.transpose(-1, -2))
        own = rows @ own_keys.transpose(-1, -2)
        if self._rows.hidden is not None:
            of_prompt.masked_fill_(self._rows.hidden, float("-inf"))
        if hidden is not None:
            own.unflatten(2, (-1, tokens)).masked_fill_(hidden.unsqueeze(1), float("-inf"))
        scores = torch.cat([of_prompt, own], dim=-1)
        weights = scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(values.dtype)
        mixed = self._rows.product(weights[..., :prompt], values) + weights[..., prompt:] @ own_values
        return mixed.unflatten(2, (-1, tokens)).flatten(1, 2)


class GroupCache(DynamicCache):
    """Key-value cache of ``N`` prompts and ``B`` rows that share them.

    Args:
        prompts: Of the groups.
        group: ``(B,)`` int64, ascending from 0 without gaps: the group of each row.
        own: Of each layer the keys and values of what the rows have added so far, ``(B, H, O, D)``; None is nothing.
        padded: Whether there is padding in that, or among the first tokens that are appended.
        room: Tokens that can be appended to a row.

    Attributes:
        seen: ``(B, 1, L, S)`` bool, what the tokens of the present call see; None is everything.
    """

    def __init__(
        self,
        prompts: Prompts,
        group: Tensor,
        room: int,
        own: Sequence[Sequence[Tensor]] | None = None,
        padded: bool = False,
    ) -> None:
        super().__init__()
        self._rows = GroupRows(group, prompts.mask)
        if own is None:
            own = [[states[:1, :, :0].expand(len(group), -1, -1, -1) for states in part] for part in prompts.states]
        self.layers: Any = [
            PromptLayer(states, self._rows, of_rows, padded, room)
            for states, of_rows in zip(prompts.states, own, strict=True)
        ]
        self.seen: Tensor | None = None

    @property
    def group(self) -> Tensor:
        """The group of each row, ``(B,)`` int64."""
        return self._rows.group

    @property
    def prompts(self) -> Prompts:
        """The prompts of the groups that have rows."""
        return Prompts([layer.prompt for layer in self.layers], self._rows.prompt_mask)

    def inputs(self, mask: Tensor, tokens: int) -> dict[str, Any]:
        """Return arguments of the model's forward by which `tree_attention` finds the prompts.

        Args:
            mask: ``(B, S)`` bool over everything seen and the new tokens, false on padding.
            tokens: How many are new.
        """
        # A token sees itself also where it is padding: nothing that it could see would not be a number.
        place = torch.arange(mask.shape[1], device=mask.device)
        newest = place[-tokens:, None]
        self.seen = ((place <= newest) & mask[:, None] | (place == newest))[:, None]
        # A mask of four dimensions is handed to the attention as it is; there this cache takes its place.
        handed = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=mask.device)
        return {"attention_mask": handed, "branches": self}

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows, in ascending order; a group without rows loses its prompt."""
        present, group = self._rows.group[beam_idx].unique_consecutive(return_inverse=True)
        all_there = len(present) == len(self._rows.prompt_mask)
        self._rows = GroupRows(group, self._rows.prompt_mask[present])
        for layer in self.layers:
            layer.regroup(self._rows, beam_idx, None if all_there else present)
