"""A group as a tree: its prompt once, the completions as branches, all groups in one sequence without padding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from rlframework.rollout import Rollout

TREE_ATTENTION = "rlframework_tree"


@dataclass(frozen=True)
class Branches:
    """Where a group lies in the sequence.

    Args:
        start: Its prompt's first token.
        fork: The token behind its prompt.
        end: The token behind its last completion.
        mask: ``(C, P + C)`` bool, what the completions' tokens see: the prompt, and their own completion up to them.
    """

    start: int
    fork: int
    end: int
    mask: Tensor
    _biases: dict[torch.dtype, Tensor] = field(default_factory=dict)

    def bias(self, dtype: torch.dtype) -> Tensor:
        """Return the mask as what is added to scores, made once: else every layer would, and keep it."""
        if dtype not in self._biases:
            self._biases[dtype] = torch.zeros_like(self.mask, dtype=dtype).masked_fill_(~self.mask, float("-inf"))
        return self._biases[dtype]


@dataclass(frozen=True)
class PrefixTree:
    """A minibatch laid out for one forward pass. The last token of a completion predicts nothing and is left out.

    Args:
        ids: ``(1, L)`` tokens: prompt, completion, completion, ..., then the next group.
        positions: ``(1, L)``; every completion counts on from its prompt.
        groups: One for each group.
        predictors: ``(n,)`` index in the sequence of what predicts each scored token; the last token of a prompt
            predicts the first of all its completions.
        scored: ``(B, T)`` bool, the tokens that are predicted, in the order of ``predictors``.
    """

    ids: Tensor
    positions: Tensor
    groups: list[Branches]
    predictors: Tensor
    scored: Tensor

    @classmethod
    def of(cls, batch: Rollout) -> PrefixTree:
        """Lay out a minibatch of whole groups."""
        device = batch.completion_ids.device
        prompts = batch.prompt_mask.sum(1).tolist()[:: batch.group_size]
        lengths = batch.completion_mask.sum(1).view(-1, batch.group_size).tolist()
        ids, positions, groups, predictors, start = [], [], [], [], 0
        for group, (prompt, row_lengths) in enumerate(zip(prompts, lengths, strict=True)):
            first = group * batch.group_size
            ids.append(batch.prompt_ids[first, batch.prompt_ids.shape[1] - prompt :])
            positions.append(torch.arange(prompt, device=device))
            place = fork = start + prompt
            owners = []
            for row, length in enumerate(row_lengths):
                kept = max(length - 1, 0)
                ids.append(batch.completion_ids[first + row, :kept])
                positions.append(torch.arange(prompt, prompt + kept, device=device))
                if length:
                    predictors.append(torch.tensor([fork - 1], device=device))
                    predictors.append(torch.arange(place, place + kept, device=device))
                owners.append(torch.full((kept,), row, device=device))
                place += kept
            groups.append(Branches(start, fork, place, _branch_mask(torch.cat(owners), prompt)))
            start = place
        return cls(
            torch.cat(ids).unsqueeze(0),
            torch.cat(positions).unsqueeze(0),
            groups,
            torch.cat(predictors),
            batch.completion_mask,
        )

    @property
    def inputs(self) -> dict[str, Any]:
        """What a model's forward is called with."""
        # A mask of four dimensions is handed to the attention as it is; there the tree takes its place.
        mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self.ids.device)
        options = {"attention_mask": mask, "position_ids": self.positions, "use_cache": False, "tree": self}
        return {"input_ids": self.ids, **options}


def _branch_mask(owners: Tensor, prompt: int) -> Tensor:
    """Return ``(C, P + C)``; ``owners`` says which completion each token belongs to."""
    size = len(owners)
    own = (owners.unsqueeze(1) == owners).tril()
    return torch.cat([torch.ones(size, prompt, dtype=torch.bool, device=owners.device), own], dim=1)


def tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    tree: PrefixTree | None = None,
    branches: Any = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend within each group; without a tree or branches it is transformers' own attention.

    Args:
        module: The attention layer.
        query: ``(1, H, L, D)``.
        key: ``(1, H_kv, L, D)``.
        value: ``(1, H_kv, L, D)``.
        attention_mask: Of no account with a tree.
        dropout: Of the layer; 0 with a tree.
        scaling: Factor on the scores.
        tree: What is laid out in the sequence.
        branches: A `GroupCache`, where one token per row is decoded.
        **kwargs: For transformers' own attention.

    Returns:
        ``(1, L, H, D)``, and None in place of attention weights.
    """
    if branches is not None:
        return branches.layers[module.layer_idx].mix(query.squeeze(2), None, scaling).unsqueeze(1), None
    if tree is None:
        options = {"dropout": dropout, "scaling": scaling, **kwargs}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    outputs = []
    options = {"scale": scaling, "enable_gqa": query.shape[1] != key.shape[1]}
    for group in tree.groups:
        prompt, rest, whole = (
            slice(group.start, group.fork),
            slice(group.fork, group.end),
            slice(group.start, group.end),
        )
        q, k, v = (states[:, :, prompt] for states in (query, key, value))
        outputs.append(scaled_dot_product_attention(q, k, v, is_causal=True, **options))
        q, k, v = query[:, :, rest], key[:, :, whole], value[:, :, whole]
        outputs.append(scaled_dot_product_attention(q, k, v, attn_mask=group.bias(q.dtype), **options))
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)
