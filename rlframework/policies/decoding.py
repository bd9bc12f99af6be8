"""Which cache and which step decode a rollout, and the proof that they decode as the model does."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from rlframework.distributed import is_sharded
from rlframework.policies.graphed_decode import GraphedDecoder
from rlframework.policies.group_cache import GroupCache
from rlframework.policies.kv_cache import RoomyLayer, select_rows
from rlframework.policies.lean_decode import LeanDecoder
from rlframework.policies.tree_attention import TREE_ATTENTION

if TYPE_CHECKING:
    from rlframework.policies.causal_lm import CausalLMPolicy

# Prompts of so many tokens are kept once for their group: below, a copy for each row is read faster than the two parts
# of a row are joined.
LONG_PROMPT = 128


class Decoding:
    """Branches the cache of a prompt into its group, and takes decoding steps.

    The first step of each kind is also taken through the model's own forward, with a copy of the prompt for every row,
    and the run stops if the two differ.

    Args:
        lean: Take steps through `LeanDecoder` where the cache and the weights allow it.
        graphed: Record them as graphs, with a copy of the prompt for every row.
    """

    def __init__(self, lean: bool, graphed: bool = False) -> None:
        self._lean = lean
        self._graphed = graphed
        self._proven: set[tuple[bool, bool]] = set()

    def branch(self, policy: CausalLMPolicy, cache: Any, mask: Tensor, copies: int, room: int) -> Any:
        """Return a cache of ``N * copies`` rows, group by group, that share their prompt if it is long."""
        rows = torch.arange(len(mask), device=mask.device).repeat_interleave(copies)
        if copies == 1 or mask.shape[1] < LONG_PROMPT or self._graphed or not _can_share(policy, cache):
            return select_rows(cache, rows, room)
        shared = GroupCache(cache, mask, copies, room)
        if (self._steps_lean(policy, shared), True) not in self._proven:
            shared.twin = select_rows(cache, rows, room)
        return shared

    def next_logits(self, policy: CausalLMPolicy, ids: Tensor, mask: Tensor, cache: Any) -> tuple[Tensor, Any]:
        """Decode one token per row, ``(B, V)``.

        Raises:
            RuntimeError: The first step of its kind differs from the model's own.
        """
        lean, shared = self._steps_lean(policy, cache), isinstance(cache, GroupCache)
        if not lean and not shared:
            return policy.plain_next_logits(ids, mask, cache)
        expected = None
        if (lean, shared) not in self._proven:
            expected, _ = policy.plain_next_logits(ids, mask, cache.twin if shared else copy.deepcopy(cache))
            if shared:
                cache.twin = None
        if lean:
            if not hasattr(cache, "lean_decoder"):
                # The joined weights live as long as the cache does: no longer than the rollout that they belong to.
                decoder = LeanDecoder(policy.model, cache.layers[0].capacity)
                cache.lean_decoder = GraphedDecoder(decoder) if self._graphed else decoder
            logits = cache.lean_decoder.step(ids[:, 0], mask, cache)
        else:
            logits, _ = policy.plain_next_logits(ids, mask, cache)
        if expected is not None:
            _compare(logits, expected, "lean_decode" if lean else "shared_prefix")
            self._proven.add((lean, shared))
        return logits, cache

    def _steps_lean(self, policy: CausalLMPolicy, cache: Any) -> bool:
        """Whether the cache is one with room, and the weights are all here, not sharded."""
        if hasattr(cache, "lean_decoder"):
            return True
        roomy = isinstance(cache, DynamicCache) and all(isinstance(layer, RoomyLayer) for layer in cache.layers)
        return self._lean and roomy and not is_sharded(policy)


def _can_share(policy: CausalLMPolicy, cache: Any) -> bool:
    plain = isinstance(cache, DynamicCache) and all(type(layer) is DynamicLayer for layer in cache.layers)
    return plain and policy.model.config._attn_implementation == TREE_ATTENTION


def _compare(logits: Tensor, expected: Tensor, switch: str) -> None:
    error = (logits.float().log_softmax(-1) - expected.float().log_softmax(-1)).abs().max()
    tolerance = 0.3 if logits.element_size() == 2 else 1e-3
    if not error <= tolerance:
        raise RuntimeError(
            f"the fast decoding step differs from the model's own by {float(error):.2g} in log-probability (tolerance "
            f"{tolerance}); pass {switch}=False to CausalLMPolicy, and please report the architecture"
        )
