"""Measuring a policy on held-out prompts, with how sure the figure is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index

import torch
from torch import Tensor

from rlframework.completions import Completions
from rlframework.functional.advantages import group_spread
from rlframework.functional.confidence import wilson_interval
from rlframework.functional.pass_at_k import pass_at_k
from rlframework.policies.base import Policy, eval_mode
from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel
from rlframework.rewards.failure_limits import Counts, RewardLimits, counts_of, warn_of_failures
from rlframework.samplers.base import GroupSampler


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of a policy: one row of a comparison.

    Args:
        name: What was measured, such as ``"base"``.
        completions: The answers, ``N`` prompts by ``G``.
        scores: ``(N, G)`` by measure; shares are of scores of 0 and 1, or of False and True.
    """

    name: str
    completions: Completions
    scores: Mapping[str, Tensor]

    @property
    def n(self) -> int:
        """Number of completions measured."""
        return len(self.completions)

    def share(self, measure: str) -> float:
        """Return the mean score of a measure over the completions it did not abstain on."""
        return self._numbers(measure).nanmean().item()

    def interval(self, measure: str) -> tuple[float, float]:
        """Return the 95 % Wilson interval of a share, for a measure of 0 and 1.

        Raises:
            ValueError: The measure has other values, so that it is no share.
        """
        right, judged = self._counts(measure, "a Wilson interval is for shares")
        return wilson_interval(int(right.sum()), int(judged.sum()))

    def pass_at_k(self, measure: str, k: int) -> float:
        """Return the chance that one of ``k`` completions of a prompt is right, for a measure of 0 and 1.

        The mean of `rlframework.functional.pass_at_k.pass_at_k` over the prompts; those with fewer than ``k``
        completions that the measure did not abstain on are left out.

        Args:
            measure: Name of the measure.
            k: Completions that a prompt gets, at most ``G``.

        Raises:
            ValueError: ``k`` is no whole number in 1 to ``G``, or the measure has other values.
        """
        size = self.completions.group_size
        try:
            k = index(k)
        except TypeError:
            raise ValueError(f"k={k!r}: pass@k is of a whole number of answers, 1 to {size} here") from None
        if k < 1:
            raise ValueError(f"k={k}: pass@k is of at least one answer; choose 1 to {size}")
        if k > size:
            raise ValueError(f"pass@{k} cannot be told from {size} completions a prompt; sample with group_size={k}")
        right, judged = self._counts(measure, "pass@k counts right answers")
        return pass_at_k(right, judged, k).nanmean().item()

    def groups_with_spread(self, measure: str) -> float:
        """Return the share of groups whose scores differ: only from those does a group-relative algorithm learn."""
        return (group_spread(self._numbers(measure)) > 0).float().mean().item()

    @property
    def truncated(self) -> float:
        """Share of completions that the token budget ended."""
        return sum(row.truncated for row in self.completions) / self.n

    @property
    def length(self) -> float:
        """Mean length of a completion in tokens, the stop token included."""
        return sum(len(row.ids) for row in self.completions) / self.n

    def _numbers(self, measure: str) -> Tensor:
        """Return the scores as floats: of bool and of whole numbers there is no mean and no NaN."""
        scores = self.scores[measure]
        return scores if scores.is_floating_point() else scores.float()

    def _counts(self, measure: str, because: str) -> tuple[Tensor, Tensor]:
        """Return right and judged completions of each prompt, ``(N,)`` int64."""
        scores = self._numbers(measure)
        valid = ~scores.isnan()
        if not ((scores[valid] == 0) | (scores[valid] == 1)).all():
            raise ValueError(f"{measure!r} has scores other than 0 and 1; {because}")
        return (scores == 1).sum(1), valid.sum(1)


@torch.no_grad()
def evaluate(
    name: str,
    policy: Policy,
    prompts: Sequence[Prompt],
    sampler: GroupSampler,
    measures: Mapping[str, RewardModel],
    batch_size: int | None = None,
) -> Evaluation:
    """Sample every prompt and score the completions; the policy is in eval mode meanwhile.

    Compare rows only if prompts, sampler and measures are the same objects: then nothing but the policy differs.

    Args:
        name: What to call the result.
        policy: What is measured.
        prompts: Held-out prompts.
        sampler: Taken without filters around it, as every prompt is answered; such as
            ``sampler.replace(group_size=1, temperature=0.0)`` for one greedy completion each.
        measures: Rewards by name.
        batch_size: Prompts that are sampled together, which bounds memory; by default all of them.

    Raises:
        RuntimeError: More checks of a measure failed than `RewardLimits` allow, so that its mean says little.
        ValueError: There are no prompts, or ``batch_size`` is below 1.
    """
    if len(prompts) == 0:
        raise ValueError(f"{name}: 0 prompts were given, and nothing can be measured on them; pass at least one")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: at least one prompt is sampled at a time; None takes all together")
    sampler = sampler.unfiltered
    with eval_mode(policy):
        size = len(prompts) if batch_size is None else batch_size
        parts = [sampler.sample(policy, prompts[start : start + size]) for start in range(0, len(prompts), size)]
    completions = Completions([row for part in parts for row in part], sampler.group_size)
    scores = {key: reward.evaluate(completions) for key, reward in measures.items()}
    counts: dict[str, Counts] = {}
    for key, found in scores.items():
        counts |= counts_of(key, {part: Counts.of(judgement) for part, judgement in found.judgements.items()})
    warn_of_failures(name, counts)
    RewardLimits().refuse(counts)
    return Evaluation(name, completions, {key: found.total for key, found in scores.items()})
