"""Layout of a minibatch as a prefix tree: what all prompts begin with, each prompt, and its completions as branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from rlframework.policies.scoring.base import read_tokens
from rlframework.policies.scoring.tree_attention import PROMPT, TRUNK
from rlframework.rollout import Rollout


@dataclass(frozen=True)
class PrefixTree:
    """Prefix tree of a minibatch, laid out for one forward pass. What no scored token follows is left out.

    Args:
        ids: ``(1, L)`` tokens: the trunk if there is one, then prompt, completion, completion, ..., the next group.
        positions: ``(1, L)``; every prompt counts on from the trunk, and every completion from its prompt.
        group: ``(L,)`` int64, which group a token belongs to, or that it is the trunk's.
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
    def of(cls, batch: Rollout, trunk: int = 0) -> PrefixTree:
        """Lay out a minibatch of whole groups.

        Args:
            batch: The groups.
            trunk: How many tokens that all prompts begin with are read once for all of them; every prompt is longer.
        """
        size, read = batch.group_size, read_tokens(batch)
        # (N, P + G T): the prompt of each group, and what is read of the completions of its rows.
        prompts, rows = batch.prompt_mask[::size], read.reshape(-1, size * read.shape[1])
        along_prompt = prompts.long().cumsum(1) - 1
        kept = torch.cat([prompts & (along_prompt >= trunk), rows], dim=1)
        ids = torch.cat([batch.prompt_ids[::size], batch.completion_ids.reshape(rows.shape)], dim=1)
        owner = torch.arange(size, device=ids.device).repeat_interleave(read.shape[1]).expand(len(rows), -1)
        owner = torch.cat([torch.full_like(prompts, PROMPT, dtype=torch.int64), owner], dim=1)
        length = prompts.sum(1, keepdim=True)
        along = length + torch.arange(read.shape[1], device=ids.device).repeat(size)
        positions = torch.cat([along_prompt, along], dim=1)
        group = torch.arange(len(rows), device=ids.device).unsqueeze(1).expand_as(kept)
        first = batch.prompt_ids[0][batch.prompt_mask[0]][:trunk]
        return cls(
            ids=torch.cat([first, ids[kept]])[None],
            positions=torch.cat([torch.arange(trunk, device=ids.device), positions[kept]])[None],
            group=pad(group[kept], (trunk, 0), value=TRUNK),
            owner=pad(owner[kept], (trunk, 0), value=PROMPT),
            predictors=_predictors(kept, batch) + trunk,
            scored=batch.loss_mask,
        )

    @property
    def inputs(self) -> dict[str, Any]:
        """Arguments of the model's forward, but for the attention."""
        # A mask of four dimensions is handed to the attention as it is; there the tree takes its place.
        mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self.ids.device)
        return {"input_ids": self.ids, "attention_mask": mask, "position_ids": self.positions, "use_cache": False}


def common_prefix(ids: Tensor, mask: Tensor) -> int:
    """Return how many tokens all rows begin with alike, at least one less than the shortest has.

    Args:
        ids: ``(N, P)`` left-padded prompts.
        mask: ``(N, P)`` bool, true on their tokens.

    Example:
        >>> ids = torch.tensor([[0, 5, 6, 7], [5, 6, 8, 9]])
        >>> common_prefix(ids, ids > 0)
        2
    """
    shortest = int(mask.sum(1).min())
    if len(ids) < 2 or shortest < 2:
        return 0
    begin = mask.long().argmax(1, keepdim=True) + torch.arange(shortest - 1, device=ids.device)
    heads = ids.gather(1, begin)
    return int((heads == heads[:1]).all(0).long().cumprod(0).sum())


def _predictors(kept: Tensor, batch: Rollout) -> Tensor:
    """Return the place in the sequence of what stands before each scored token, ``(n,)``."""
    size, width = batch.group_size, batch.completion_ids.shape[1]
    place = (kept.flatten().long().cumsum(0) - 1).view(kept.shape)
    fork = place[:, -size * width - 1]  # the last token of the prompt
    before = place[:, -size * width :].reshape(-1, width)
    before = torch.cat([fork.repeat_interleave(size).unsqueeze(1), before[:, :-1]], dim=1)  # (B, T)
    return before[batch.loss_mask]
