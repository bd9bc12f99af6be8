"""Attention within a tree of prompts and completions: a completion sees the trunk, its prompt and itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

TREE_ATTENTION = "rlframework_tree"
PROMPT = -1
TRUNK = -1


@dataclass(frozen=True)
class Span:
    """Span of tokens, and what they see: all of what is before them in the tree, and their own part of it up to them.

    Args:
        before: Trunk and prompt in the sequence, as far as there are any.
        own: The tokens in the sequence.
        mask: ``(C, S + C)`` bool, S of them before.
    """

    before: tuple[slice, ...]
    own: slice
    mask: Tensor
    _biases: dict[torch.dtype, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, before: Sequence[slice], own: slice, sees: Tensor) -> Span:
        """Make a span with its mask.

        Args:
            before: Trunk and prompt in the sequence, all of which is seen.
            own: The tokens in the sequence.
            sees: ``(C, C)`` bool, what they see of themselves.
        """
        seen = sum(part.stop - part.start for part in before)
        return cls(tuple(before), own, torch.nn.functional.pad(sees, (seen, 0), value=True))

    def bias(self, dtype: torch.dtype) -> Tensor:
        """Return the mask as what is added to scores, made once: else every layer would, and keep it."""
        if dtype not in self._biases:
            self._biases[dtype] = torch.zeros_like(self.mask, dtype=dtype).masked_fill_(~self.mask, float("-inf"))
        return self._biases[dtype]

    def seen(self, states: Tensor) -> Tensor:
        """Return the states before and the tokens' own, ``(1, H, S + C, D)``."""
        parts = [*self.before, self.own]
        if all(left.stop == right.start for left, right in pairwise(parts)):
            return states[:, :, parts[0].start : self.own.stop]
        return torch.cat([states[:, :, part] for part in parts], dim=2)


class TreeAttention:
    """Attention in a sequence of groups, each a prompt with its completions after it, and perhaps a trunk before all.

    It is a few calls of torch's attention for each group: the prompt's, and its completions'. All completions go into
    one call, with a dense mask, unless so much of it is hidden that a call each is faster.

    Args:
        group: ``(L,)`` int64 ascending, which group a token belongs to; `TRUNK` for what all prompts begin with.
        owner: ``(L,)`` int64, which completion of the group; `PROMPT` for the prompt's.
    """

    def __init__(self, group: Tensor, owner: Tensor) -> None:
        # In the order of the sequence; tokens that see only what is before them in their own slice need no mask.
        self._calls: list[slice | Span] = []
        trunk: tuple[slice, ...] = ()
        start = 0
        for number, size in zip(*(part.tolist() for part in group.unique_consecutive(return_counts=True)), strict=True):
            if number == TRUNK:
                trunk = (slice(0, size),)
                self._calls += trunk
            else:
                owners = owner[start : start + size]
                fork = start + int((owners == PROMPT).sum())
                prompt = slice(start, fork)
                alone = torch.ones(fork - start, fork - start, dtype=torch.bool, device=group.device).tril()
                self._calls.append(Span.of(trunk, prompt, alone) if trunk else prompt)
                self._calls += _spans((*trunk, prompt), owners[fork - start :])
            start += size

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Attend within each group and return ``(1, H, L, D)``.

        Args:
            query: ``(1, H, L, D)``.
            key: ``(1, H_kv, L, D)``.
            value: ``(1, H_kv, L, D)``.
            scale: Factor on the scores; None is that of torch.
        """
        outputs = []
        for call in self._calls:
            if isinstance(call, Span):
                states = query[:, :, call.own], call.seen(key), call.seen(value)
                outputs.append(_attend(*states, call.bias(query.dtype), scale))
            else:
                states = query[:, :, call], key[:, :, call], value[:, :, call]
                outputs.append(_attend(*states, None, scale))
        return torch.cat(outputs, dim=2)


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float | None) -> Tensor:
    """Attend with the bias, or causally without one, by a fused kernel wherever torch has one.

    For fewer heads of keys than of queries it may have none (torch 2.8 on a CPU): it would then take plain mathematics
    and keep every score for the backward pass. If the keys are repeated, it keeps none.
    """
    causal = bias is None
    repeats = query.shape[1] // key.shape[1]
    grouped = repeats > 1
    if grouped:
        kernel = torch._fused_sdp_choice(query, key, value, bias, 0.0, causal, scale=scale, enable_gqa=True)
        if kernel == int(SDPBackend.MATH):  # type: ignore[call-overload]
            key, value = (states.repeat_interleave(repeats, dim=1) for states in (key, value))
            grouped = False
    return scaled_dot_product_attention(query, key, value, bias, 0.0, causal, scale=scale, enable_gqa=grouped)


# Scores computed in vain above which a call for each completion is faster than one for all.
IN_VAIN = 2**19


def _spans(before: Sequence[slice], owners: Tensor) -> list[Span]:
    """Cut the tokens behind a prompt into calls; ``owners`` says which completion each belongs to."""
    if not len(owners):
        return []
    sizes = owners.unique_consecutive(return_counts=True)[1].tolist()
    if len(owners) ** 2 - sum(size**2 for size in sizes) < IN_VAIN:
        sizes = [len(owners)]
    spans, start = [], 0
    for size in sizes:
        part = owners[start : start + size]
        own = slice(before[-1].stop + start, before[-1].stop + start + size)
        spans.append(Span.of(before, own, (part.unsqueeze(1) == part).tril()))
        start += size
    return spans


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
        query: ``(B, H, L, D)``; B is 1 with a tree.
        key: ``(B, H_kv, L, D)``.
        value: ``(B, H_kv, L, D)``.
        attention_mask: Of no account with a tree or branches.
        dropout: Of the layer; 0 with a tree.
        scaling: Factor on the scores.
        tree: How to attend in a sequence of groups.
        branches: A `GroupCache`, where the rows of groups are decoded.
        **kwargs: For transformers' own attention.

    Returns:
        ``(B, L, H, D)``, and None in place of attention weights.
    """
    if branches is not None:
        mixed = branches.layers[module.layer_idx].mix(query, branches.seen, scaling)
        return mixed.transpose(1, 2).contiguous(), None
    if tree is None:
        options = {"dropout": dropout, "scaling": scaling, **kwargs}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return tree.attend(query, key, value, scaling).transpose(1, 2).contiguous(), None


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)
