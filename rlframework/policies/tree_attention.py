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
class Span:
    """Some tokens behind a prompt, and what they see: the prompt, and their own completion up to them.

    Args:
        prompt: The prompt in the sequence.
        own: The tokens in the sequence.
        mask: ``(C, P + C)`` bool.
    """

    prompt: slice
    own: slice
    mask: Tensor
    _biases: dict[torch.dtype, Tensor] = field(default_factory=dict)

    def bias(self, dtype: torch.dtype) -> Tensor:
        """Return the mask as what is added to scores, made once: else every layer would, and keep it."""
        if dtype not in self._biases:
            self._biases[dtype] = torch.zeros_like(self.mask, dtype=dtype).masked_fill_(~self.mask, float("-inf"))
        return self._biases[dtype]

    def seen(self, states: Tensor) -> Tensor:
        """Return the prompt's states and the tokens' own, ``(1, H, P + C, D)``."""
        if self.prompt.stop == self.own.start:
            return states[:, :, self.prompt.start : self.own.stop]
        return torch.cat([states[:, :, self.prompt], states[:, :, self.own]], dim=2)


class GroupwiseAttention(TreeAttention):
    """A few calls of torch's attention for each group, on any device: the prompt's, and its completions'.

    All completions go into one call, with a dense mask, unless so much of it is hidden that a call each is faster.
    """

    def __init__(self, group: Tensor, owner: Tensor) -> None:
        self._groups: list[tuple[slice, list[Span]]] = []
        start = 0
        for size in group.unique_consecutive(return_counts=True)[1].tolist():
            owners = owner[start : start + size]
            fork = start + int((owners == PROMPT).sum())
            prompt = slice(start, fork)
            self._groups.append((prompt, _spans(prompt, owners[fork - start :])))
            start += size

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Attend group by group."""
        outputs = []
        options: dict[str, Any] = {"scale": scale, "enable_gqa": query.shape[1] != key.shape[1]}
        for prompt, spans in self._groups:
            q, k, v = (states[:, :, prompt] for states in (query, key, value))
            outputs.append(scaled_dot_product_attention(q, k, v, is_causal=True, **options))
            for span in spans:
                q, bias = query[:, :, span.own], span.bias(query.dtype)
                outputs.append(
                    scaled_dot_product_attention(q, span.seen(key), span.seen(value), attn_mask=bias, **options)
                )
        return torch.cat(outputs, dim=2)


# Scores computed in vain above which a call for each completion is faster than one for all.
IN_VAIN = 2**19


def _spans(prompt: slice, owners: Tensor) -> list[Span]:
    """Cut the tokens behind a prompt into calls; ``owners`` says which completion each belongs to."""
    if not len(owners):
        return []
    sizes = owners.unique_consecutive(return_counts=True)[1].tolist()
    if len(owners) ** 2 - sum(size**2 for size in sizes) < IN_VAIN:
        sizes = [len(owners)]
    spans, start = [], prompt.stop
    for size in sizes:
        part = owners[start - prompt.stop : start - prompt.stop + size]
        own = (part.unsqueeze(1) == part).tril()
        before = torch.ones(size, prompt.stop - prompt.start, dtype=torch.bool, device=owners.device)
        spans.append(Span(prompt, slice(start, start + size), torch.cat([before, own], dim=1)))
        start += size
    return spans


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
