"""A group as a tree: its prompt once, the completions as branches, all groups in one sequence without padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlframework.policies.tree_attention import PROMPT
from rlframework.rollout import Rollout


@dataclass(frozen=True)
class PrefixTree:
    """A minibatch laid out for one forward pass. The last token of a completion predicts nothing and is left out.

    Args:
        ids: ``(1, L)`` tokens: prompt, completion, completion, ..., then the next group.
        positions: ``(1, L)``; every completion counts on from its prompt.
        group: ``(L,)`` int64, which group a token belongs to.
        owner: ``(L,)`` int64, which completion of it, or that it is the prompt's.
        predictors: ``(n,)`` index in the sequence of what predicts each scored token; the last token of a prompt
            predicts the first of all its completions.
        scored: ``(B, T)`` bool, the tokens that are predicted, in the order of ``predictors``.
    """

    ids: Tensor
    positions: Tensor
    group: Tensor
    owner: Tensor
    predictors: Tensor
    scored: Tensor

    @classmethod
    def of(cls, batch: Rollout) -> PrefixTree:
        """Lay out a minibatch of whole groups."""
        size, scored = batch.group_size, batch.completion_mask
        # (N, P + G T): the prompt of each group, and the completions of its rows but for their last token.
        read = scored & torch.nn.functional.pad(scored, (0, 1))[:, 1:]
        prompts, rows = batch.prompt_mask[::size], read.reshape(-1, size * read.shape[1])
        kept = torch.cat([prompts, rows], dim=1)
        ids = torch.cat([batch.prompt_ids[::size], batch.completion_ids.reshape(rows.shape)], dim=1)
        owner = torch.arange(size, device=ids.device).repeat_interleave(read.shape[1]).expand(len(rows), -1)
        owner = torch.cat([torch.full_like(prompts, PROMPT, dtype=torch.int64), owner], dim=1)
        length = prompts.sum(1, keepdim=True)
        along = length + torch.arange(read.shape[1], device=ids.device).repeat(size)
        positions = torch.cat([prompts.long().cumsum(1) - 1, along], dim=1)
        group = torch.arange(len(rows), device=ids.device).unsqueeze(1).expand_as(kept)
        return cls(ids[kept][None], positions[kept][None], group[kept], owner[kept], _predictors(kept, batch), scored)

    @property
    def inputs(self) -> dict[str, Any]:
        """What a model's forward is called with, but for the attention."""
        # A mask of four dimensions is handed to the attention as it is; there the tree takes its place.
        mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self.ids.device)
        return {"input_ids": self.ids, "attention_mask": mask, "position_ids": self.positions, "use_cache": False}


def _predictors(kept: Tensor, batch: Rollout) -> Tensor:
    """Return the place in the sequence of what stands before each scored token, ``(n,)``."""
    size, width = batch.group_size, batch.completion_ids.shape[1]
    place = (kept.flatten().long().cumsum(0) - 1).view(kept.shape)
    fork = place[:, -size * width - 1]  # the last token of the prompt
    before = place[:, -size * width :].reshape(-1, width)
    before = torch.cat([fork.repeat_interleave(size).unsqueeze(1), before[:, :-1]], dim=1)  # (B, T)
    return before[batch.completion_mask]
