"""Attention within a tree: every completion sees its group's prompt and itself. Group by group, or in one kernel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

TREE_ATTENTION = "rlframework_tree"
PROMPT = -1


class TreeAttention(ABC):
    """Attends in a sequence of groups, each a prompt with its completions behind it.

    Args:
        group: ``(L,)`` int64 ascending, which group a token belongs to.
        owner: ``(L,)`` int64, which completion of the group; `PROMPT` for the prompt's.
    """

    @abstractmethod
    def __init__(self, group: Tensor, owner: Tensor) -> None: ...

    @abstractmethod
    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Return ``(1, H, L, D)``; keys and values are ``(1, H_kv, L, D)``."""


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


class GroupwiseAttention(TreeAttention):
    """Two calls of torch's attention for each group, on any device: the prompt's, and all its completions' at once.

    The mask of a group is dense, ``(C, P + C)``.
    """

    def __init__(self, group: Tensor, owner: Tensor) -> None:
        self._groups = []
        start = 0
        for size in group.unique_consecutive(return_counts=True)[1].tolist():
            owners = owner[start : start + size]
            fork = start + int((owners == PROMPT).sum())
            self._groups.append(Branches(start, fork, start + size, _branch_mask(owners[fork - start :], fork - start)))
            start += size

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Attend group by group."""
        outputs = []
        options: dict[str, Any] = {"scale": scale, "enable_gqa": query.shape[1] != key.shape[1]}
        for group in self._groups:
            q, k, v = (states[:, :, group.start : group.fork] for states in (query, key, value))
            outputs.append(scaled_dot_product_attention(q, k, v, is_causal=True, **options))
            q, k, v = query[:, :, group.fork : group.end], *(s[:, :, group.start : group.end] for s in (key, value))
            outputs.append(scaled_dot_product_attention(q, k, v, attn_mask=group.bias(q.dtype), **options))
        return torch.cat(outputs, dim=2)


def _branch_mask(owners: Tensor, prompt: int) -> Tensor:
    """Return ``(C, P + C)``; ``owners`` says which completion each token belongs to."""
    size = len(owners)
    own = (owners.unsqueeze(1) == owners).tril()
    return torch.cat([torch.ones(size, prompt, dtype=torch.bool, device=owners.device), own], dim=1)


class FlexTreeAttention(TreeAttention):
    """One compiled kernel for all groups that skips what is hidden; nothing dense is kept. For CUDA.

    On a CPU it runs uncompiled and without gradients, which is what torch offers there.
    """

    def __init__(self, group: Tensor, owner: Tensor) -> None:
        self._mask = _flex_mask(group, owner)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Attend in all groups at once."""
        grouped = query.shape[1] != key.shape[1]
        attend: Any = _compiled(flex_attention) if query.is_cuda else flex_attention
        return attend(query, key, value, block_mask=self._mask, scale=scale, enable_gqa=grouped)


def _flex_mask(group: Tensor, owner: Tensor) -> BlockMask:
    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        near = (group[query] == group[key]) & (query >= key)
        return near & ((owner[key] == PROMPT) | (owner[query] == owner[key]))

    size = len(group)
    make: Any = _compiled(create_block_mask) if group.is_cuda else create_block_mask
    return make(sees, None, None, size, size, device=group.device)


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    # Every minibatch has another length.
    return torch.compile(function, dynamic=True)


def tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    tree: TreeAttention | None = None,
    branches: Any = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend within each group; without a tree or branches it is transformers' own attention.

    Args:
        module: The attention layer.
        query: ``(B, H, L, D)``; B is 1 with a tree, L is 1 with branches.
        key: ``(B, H_kv, L, D)``.
        value: ``(B, H_kv, L, D)``.
        attention_mask: Of no account with a tree or branches.
        dropout: Of the layer; 0 with a tree.
        scaling: Factor on the scores.
        tree: How to attend in a sequence of groups.
        branches: A `GroupCache`, where one token per row is decoded.
        **kwargs: For transformers' own attention.

    Returns:
        ``(B, L, H, D)``, and None in place of attention weights.
    """
    if branches is not None:
        return branches.layers[module.layer_idx].mix(query.squeeze(2), None, scaling).unsqueeze(1), None
    if tree is None:
        options = {"dropout": dropout, "scaling": scaling, **kwargs}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return tree.attend(query, key, value, scaling).transpose(1, 2).contiguous(), None


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)
