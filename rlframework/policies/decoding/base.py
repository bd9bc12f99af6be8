"""Decoding of a rollout: the choice of prefill, cache and step, each checked against the model's own forward."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_debug, rank_zero_warn
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from rlframework.policies.decoding.fused_step import FusedDecoder
from rlframework.policies.decoding.group_cache import GroupCache, Prompts
from rlframework.policies.decoding.kept_rows import KeptRows
from rlframework.policies.decoding.kv_cache import PreallocatedLayer, preallocated
from rlframework.policies.decoding.rows_apart import RowsApart
from rlframework.policies.decoding.trunk_prefill import read_behind_trunk, worth_a_trunk
from rlframework.policies.forward import ModelForward
from rlframework.policies.rope import length_dependent
from rlframework.policies.scoring.prefix_tree import common_prefix
from rlframework.policies.scoring.tree_attention import TREE_ATTENTION
from rlframework.policies.self_check import coarse, exact_twin, exactly, raised, rounds, total_variation, unlike, wrong
from rlframework.utilities.distributed import any_rank, is_sharded

# Prompts of so many tokens are kept once for their group: below, a copy for each row is read faster than the two parts
# of a row are joined.
LONG_PROMPT = 64


class Way(NamedTuple):
    """Way of decoding: a combination of shortcuts.

    Args:
        trunk: Read what all prompts begin with once.
        shared: Keep each prompt once for its group.
        preallocated: Copy it into buffers that hold what follows, too; without either, the cache is the model's own.
        fused: Take steps through `FusedDecoder`, for which the cache has to be one of the two.
        padded: Read and decode all prompts as one batch; without it each by itself (`RowsApart`).
        cached: Go on from the model's cache; without it every step reads whole rows again.
        turns: Keep the cache of rows that wait for their next turn (`KeptRows`).
    """

    trunk: bool = False
    shared: bool = False
    preallocated: bool = False
    fused: bool = False
    padded: bool = True
    cached: bool = True
    turns: bool = False

    @property
    def name(self) -> str:
        """The shortcuts that are taken, by the policy's arguments that switch them off where there are any."""
        names = {
            "shared_trunk=True": self.trunk,
            "shared_prefix=True": self.shared,
            "fused_decode=True": self.fused,
        }
        own = "the model's own cache" + (" of padded rows (padded=True)" if self.padded else "")
        own = "a preallocated cache" if self.preallocated else own
        name = ", ".join(name for name, used in names.items() if used) or own
        return f"the cache across turns, with {name}" if self.turns else name


# Each row read again at every step, by itself: by definition what the model says of a text.
_SLOWEST = Way(padded=False, cached=False)


class _Proof:
    """Text that the checks after a reading decode, the same for all ways, and what the model says of whole rows of it.

    Args:
        ids: ``(N, P)``, the prompts that were read, left-padded.
        mask: ``(N, P)`` bool, false on padding.

    Attributes:
        ids: ``(2, P')`` of two prompts.
        mask: ``(2, P')`` bool.
        forced: ``(4, T)`` tokens behind them, two rows of each; None before the first check.
    """

    def __init__(self, ids: Tensor, mask: Tensor) -> None:
        self.ids, self.mask = _two_prompts(ids, mask)
        self.forced: Tensor | None = None
        self._logits: dict[str, Tensor] = {}

    def logits(self, whose: str, policy: ModelForward, forced: Tensor) -> Tensor:
        """Return the logits of a forward pass over each whole row, ``(4, T + 1, V)``, found out once.

        Args:
            whose: The policy's "own", or those of its twin in "float32".
            policy: The policy, or its twin.
            forced: ``(4, T)``, what the rows end with.

        Raises:
            RuntimeError: They are NaN.
        """
        if whose not in self._logits:
            rows = [ids[real] for ids, real in zip(self.ids, self.mask, strict=True) for _ in range(2)]
            logits = torch.cat(
                [
                    policy.single_logits(torch.cat([row, tokens]).unsqueeze(0), len(tokens) + 1)
                    for row, tokens in zip(rows, forced, strict=True)
                ]
            )
            self._logits[whose] = _no_nan(logits)
        return self._logits[whose]

    @property
    def known(self) -> bool:
        """Whether logits have been found out."""
        return bool(self._logits)

    def forget(self) -> None:
        """Have the logits found out again."""
        self._logits.clear()


class Decoding:
    """Reads prompts, branches their cache into groups, and takes decoding steps.

    Before a way is first used, it decodes a few tokens of two prompts, one row ending before the others, and is held
    against a forward pass over each whole row. A way that differs is left, with a warning that has the figures. The
    last one has neither padding nor a cache, and serves every model.

    Args:
        trunk: Read what all prompts begin with once, where the cache allows it.
        fused: Take steps through `FusedDecoder`, where the cache and the weights allow it.
        padded: Read prompts of unequal length as one batch.
    """

    def __init__(self, trunk: bool, fused: bool, padded: bool = True) -> None:
        self._trunk = trunk
        self._fused = fused
        self._padded = padded
        self._holds: dict[Way, bool] = {}
        self._proof: _Proof | None = None

    def read(self, policy: ModelForward, ids: Tensor, mask: Tensor) -> tuple[Tensor, Any]:
        """Read the prompts; return ``(N, V)`` logits and their cache.

        Args:
            policy: The policy that decodes.
            ids: ``(N, P)``, left-padded.
            mask: ``(N, P)`` bool, false on padding.

        Raises:
            RuntimeError: The model's logits are NaN.
        """
        self._proof = _Proof(ids, mask)
        whole = policy.model.config._attn_implementation == TREE_ATTENTION and not is_sharded(policy)
        # Where the longest row of a call decides how all are rotated, a trunk read by itself is rotated otherwise.
        alike = whole and not length_dependent(policy.model.config)
        trunk = self._padded and self._trunk and alike and worth_a_trunk(ids, mask)
        wanted = [Way(trunk=True)] if trunk else []
        wanted += [Way()] if self._padded and policy.keeps_cache else []
        wanted += [Way(padded=False)] if policy.keeps_cache else []
        way = next((way for way in wanted if self._verified(policy, way, 1)), _SLOWEST)
        if way == _SLOWEST:
            self._refuse_what_is_not_causal(policy)
        if not way.padded and is_sharded(policy):
            raise RuntimeError(
                f"{type(policy.model).__name__} shows its padding, or has no cache, so that prompts are read one by "
                "one; ranks that share sharded weights would wait for each other. Use a strategy that shards none"
            )
        return self._prefill(policy, way, ids, mask)

    def branch(self, policy: ModelForward, cache: Any, mask: Tensor, copies: int, room: int) -> Any:
        """Return a cache of ``N * copies`` rows, group by group, that share their prompt if it is long.

        Args:
            policy: The policy that decodes.
            cache: Of the prompts, from `read`.
            mask: ``(N, P)`` bool, that of the prompts.
            copies: Rows of a group.
            room: Tokens that are still to come for each row, at most.

        Raises:
            RuntimeError: The model's logits are NaN.
        """
        if isinstance(cache, RowsApart):
            return self._branched(policy, _SLOWEST, cache, mask, copies, room)
        plain = isinstance(cache, DynamicCache) and all(type(layer) is DynamicLayer for layer in cache.layers)
        # Ranks that share the weights go the same way, since they prove it together.
        long = copies > 1 and any_rank(mask.shape[1] >= LONG_PROMPT, policy)
        # Latent attention keeps other things than the keys and values that attention meets.
        alike = plain and all(layer.keys.shape == layer.values.shape for layer in cache.layers)
        shared = alike and long and policy.model.config._attn_implementation == TREE_ATTENTION
        fused = plain and self._fused and not is_sharded(policy) and FusedDecoder.fits(policy.model)
        copied = (Way(preallocated=plain, fused=fused), Way(preallocated=plain), Way())
        wanted = (Way(shared=True, fused=fused), Way(shared=True), *copied) if shared else copied
        way = next((way for way in wanted if self._verified(policy, way, copies)), Way())
        return self._branched(policy, way, cache, mask, copies, room)

    def keep_rows(self, policy: ModelForward, cache: Any, mask: Tensor, copies: int) -> KeptRows | None:
        """Return what keeps rows between the turns of a conversation, or None if their cache cannot be kept.

        Args:
            policy: The policy that decodes.
            cache: From `branch`, before any step.
            mask: ``(N, P)`` bool, that of the prompts.
            copies: Rows of a group.

        Raises:
            RuntimeError: The model's logits are NaN.
        """
        fused = isinstance(cache, FusedDecoder)
        states = cache.cache if isinstance(cache, FusedDecoder) else cache
        shared = isinstance(states, GroupCache)
        layers = getattr(states, "layers", None)
        if not layers or not all(isinstance(layer, PreallocatedLayer) for layer in layers):
            return None
        way = Way(shared=shared, preallocated=not shared, fused=fused, turns=True)
        if not self._verified(policy, way, copies):
            return None
        return KeptRows(cache, mask.repeat_interleave(copies, 0), policy.pad_id)

    def next_logits(self, policy: ModelForward, ids: Tensor, mask: Tensor, cache: Any) -> tuple[Tensor, Any]:
        """Decode one token per row, ``(B, V)``, in the way that the cache was branched for, or read several.

        Args:
            policy: The policy that decodes.
            ids: ``(B, L)``; L is 1 but for rows that begin another turn.
            mask: ``(B, S)`` bool over everything seen and the tokens themselves.
            cache: From `branch` or `KeptRows.resume`, or from the last call.
        """
        if isinstance(cache, RowsApart) or (isinstance(cache, FusedDecoder) and ids.shape[1] == 1):
            return cache.append(ids, mask), cache
        states = cache.cache if isinstance(cache, FusedDecoder) else cache
        inputs = states.inputs(mask, ids.shape[1]) if isinstance(states, GroupCache) else {}
        logits, states = policy.plain_next_logits(ids, mask, states, **inputs)
        return logits, cache if isinstance(cache, FusedDecoder) else states

    def _prefill(self, policy: ModelForward, way: Way, ids: Tensor, mask: Tensor) -> tuple[Tensor, Any]:
        if not way.padded:
            return RowsApart.read(policy, ids, mask, way.cached)
        if not way.trunk:
            return policy.next_logits(ids, mask)
        return read_behind_trunk(policy.next_logits, ids, mask, common_prefix(ids, mask))

    def _branched(self, policy: ModelForward, way: Way, cache: Any, mask: Tensor, copies: int, room: int) -> Any:
        rows = torch.arange(len(mask), device=mask.device).repeat_interleave(copies)
        if way.shared:
            cache = GroupCache(Prompts([(layer.keys, layer.values) for layer in cache.layers], mask), rows, room)
        else:
            cache = preallocated(cache, rows, room) if way.preallocated else policy.select_rows(cache, rows, room)
        return FusedDecoder(policy.model, cache) if way.fused else cache

    def _verified(self, policy: ModelForward, way: Way, copies: int) -> bool:
        """Return whether a way decodes as the model scores, found out once."""
        if way not in self._holds:
            if self._proof is None:
                return False  # A cache that was not read here.
            known, found = self._proof.known, self._fault(policy, way, self._proof, min(copies, 2))
            fails = any_rank(found is not None, policy)
            if fails and known:  # The policy may be another one by now, by its weights or by its adapter.
                self._proof.forget()
                found = self._fault(policy, way, self._proof, min(copies, 2))
                fails = any_rank(found is not None, policy)
            self._holds[way] = not fails
            if not self._holds[way]:
                rank_zero_warn(
                    f"Left {way.name}: {found or 'another rank found that results differ'}. What is slower is right, "
                    "and is used instead. Please report the architecture."
                )
        return self._holds[way]

    def _refuse_what_is_not_causal(self, policy: ModelForward) -> None:
        """Refuse a model that predicts a token differently once others follow it, found out once.

        Raises:
            RuntimeError: It does.
        """
        if _SLOWEST in self._holds or self._proof is None:
            return
        found = self._fault(policy, _SLOWEST, self._proof, 1)
        if any_rank(found is not None, policy):
            raise RuntimeError(
                f"{type(policy.model).__name__} predicts a token differently once others follow it: "
                f"{found or 'another rank found so'}. What is sampled from it is not what would be learned from; check "
                "whether its configuration makes it causal (is_decoder=True of encoders)"
            )
        self._holds[_SLOWEST] = True

    @torch.no_grad()
    def _fault(self, policy: ModelForward, way: Way, proof: _Proof, copies: int) -> str | None:
        """Return how a way differs from the model's own forward pass; None if it does not.

        Raises:
            RuntimeError: The logits of that are NaN.
        """
        ids, mask = proof.ids, proof.mask
        if proof.forced is None:
            proof.forced = self._sampled(policy, ids, mask)
        rows = slice(None, None, 3 - copies)  # all of them, or one of each prompt
        every, forced = proof.forced, proof.forced[rows]
        with exact_twin(policy) as twin:
            replay = self._replay_turns if way.turns else self._replay
            if twin is None:
                own = _compared(proof.logits("own", policy, every)[rows], way)
                try:
                    fast = replay(policy, way, ids, mask, copies, forced)
                except Exception as error:
                    return raised(error)
                return unlike("distributions", float(total_variation(own, fast).mean()))
            with exactly(policy):
                truth = _compared(proof.logits("float32", twin, every)[rows], way)
                try:
                    fast = replay(twin, way, ids, mask, copies, forced)
                except Exception as error:  # An architecture that nobody has tried may do anything.
                    return raised(error)
            found = wrong("distributions", float(total_variation(truth, fast).max()))
            if found is not None or not rounds(policy):
                return found
            own_error, fast_error = (
                float(total_variation(truth, logits).mean())
                for logits in (
                    _compared(proof.logits("own", policy, every)[rows], way),
                    replay(policy, way, ids, mask, copies, forced),
                )
            )
            return coarse("distributions", own_error, fast_error)

    def _replay(self, policy: ModelForward, way: Way, ids: Tensor, mask: Tensor, copies: int, forced: Tensor) -> Tensor:
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
            steps.append(step)
        return torch.cat(steps)

    def _replay_turns(
        self, policy: ModelForward, way: Way, ids: Tensor, mask: Tensor, copies: int, forced: Tensor
    ) -> Tensor:
        """Read tokens that are given, ``(B, T)``, in two turns of unequal lengths; return logits, ``(n, V)``."""
        _, cache = self._prefill(policy, way, ids, mask)
        cache = self._branched(policy, way, cache, mask, copies, room=_HALFWAY)
        mask = mask.repeat_interleave(copies, 0)
        kept = KeptRows(cache, mask, policy.pad_id)
        prompts = [ids[row // copies][real].tolist() for row, real in enumerate(mask)]
        turns = _TURNS[: len(forced)]
        # Some rows end before others, and what they read from there on is nothing that was said.
        said = torch.tensor([first for first, _ in turns], device=mask.device)
        for position in range(_HALFWAY):
            mask = torch.nn.functional.pad(mask, (0, 1), value=True)
            read = forced[:, position].where(position < said, policy.pad_id)
            _, cache = self.next_logits(policy, read.unsqueeze(1), mask, cache)
        place = torch.arange(mask.shape[1], device=mask.device)
        real = mask & (place < mask.shape[1] - _HALFWAY + said[:, None])
        staying = _staying(len(forced), mask.device)
        for places in (staying[1:], staying[:1]):
            kept.put(cache, places, places.tolist(), real[places])

        rows = staying.tolist()
        seen = {row: [*prompts[row], *forced[row, : turns[row][1]].tolist()] for row in rows}
        ids, mask, cache = kept.resume(seen, room=1)
        logits, cache = self.next_logits(policy, ids, mask, cache)
        mask = torch.nn.functional.pad(mask, (0, 1), value=True)
        following = torch.stack([forced[row, turns[row][1]] for row in rows])
        return torch.cat([logits, self.next_logits(policy, following.unsqueeze(1), mask, cache)[0]])

    def _sampled(self, policy: ModelForward, ids: Tensor, mask: Tensor) -> Tensor:
        """Return ``(2 * N, T)`` tokens that the model samples, from a random stream of its own.

        Raises:
            RuntimeError: Its logits are NaN.
        """
        if policy.keeps_cache:
            # Every token serves: the cache need not be right here, and is proven later.
            try:
                return self._sampled_by(policy, Way(padded=False), ids, mask)
            except Exception as error:
                rank_zero_debug(f"The cache of {type(policy.model).__name__} draws no tokens: {raised(error)}")
        return self._sampled_by(policy, _SLOWEST, ids, mask)

    def _sampled_by(self, policy: ModelForward, way: Way, ids: Tensor, mask: Tensor) -> Tensor:
        generator = torch.Generator(ids.device).manual_seed(0)
        logits, cache = self._prefill(policy, way, ids, mask)
        logits = _no_nan(logits).repeat_interleave(2, 0)
        cache = self._branched(policy, way, cache, mask, 2, 0)
        tokens = []
        for _ in range(_STEPS):
            # A wrong cache may give NaN, of which nothing can be drawn.
            probabilities = logits.float().softmax(-1).nan_to_num(1.0)
            tokens.append(torch.multinomial(probabilities, 1, generator=generator))
            logits, cache = self.next_logits(policy, tokens[-1], mask, cache)
        # Some models count positions by which ids are padding's, and those may be sampled as well.
        tokens[1] = torch.full_like(tokens[1], policy.pad_id)
        return torch.cat(tokens, dim=1)


# Tokens that a proof decodes, and when a row leaves.
_STEPS, _HALFWAY = 6, 3
# Of each row of a proof with two turns, the tokens that are read in the first one and before the second one's steps.
_TURNS = ((3, 5), (2, 4), (1, 2), (0, 3))
# What a proof reads of a prompt: as much of its beginning, and of its end.
_CHECKED_PROMPT = 48


def _no_nan(logits: Tensor) -> Tensor:
    """Return logits of which none is NaN.

    Raises:
        RuntimeError: One is.
    """
    if logits.isnan().any():
        raise RuntimeError("the policy's logits are NaN: its weights have diverged, or were not numbers to begin with")
    return logits


def _staying(rows: int, device: torch.device) -> Tensor:
    """Return the rows that go on when one has ended: the second, so that others move up."""
    return torch.tensor([row for row in range(rows) if row != 1 or rows < 2], device=device)


def _two_prompts(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the longest and the shortest prompt, ``(2, P')``, without the middle of long ones."""
    # Two also of one, since ranks that share sharded weights have to call the model equally often.
    sizes = mask.sum(1)
    rows = sizes.argsort(stable=True)[[-1, 0]]
    place, size = mask[rows].long().cumsum(1), sizes[rows].unsqueeze(1)
    kept = mask[rows] & ((place <= _CHECKED_PROMPT) | (place > size - _CHECKED_PROMPT))
    # What is kept, moved to the right.
    order = kept.long().argsort(dim=1, stable=True)[:, -int(kept.sum(1).max()) :]
    return ids[rows].gather(1, order), kept.gather(1, order)


def _compared(logits: Tensor, way: Way) -> Tensor:
    """Return of the logits of whole rows, ``(B, T + 1, V)``, those that a way's replay gives, too, ``(n, V)``."""
    staying = _staying(len(logits), logits.device)
    if way.turns:
        read = torch.tensor([second for _, second in _TURNS], device=logits.device)[staying]
        return torch.cat([logits[staying, read], logits[staying, read + 1]])
    steps = [logits[:, position] for position in range(_HALFWAY + 1)]
    return torch.cat([*steps, *(logits[staying, position] for position in range(_HALFWAY + 1, logits.shape[1]))])
