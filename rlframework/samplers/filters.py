"""Dynamic sampling: samplers around samplers, which leave groups out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from rlframework.completions import Completion, Completions
from rlframework.functional.advantages import group_spread
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel
from rlframework.rewards.failure_limits import Counts, RewardLimits
from rlframework.samplers.base import GroupSampler
from rlframework.samplers.wrapper import SamplerWrapper
from rlframework.utilities.distributed import any_rank, raise_together


class DynamicSampling(SamplerWrapper):
    """Keeps groups whose rewards differ: the others teach a group-relative algorithm nothing (dynamic sampling).

    It is handed more prompts than it keeps groups, samples ``keep`` of them at a time, and stops when it has ``keep``
    groups with spread or no prompt is left. If there are too few, groups without spread fill the places, so that a
    rollout always has the same size. DAPO (arXiv:2503.14476).

    With ``prompts_per_rollout=48`` and ``keep=16`` on one rank, a rollout is 16 groups, found among up to 48. On ``R``
    ranks each keeps ``keep`` of its ``48 / R``. Validation is never filtered.

    Args:
        sampler: The sampler of the groups.
        reward: The reward that has to differ within a group, such as an accuracy; may be another than the algorithm's.
        keep: Groups in a rollout, on each rank.
        reward_limits: Limits of failed checks of the reward, as of an algorithm: groups on which they fail have no
            spread, so that the algorithm may never see them.

    Raises:
        ValueError: ``keep`` is below 1.

    Example:
        >>> from rlframework import SharedPrefixSampler, rewards
        >>> sampler = SharedPrefixSampler(group_size=8, max_tokens=32)
        >>> DynamicSampling(sampler, rewards.CorrectAnswer(), keep=4).groups_from(12)
        4
    """

    def __init__(
        self, sampler: GroupSampler, reward: RewardModel, keep: int, reward_limits: RewardLimits | None = None
    ) -> None:
        self.keep = keep  # before the sampler checks itself
        super().__init__(sampler)
        self.reward = reward
        self.reward_limits = reward_limits or RewardLimits()

    def _check(self) -> None:
        super()._check()
        if self.keep < 1:
            raise ValueError(f"keep must be at least 1, got {self.keep}")

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        """Sample until ``keep`` groups have rewards that differ, or no prompt is left; return ``keep`` groups.

        Args:
            policy: The policy to sample from, with the weights it has now.
            prompts: ``N`` prompts, in the order that the result keeps.
            step: Number of the rollout, a part of the seed.

        Raises:
            ValueError: There are fewer prompts than groups to keep.
            RuntimeError: More checks of the reward failed than ``reward_limits`` allow.
        """
        if len(prompts) < self.keep:
            raise ValueError(
                f"{len(prompts)} prompts on this rank cannot give keep={self.keep} groups; raise prompts_per_rollout"
            )
        spread: list[list[Completion]] = []
        flat: list[list[Completion]] = []
        counts: dict[str, list[Counts]] = defaultdict(list)
        for start in range(0, len(prompts), self.keep):
            completions = self.sampler.sample(policy, prompts[start : start + self.keep], step=step)
            scores = self.reward.evaluate(completions)
            for name, judgement in scores.judgements.items():
                counts[name].append(Counts.of(judgement))
            differs = group_spread(scores.total) > 0
            for group, useful in zip(completions.groups(), differs.tolist(), strict=True):
                (spread if useful else flat).append(list(group))
            if not any_rank(len(spread) < self.keep, policy):
                break
        raise_together(self._refused({name: Counts.added(parts) for name, parts in counts.items()}))
        chosen = [*spread, *flat][: self.keep]
        return Completions([row for group in chosen for row in group], self.group_size)

    def _refused(self, counts: Mapping[str, Counts]) -> RuntimeError | None:
        """Return the error for which this rank has to stop, if it has to."""
        try:
            for name, found in counts.items():
                self.reward_limits.add(name, found)
        except RuntimeError as error:
            return error
        return None

    def groups_from(self, prompts: int) -> int:
        """Return ``keep``, the groups that come back for any number of prompts."""
        return self.keep

    @property
    def unfiltered(self) -> GroupSampler:
        """The sampler inside, with the settings of this one."""
        return self.sampler.unfiltered

    def judges(self) -> list[RewardModel]:
        """Return the reward whose spread decides, and those of filters inside."""
        return [self.reward, *self.sampler.judges()]

    def for_evaluation(self) -> GroupSampler:
        """Return the inner sampler's evaluation: every held-out prompt is answered."""
        return self.sampler.for_evaluation()


# Its name until 0.1.
SpreadFilter = DynamicSampling
