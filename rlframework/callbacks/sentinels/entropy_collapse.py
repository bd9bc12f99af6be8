"""Sentinel of entropy collapse: the policy has become sure of answers that are not the best."""

from __future__ import annotations

from statistics import fmean

from rlframework.callbacks.sentinels.base import Action, Sentinel
from rlframework.callbacks.sentinels.reward_range import measure_range, teach_nothing, widen
from rlframework.callbacks.sentinels.trend import rise_in_errors
from rlframework.loop.callback import RolloutRecord
from rlframework.metrics.tally import Tally

_SHARE = "groups that teach nothing"


class EntropyCollapse(Sentinel):
    """Finds that the entropy is gone before the task is learned.

    Entropy falls in every run that learns: a policy that knows the answer is sure of it. It has collapsed when all of
    this is so over the latest rollouts: it is below a share of what the run began with; most groups have equal rewards
    which are not the best ones (as in `NoSpread`); and the mean reward has not risen by two standard errors against as
    many rollouts before.

    Args:
        share: Of the mean entropy of the first five rollouts, in their first steps.
        flat: Share of groups with equal rewards that are not the best ones.
        rollouts: Latest rollouts, and as many before, that are compared.
        action: As of `Sentinel`.

    Example:
        >>> from rlframework.callbacks.sentinels import EntropyCollapse
        >>> EntropyCollapse(action="stop").share
        0.1
    """

    needs = ("train/entropy", "reward")
    causes = (
        "too many or too large steps on the same prompts (learning_rate, passes_per_rollout); a temperature below 1; a "
        "reward that is easily had in part, so that one kind of answer pushes out all others"
    )
    way_out = (
        "go back to a checkpoint before the fall of train/entropy; lower the learning rate, raise clip_high (DAPO), "
        "add entropy_bonus=AdaptiveEntropyBonus(target=...) or kl_coefficient"
    )

    def __init__(self, share: float = 0.1, flat: float = 0.5, rollouts: int = 10, action: Action = "warn") -> None:
        super().__init__(action)
        if not (0 < share < 1 and 0 < flat <= 1) or rollouts < 2:
            raise ValueError(
                f"EntropyCollapse got share={share}, flat={flat} and rollouts={rollouts}; give shares between 0 and 1, "
                "and at least two rollouts"
            )
        self.share = share
        self.flat = flat
        self.rollouts = rollouts

    def measure(self, tally: Tally, record: RolloutRecord) -> None:
        """Add the mean reward, the range of rewards, and the share of groups that teach nothing."""
        rewards = record.scores.total
        tally.mean("reward", rewards)
        tally.mean(_SHARE, teach_nothing(self.memory, rewards).float())
        measure_range(tally, rewards)

    def look(self, figures: dict[str, float]) -> str | None:
        """Return entropy then and now, if it has collapsed."""
        memory, n = self.memory, self.rollouts
        widen(memory, figures)
        memory["began"] = [*memory.get("began", []), figures["train/entropy"]][:5]
        for name, kept in (("train/entropy", n), (_SHARE, n), ("reward", 2 * n)):
            memory[name] = [*memory.get(name, []), figures[name]][-kept:]
        rewards = memory["reward"]
        if len(rewards) < 2 * n:
            return None
        began, now = fmean(memory["began"]), fmean(memory["train/entropy"])
        flat = fmean(memory[_SHARE])
        before, after = rewards[:n], rewards[n:]
        if now >= self.share * began or flat < self.flat or rise_in_errors(before, after) >= 2:
            return None
        return (
            f"over the last {n} rollouts the entropy was {now:.2g} nats a token, after {began:.2g} at the beginning; "
            f"{flat:.0%} of the groups had equal rewards and not the best ones, and the mean reward stays at "
            f"{fmean(after):.3g} (the highest paid is {memory['highest']:.3g})"
        )
