"""Prefill of prompts that begin alike: their common trunk is read once, and then what follows in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from rlframework.policies.scoring.prefix_tree import common_prefix

Read = Callable[..., tuple[Tensor, Any]]


def worth_a_trunk(ids: Tensor, mask: Tensor) -> bool:
    """Return whether a pass of its own for the common tokens pays: it saves a quarter of the prompts' tokens.

    Args:
        ids: ``(N, P)`` left-padded prompts.
        mask: ``(N, P)`` bool.
    """
    return common_prefix(ids, mask) * (len(ids) - 1) > 0.25 * float(mask.sum())


def read_behind_trunk(read: Read, ids: Tensor, mask: Tensor, trunk: int) -> tuple[Tensor, Any]:
    """Read the first ``trunk`` tokens once, and the rest of each prompt behind their keys and values.

    Args:
        read: ``Policy.next_logits`` of a model whose layers keep keys and values of all tokens before.
        ids: ``(N, P)`` left-padded prompts.
        mask: ``(N, P)`` bool.
        trunk: How many tokens they have in common; every prompt is longer.

    Returns:
        What ``read(ids, mask)`` returns: ``(N, V)`` logits, and a cache of ``P`` columns, padding on the left.
    """
    first = ids[:1][mask[:1]][:trunk].unsqueeze(0)
    _, cache = read(first, torch.ones_like(first, dtype=torch.bool))
    for layer in cache.layers:
        layer.keys, layer.values = (states.expand(len(ids), -1, -1, -1) for states in (layer.keys, layer.values))
    # The columns from the trunk of the longest prompt on: of each prompt what follows, padded on the left.
    rest = (mask & (mask.long().cumsum(1) > trunk))[:, trunk - ids.shape[1] :]
    logits, cache = read(ids[:, trunk:], torch.nn.functional.pad(rest, (trunk, 0), value=True), cache)
    if not bool(rest.all()):
        _move_padding_to_the_left(cache, trunk, (~rest).sum(1))
    return logits, cache


def _move_padding_to_the_left(cache: DynamicCache, trunk: int, padding: Tensor) -> None:
    """Turn columns of trunk, padding, rest into padding, trunk, rest."""
    layers: Any = cache.layers
    columns = torch.arange(layers[0].keys.shape[2], device=padding.device).expand(len(padding), -1)
    padding = padding.unsqueeze(1)
    source = torch.where(columns < padding, columns + trunk, columns - padding)
    source = torch.where(columns < padding + trunk, source, columns)[:, None, :, None]
    for layer in layers:
        layer.keys, layer.values = (
            states.gather(2, source.expand(-1, states.shape[1], -1, states.shape[3]))
            for states in (layer.keys, layer.values)
        )
