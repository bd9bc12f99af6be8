"""Decoding without padding: every prompt is read by itself, and the rows of its group are a batch of their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rlframework.policies.forward import ModelForward


class GroupState:
    """Rows of one prompt, all of one length.

    Args:
        policy: Decodes.
        ids: ``(n, L)``, what the rows have so far.
        cached: Whether to go on from the model's cache; otherwise each step reads whole rows again.
    """

    def __init__(self, policy: ModelForward, ids: Tensor, cached: bool) -> None:
        self._policy = policy
        self._cached = cached
        self._cache: Any = None
        self.ids = ids

    def next_logits(self, new: Tensor) -> Tensor:
        """Return the logits of what follows, ``(n, V)``; ``new``, ``(n, l)``, is what the last call has not seen."""
        if not self._cached:
            return self._policy.single_logits(self.ids, 1)[:, -1]
        logits, self._cache = self._policy.single_next_logits(new, self._cache)
        return logits

    def append(self, new: Tensor) -> Tensor:
        """Append a token to every row, ``(n, 1)``, and return ``(n, V)`` logits for the next."""
        self.ids = torch.cat([self.ids, new], dim=1)
        return self.next_logits(new)

    def select(self, rows: Tensor) -> None:
        """Keep some rows; a row may come several times."""
        self.ids = self.ids[rows]
        if self._cached:
            self._cache = self._policy.select_rows(self._cache, rows, room=0)


class RowsApart:
    """Rows decoded without padding: the state of rows whose prompts are of unequal length.

    It takes as many calls of the model as there are prompts: for models that look at padding, or that have no cache.

    Args:
        groups: The rows of each prompt, in their order.
    """

    def __init__(self, groups: list[GroupState]) -> None:
        self._groups = groups

    @classmethod
    def read(cls, policy: ModelForward, ids: Tensor, mask: Tensor, cached: bool) -> tuple[Tensor, RowsApart]:
        """Read left-padded prompts one by one; return ``(N, V)`` logits and the rows.

        Args:
            policy: The policy that decodes.
            ids: ``(N, P)``.
            mask: ``(N, P)`` bool, false on padding.
            cached: Whether to go on from the model's cache; otherwise each step reads whole rows again.
        """
        groups = [GroupState(policy, row[real].unsqueeze(0), cached) for row, real in zip(ids, mask, strict=True)]
        return torch.cat([group.next_logits(group.ids) for group in groups]), cls(groups)

    def append(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Append a token to every row and return ``(B, V)`` logits for the next.

        Args:
            ids: ``(B, 1)``.
            mask: ``(B, S)`` bool; of no account here, where nothing is padded.
        """
        parts = ids.split([len(group.ids) for group in self._groups])
        return torch.cat([group.append(part) for group, part in zip(self._groups, parts, strict=True)])

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows, in ascending order; a row may come several times, and a prompt without rows goes."""
        sizes = torch.tensor([len(group.ids) for group in self._groups], device=beam_idx.device)
        ends = sizes.cumsum(0)
        place = torch.searchsorted(ends, beam_idx, right=True)
        rows = [(beam_idx - ends[at] + sizes[at])[place == at] for at in range(len(self._groups))]
        self._groups = [group for group, chosen in zip(self._groups, rows, strict=True) if len(chosen)]
        for group, chosen in zip(self._groups, (chosen for chosen in rows if len(chosen)), strict=True):
            group.select(chosen)
