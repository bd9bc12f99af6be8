"""Measuring a policy on held-out prompts, with how sure the figure is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, TypeAlias

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.functional.advantages import group_spread
from rlframework.functional.confidence import grouped_interval, wilson_interval
from rlframework.functional.maj_at_k import maj_at_k
from rlframework.functional.pass_at_k import pass_at_k
from rlframework.policies.base import Policy, eval_mode
from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel
from rlframework.rewards.failure_limits import Counts, RewardLimits, counts_of, warn_of_failures
from rlframework.samplers.base import GroupSampler

AnswerOf: TypeAlias = Callable[[Completion], str | None]


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

        With several completions of a prompt it is that of `rlframework.functional.confidence.grouped_interval`.

        Raises:
            ValueError: The measure has other values, so that it is no share.
        """
        right, judged = self._counts(measure, "a Wilson interval is for shares")
        size = self.completions.group_size
        if size == 1:
            return wilson_interval(int(right.sum()), int(judged.sum()))
        return grouped_interval((right[judged > 0] / judged[judged > 0]).tolist(), size)

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
        return self._passed(measure, k).nanmean().item()

    def pass_at_k_interval(self, measure: str, k: int) -> tuple[float, float]:
        """Return the 95 % interval of `pass_at_k`, over the prompts.

        Args:
            measure: Name of the measure.
            k: Completions that a prompt gets, at most ``G``.
        """
        return _interval(self._passed(measure, k))

    def maj_at_k(self, measure: str, k: int, answer_of: AnswerOf) -> float:
        """Return how often the majority of ``k`` completions of a prompt is right, for a measure of 0 and 1.

        The mean of `rlframework.functional.maj_at_k.maj_at_k` over the prompts.

        Args:
            measure: Name of the measure.
            k: Completions that vote, at most ``G``.
            answer_of: Returns a completion's answer, such as an `AnswerReader`; None where there is none.

        Raises:
            ValueError: ``k`` is not in 1 to ``G``, or the measure has other values.
        """
        return self._voted(measure, k, answer_of).nanmean().item()

    def maj_at_k_interval(self, measure: str, k: int, answer_of: AnswerOf) -> tuple[float, float]:
        """Return the 95 % interval of `maj_at_k`, over the prompts.

        Args:
            measure: Name of the measure.
            k: Completions that vote, at most ``G``.
            answer_of: As of `maj_at_k`.
        """
        return _interval(self._voted(measure, k, answer_of))

    def _passed(self, measure: str, k: int) -> Tensor:
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
        return pass_at_k(right, judged, k)

    def _voted(self, measure: str, k: int, answer_of: AnswerOf) -> Tensor:
        self._counts(measure, "maj@k counts right answers")
        answers = [[answer_of(row) for row in group] for group in self.completions.groups()]
        return maj_at_k(answers, self._numbers(measure), k)

    def figures(self, answer_of: AnswerOf | None = None) -> dict[str, dict[str, Any]]:
        """Return every measure as plain numbers: mean, and of a share the interval, pass@k and maj@k with theirs.

        Args:
            answer_of: Returns a completion's answer, for maj@k; without it there is none.
        """
        found: dict[str, dict[str, Any]] = {}
        for name, scores in self.scores.items():
            found[name] = {"mean": self.share(name), "abstained": scores.isnan().float().mean().item()}
            if not is_share(self, name):
                continue
            found[name]["interval"] = self.interval(name)
            several = tries(self.completions.group_size) if self.completions.group_size > 1 else []
            found[name]["pass_at_k"] = {
                k: {"share": self.pass_at_k(name, k), "interval": self.pass_at_k_interval(name, k)} for k in several
            }
            if answer_of is not None:
                found[name]["maj_at_k"] = {
                    k: {
                        "share": self.maj_at_k(name, k, answer_of),
                        "interval": self.maj_at_k_interval(name, k, answer_of),
                    }
                    for k in several
                }
        return found

    def groups_with_spread(self, measure: str) -> float:
        """Return the share of groups whose scores differ: only from those does a group-relative algorithm learn."""
        return (group_spread(self._numbers(measure)) > 0).float().mean().item()

    @property
    def truncated(self) -> float:
        """Share of completions that the token budget ended."""
        return sum(row.truncated for row in self.completions) / self.n

    @property
    def length(self) -> float:
        """Mean number of tokens that the policy sampled for a completion, the stop token included."""
        return sum(row.sampled_tokens for row in self.completions) / self.n

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


def is_share(evaluation: Evaluation, name: str) -> bool:
    """Return whether a measure scored, and with nothing but 0 and 1."""
    valid = evaluation.scores[name][~evaluation.scores[name].isnan()]
    return bool(len(valid)) and bool(((valid == 0) | (valid == 1)).all())


def tries(group_size: int) -> list[int]:
    """Return the k of pass@k that are shown: powers of 2, and the whole group.

    Example:
        >>> tries(12)
        [1, 2, 4, 8, 12]
    """
    return [*(2**i for i in range(group_size.bit_length()) if 2**i < group_size), group_size]


def _interval(shares: Tensor) -> tuple[float, float]:
    return grouped_interval(shares[~shares.isnan()].tolist())


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
