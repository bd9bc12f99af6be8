"""On-policy check: log-probabilities of a sampler in this process are compared with the policy's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any, cast

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.policies.base import Policy
from rlframework.policies.self_check import BLIND, LEAST, ROUNDING, exact_twin, exactly, rounds
from rlframework.rollout import Rollout
from rlframework.samplers.base import GroupSampler
from rlframework.samplers.batched import BatchedSampler
from rlframework.samplers.uncached import UncachedSampler
from rlframework.utilities.distributed import all_gather_object, any_rank, is_sharded

# Sampled tokens of a row that are compared, its last ones: a fault of padding, position or cache is in them too, and
# the logits of all of a long row would take gigabytes.
_COMPARED = 128


class SamplerCheck:
    """Stops a run whose sampler samples another distribution than the policy scores.

    In the first rollout of a run, also of a resumed one, two rows of the longest and two of the shortest prompt are
    scored each by itself, without padding and cache. Both the sampler and the way in which the policy scores
    minibatches have to agree with that. From then on one row of a rollout is, another each time: of the second one, and
    then as often as keeps the forward pass over that row below 1 % of the tokens that the steps between read.

    Compared are means over the last 128 sampled tokens of a row, in nats. They may be 0.02, and in half precision three
    times what that itself is from float32.
    """

    def __init__(self) -> None:
        self._allowed: float | None = None
        self._next = 0
        self._looks = 0

    def observe(
        self, policy: Policy, sampler: GroupSampler, completions: Completions, rollout: Rollout, step: int
    ) -> None:
        """Check a rollout, before anything is learned from it.

        Args:
            policy: In eval mode, without gradients.
            sampler: The sampler that made the completions.
            completions: Group by group.
            rollout: The same rows, on the policy's device.
            step: Number of the rollout.

        Raises:
            RuntimeError: The two differ; with the numbers, and with a sampler that agrees.
        """
        if not sampler.samples_policy_itself or sampler.truncates or rollout.sampler_logprobs is None:
            return
        if self._allowed is None:
            rows = _two_of_two_groups(rollout)
            self._allowed = _prove(policy, sampler, completions, rollout, rows)
            return
        if step < self._next:
            return
        self._next = step + _rollouts_between(policy, rollout)
        row, self._looks = self._looks % len(rollout), self._looks + 1
        if any_rank(not _gap(policy, rollout, row) <= self._allowed, policy):
            # A row of few tokens may be off by a chance of rounding; the rows of a group are not.
            start = row - row % rollout.group_size
            gaps = [_gap(policy, rollout, start + place) for place in range(rollout.group_size)]
            mean = sum(gaps) / len(gaps)
            if any_rank(not mean <= self._allowed, policy):
                _refuse(policy, sampler, completions, rollout, [row], mean, self._allowed)


def _rollouts_between(policy: Policy, rollout: Rollout) -> int:
    """Return how many rollouts a look at one row has to last for, so that it is below 1 % of them; on all ranks alike.

    A step samples each token of a completion, and reads it in an update that costs three times a forward pass. What
    prompts add is not counted: they may be read once for all.
    """
    completions = rollout.completion_mask.sum(1)
    longest = int((rollout.prompt_mask.sum(1) + completions).max())
    own = ceil(100 * longest / (4 * max(1, int(completions.sum()))))
    return max(all_gather_object(own)) if is_sharded(policy) else own


def _prove(policy: Policy, sampler: GroupSampler, completions: Completions, rollout: Rollout, rows: list[int]) -> float:
    """Return what later rollouts are allowed to be off, in nats.

    Raises:
        RuntimeError: This one is off by more, or the policy does not score it as single rows.
    """
    allowed = _allowed(policy, [_ending(rollout, row) for row in rows])
    gap = float(torch.tensor([_gap(policy, rollout, row) for row in rows]).max())  # NaN if one is
    if any_rank(not gap <= allowed, policy):
        _refuse(policy, sampler, completions, rollout, rows, gap, allowed)
    together = replace(rollout.select(torch.tensor(rows, device=policy.device)), group_size=len(rows) // 2 or 1).trim()
    gaps = policy.logprobs(together).logprobs - cast(Tensor, together.sampler_logprobs)
    off = float(_mean(gaps, together.loss_mask).max())
    if any_rank(not off <= allowed, policy):
        raise RuntimeError(
            f"{type(policy).__name__} scores a minibatch otherwise than its rows by themselves, by {off:.2g} nats in "
            f"the mean over a row (allowed {allowed:.2g}), while {type(sampler).__name__} agrees with the latter. "
            "Switch its shortcuts off: CausalLMPolicy(..., shared_prefix=False, packed_rows=False, padded=False)"
        )
    return allowed


def _allowed(policy: Policy, rows: Sequence[Rollout]) -> float:
    """Return how far a sampler may be off, by what half precision is from float32."""
    with exact_twin(policy) as exact:
        if exact is None:
            return BLIND
        if not rounds(policy):
            return LEAST
        with exactly(policy):
            truth = [exact.single_logprobs(row).logprobs for row in rows]
        errors = [
            _mean(policy.single_logprobs(row).logprobs - exact, row.loss_mask)
            for row, exact in zip(rows, truth, strict=True)
        ]
        return LEAST + ROUNDING * float(torch.cat(errors).mean())


def _gap(policy: Policy, rollout: Rollout, row: int) -> float:
    """Return how far a row's log-probabilities are from the policy's, in the mean over tokens."""
    ending = _ending(rollout, row)
    gaps = policy.single_logprobs(ending).logprobs - cast(Tensor, ending.sampler_logprobs)
    return float(_mean(gaps, ending.loss_mask))


def _mean(gaps: Tensor, mask: Tensor) -> Tensor:
    """Return the mean size over the tokens of each row, ``(B,)``; 0 of a row without any."""
    return gaps.abs().masked_fill(~mask, 0.0).sum(1) / mask.sum(1).clamp(min=1)


def _ending(rollout: Rollout, row: int) -> Rollout:
    """Return a row with only its last tokens as completion; those before count as prompt."""
    one = rollout.select(slice(row, row + 1))
    sampled_from_here = one.loss_mask[0].flip(0).cumsum(0).flip(0)  # (T,)
    early = int((sampled_from_here > _COMPARED).sum())
    prompt: dict[str, Any] = {
        "prompt_ids": torch.cat([one.prompt_ids, one.completion_ids[:, :early]], dim=1),
        "prompt_mask": torch.cat([one.prompt_mask, one.completion_mask[:, :early]], dim=1),
    }
    names = ("completion_ids", "completion_mask", "loss_mask", "weights", "sampler_logprobs")
    return replace(one, **prompt, **{name: getattr(one, name)[:, early:] for name in names}).trim()


def _two_of_two_groups(rollout: Rollout) -> list[int]:
    """Return the rows with the longest completions, two each, of the longest and the shortest prompt."""
    size = rollout.group_size
    prompts = rollout.prompt_mask.sum(1)[::size]
    tokens = rollout.completion_mask.sum(1)
    groups = prompts.argsort(stable=True)[[-1, 0]].tolist()
    return [
        group * size + place
        for group in groups
        for place in tokens[group * size : (group + 1) * size].topk(min(2, size)).indices.tolist()
    ]


def _refuse(
    policy: Policy,
    sampler: GroupSampler,
    completions: Completions,
    rollout: Rollout,
    rows: Sequence[int],
    gap: float,
    allowed: float,
) -> None:
    raise RuntimeError(
        f"{type(sampler).__name__} gives its tokens log-probabilities that are {gap:.2g} nats (in the mean over a "
        f"row; allowed {allowed:.2g}) from those of {type(policy).__name__} for the same rows by themselves: what it "
        f"samples is not the policy that learns. {_advice(policy, sampler, completions, rollout, rows, allowed)}"
    )


def _advice(
    policy: Policy,
    sampler: GroupSampler,
    completions: Completions,
    rollout: Rollout,
    rows: Sequence[int],
    allowed: float,
) -> str:
    """Name a sampler that agrees, found out on the same prompts."""
    tried = "SharedPrefixSampler, BatchedSampler and UncachedSampler are those of this process"
    if is_sharded(policy):  # Ranks would call it unequally often.
        return f"Sample otherwise: {tried}"
    for kind in (BatchedSampler, UncachedSampler):
        if type(sampler) is kind:
            continue
        other = kind(1, sampler.max_tokens, sampler.temperature, sampler.seed)
        found = [other.sample(policy, [completions[row].prompt])[0] for row in rows]
        gaps = [
            _gap(policy, _with_completion(rollout.select(slice(row, row + 1)), completion), 0)
            for row, completion in zip(rows, found, strict=True)
        ]
        if all(other_gap <= allowed for other_gap in gaps):
            return f"{kind.__name__} agrees ({max(gaps):.2g}): sample with it, and please report the architecture"
    return "No sampler of this process agrees: the model predicts a token differently once others follow it"


def _with_completion(row: Rollout, completion: Completion) -> Rollout:
    """Return a row with another completion to the same prompt."""
    ids = torch.tensor([completion.ids], device=row.prompt_ids.device)
    mask = torch.ones_like(ids, dtype=torch.bool)
    known = torch.tensor([completion.logprobs], device=ids.device)
    return replace(
        row,
        completion_ids=ids,
        completion_mask=mask,
        loss_mask=mask,
        weights=torch.zeros_like(known),
        sampler_logprobs=known,
    )
