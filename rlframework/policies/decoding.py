"""Which prefill, cache and step decode a rollout, and the proof that they decode as the model does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from rlframework.distributed import is_sharded
from rlframework.policies.graphed_decode import GraphedDecoder
from rlframework.policies.group_cache import GroupCache
from rlframework.policies.kv_cache import with_room
from rlframework.policies.lean_decode import LeanDecoder
from rlframework.policies.prefix_tree import common_prefix
from rlframework.policies.rotation import length_dependent
from rlframework.policies.self_check import coarse, exact_twin, exactly, raised, rounds, total_variation, unlike, wrong
from rlframework.policies.tree_attention import TREE_ATTENTION
from rlframework.policies.trunk_prefill import read_behind_trunk, worth_a_trunk

if TYPE_CHECKING:
    from rlframework.policies.causal_lm import CausalLMPolicy

# Prompts of so many tokens are kept once for their group: below, a copy for each row is read faster than the two parts
# of a row are joined.
LONG_PROMPT = 64


class Way(NamedTuple):
    """A combination of shortcuts.

    Args:
        trunk: Read what all prompts begin with once.
        shared: Keep each prompt once for its group.
        roomy: Copy it into a cache with room for what follows; without either, the cache is the model's own.
        lean: Take steps through `LeanDecoder`, for which the cache has to be one of the two.
    """

    trunk: bool = False
    shared: bool = False
    roomy: bool = False
    lean: bool = False

    @property
    def name(self) -> str:
        """The shortcuts that are taken, by the policy's arguments that switch them off where there are any."""
        names = {"shared_trunk=True": self.trunk, "shared_prefix=True": self.shared, "lean_decode=True": self.lean}
        return ", ".join(name for name, used in names.items() if used) or "cache with room"


class Decoding:
    """Reads prompts, branches their cache into groups, and takes decoding steps.

    Before a way is first used, it decodes a few tokens of two prompts, one row ending before the others, and is held
    against one forward pass over the whole rows. A way that differs is left, with a warning that has the figures; only
    a model whose own cache decodes otherwise than its forward pass is refused.

    Args:
        trunk: Read what all prompts begin with once, where the cache allows it.
        lean: Take steps through `LeanDecoder`, where the cache and the weights allow it.
        graphed: Record them as graphs, with a copy of the prompt for every row.
    """

    def __init__(self, trunk: bool, lean: bool, graphed: bool = False) -> None:
        self._trunk = trunk
        self._lean = lean
        self._graphed = graphed
        self._holds: dict[Way, bool] = {Way(): True}
        self._prompts: tuple[Tensor, Tensor] | None = None

    def read(self, policy: CausalLMPolicy, ids: Tensor, mask: Tensor) -> tuple[Tensor, Any]:
        """Read the prompts, ``(N, V)`` and their cache.

        Raises:
            RuntimeError: The model decodes otherwise than it scores.
        """
        self._prompts = ids, mask
        whole = policy.model.config._attn_implementation == TREE_ATTENTION and not is_sharded(policy)
        # Where the longest row of a call decides how all are rotated, a trunk read by itself is rotated otherwise.
        alike = whole and not length_dependent(policy.model.config)
        way = Way(trunk=self._trunk and alike and worth_a_trunk(ids, mask))
        return self._prefill(policy, way if self._proven(policy, way, 1) else Way(), ids, mask)

    def branch(self, policy: CausalLMPolicy, cache: Any, mask: Tensor, copies: int, room: int) -> Any:
        """Return a cache of ``N * copies`` rows, group by group, that share their prompt if it is long.

        Raises:
            RuntimeError: The model decodes otherwise than it scores.
        """
        plain = isinstance(cache, DynamicCache) and all(type(layer) is DynamicLayer for layer in cache.layers)
        long = copies > 1 and mask.shape[1] >= LONG_PROMPT and not self._graphed
        shared = plain and long and policy.model.config._attn_implementation == TREE_ATTENTION
        lean = plain and self._lean and not is_sharded(policy) and LeanDecoder.fits(policy.model)
        copied = Way(roomy=plain, lean=lean), Way(roomy=plain), Way()
        wanted = (Way(shared=True, lean=lean), Way(shared=True), *copied) if shared else copied
        way = next(way for way in wanted if self._proven(policy, way, copies))
        return self._branched(policy, way, cache, mask, copies, room)

    def next_logits(self, policy: CausalLMPolicy, ids: Tensor, mask: Tensor, cache: Any) -> tuple[Tensor, Any]:
        """Decode one token per row, ``(B, V)``, in the way that the cache was branched for."""
        decoder = getattr(cache, "decoder", None)
        if decoder is None:
            return policy.plain_next_logits(ids, mask, cache)
        return decoder.step(ids[:, 0], mask, cache), cache

    def _prefill(self, policy: CausalLMPolicy, way: Way, ids: Tensor, mask: Tensor) -> tuple[Tensor, Any]:
        if not way.trunk:
            return policy.next_logits(ids, mask)
        return read_behind_trunk(policy.next_logits, ids, mask, common_prefix(ids, mask))

    def _branched(self, policy: CausalLMPolicy, way: Way, cache: Any, mask: Tensor, copies: int, room: int) -> Any:
        if way.shared:
            cache = GroupCache(cache, mask, copies, room)
        else:
            rows = torch.arange(len(mask), device=mask.device).repeat_interleave(copies)
            cache = with_room(cache, rows, room) if way.roomy else policy.select_rows(cache, rows, room)
        if way.lean:
            # The joined weights live as long as the cache does: no longer than the rollout that they belong to.
            decoder = LeanDecoder(policy.model, cache.layers[0].capacity)
            cache.decoder = GraphedDecoder(decoder) if self._graphed else decoder
        return cache

    def _proven(self, policy: CausalLMPolicy, way: Way, copies: int) -> bool:
        """Whether a way decodes as the model scores, found out once."""
        if way not in self._holds:
            if self._prompts is None:
                return False  # A cache that was not read here.
            found = self._fault(policy, way, *_two_prompts(*self._prompts), min(copies, 2))
            self._holds[way] = found is None
            if found is not None:
                rank_zero_warn(
                    f"Left {way.name}: {found}. What is slower is right, and is used instead. Please report the "
                    "architecture."
                )
        return self._holds[way]

    @torch.no_grad()
    def _fault(self, policy: CausalLMPolicy, way: Way, ids: Tensor, mask: Tensor, copies: int) -> str | None:
        """Return how a way differs from the model's own forward pass; None if it does not.

        Raises:
            RuntimeError: So does the model's own cache, or the logits are NaN.
        """
        forced = self._sampled(policy, ids, mask, copies)
        with exact_twin(policy) as exact:
            if exact is None:
                own = self._replay(policy, Way(), ids, mask, copies, forced)
                try:
                    fast = self._replay(policy, way, ids, mask, copies, forced)
                except Exception as error:
                    return raised(error)
                return unlike("distributions", float(total_variation(own, fast).mean()))
            twin, _ = exact
            with exactly(policy):
                truth = _whole(twin, ids, mask, copies, forced)
                try:
                    fast = self._replay(twin, way, ids, mask, copies, forced)
                    found = wrong("distributions", float(total_variation(truth, fast).max()))
                except Exception as error:  # An architecture that nobody has tried may do anything.
                    found = raised(error)
                if found is not None:
                    own = self._replay(twin, Way(), ids, mask, copies, forced)
                    _refuse_another_cache(policy, float(total_variation(truth, own).max()))
            if found is not None or not rounds(policy):
                return found
            own_error, fast_error = (
                float(total_variation(truth, self._replay(policy, some, ids, mask, copies, forced)).mean())
                for some in (Way(), way)
            )
            return coarse("distributions", own_error, fast_error)

    def _replay(
        self, policy: CausalLMPolicy, way: Way, ids: Tensor, mask: Tensor, copies: int, forced: Tensor
    ) -> Tensor:
        """Decode tokens that are given, ``(B, T)``, one row ending halfway; return logits, ``(n, V)``."""
        logits, cache = self._prefill(policy, way, ids, mask)
        cache = self._branched(policy, way, cache, mask, copies, room=forced.shape[1])
        steps, mask = [logits.repeat_interleave(copies, 0)], mask.repeat_interleave(copies, 0)
        for position in range(forced.shape[1]):
            if position == _HALFWAY:
                kept = _staying(len(forced), forced.device)
                cache = policy.select_rows(cache, kept, forced.shape[1])
                mask, forced = mask[kept], forced[kept]
            mask = torch.nn.functional.pad(mask, (0, 1), value=True)
            step, cache = self.next_logits(policy, forced[:, position : position + 1], mask, cache)
            # A recorded step writes into the same buffer again.
            steps.append(step.clone())
        return torch.cat(steps)

    def _sampled(self, policy: CausalLMPolicy, ids: Tensor, mask: Tensor, copies: int) -> Tensor:
        """Return tokens that the model samples in its own way, ``(B, T)``; no random stream of the run is touched."""
        generator = torch.Generator(ids.device).manual_seed(0)
        logits, cache = policy.plain_next_logits(ids, mask)
        rows = torch.arange(len(ids), device=ids.device).repeat_interleave(copies)
        cache, mask, logits = policy.select_rows(cache, rows, _STEPS), mask[rows], logits[rows]
        tokens = []
        for _ in range(_STEPS):
            probabilities = logits.float().softmax(-1).nan_to_num(0.0) + 1e-9
            tokens.append(torch.multinomial(probabilities, 1, generator=generator))
            mask = torch.nn.functional.pad(mask, (0, 1), value=True)
            logits, cache = policy.plain_next_logits(tokens[-1], mask, cache)
        return torch.cat(tokens, dim=1)


# Tokens that a proof decodes, and when a row leaves.
_STEPS, _HALFWAY = 6, 3
# What a proof reads of a prompt: as much of its beginning, and of its end.
_PROOF_PROMPT = 48


def _refuse_another_cache(policy: CausalLMPolicy, gap: float) -> None:
    """Refuse a model whose own cache decodes otherwise than its forward pass scores."""
    if refused := wrong("distributions", gap):
        raise RuntimeError(
            f"{type(policy.model).__name__} decodes with its cache otherwise than its forward pass scores the same "
            f"tokens, or its logits are NaN: {refused}. Nothing sampled from it is what would be learned from; check "
            "the weights, or sample by scoring whole rows (a subclass of GroupSampler)"
        )


def _staying(rows: int, device: torch.device) -> Tensor:
    """Return the rows that go on when one has ended: the second, so that others move up."""
    return torch.tensor([row for row in range(rows) if row != 1 or rows < 2], device=device)


def _two_prompts(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the longest and the shortest prompt, ``(2, P')``, without the middle of long ones; one if there is one."""
    sizes = mask.sum(1)
    rows = sizes.argsort(stable=True)[[-1, 0]][: len(ids)]
    place, size = mask[rows].long().cumsum(1), sizes[rows].unsqueeze(1)
    kept = mask[rows] & ((place <= _PROOF_PROMPT) | (place > size - _PROOF_PROMPT))
    # What is kept, moved to the right.
    order = kept.long().argsort(dim=1, stable=True)[:, -int(kept.sum(1).max()) :]
    return ids[rows].gather(1, order), kept.gather(1, order)


def _whole(policy: CausalLMPolicy, ids: Tensor, mask: Tensor, copies: int, forced: Tensor) -> Tensor:
    """Return the logits that one forward pass over whole rows gives where `Decoding._replay` gives some, ``(n, V)``."""
    rows = torch.arange(len(ids), device=ids.device).repeat_interleave(copies)
    logits = policy.padded_logits(
        torch.cat([ids[rows], forced], dim=1),
        torch.nn.functional.pad(mask[rows], (0, forced.shape[1]), value=True),
        forced.shape[1] + 1,
    )
    staying = _staying(len(forced), forced.device)
    steps = [logits[:, position] for position in range(_HALFWAY + 1)]
    return torch.cat([*steps, *(logits[staying, position] for position in range(_HALFWAY + 1, logits.shape[1]))])
