"""Sentinel of groups without spread: too many of them teach nothing, and not because they are solved."""

from __future__ import annotations

import pytorch_lightning as pl

from rlframework.callbacks.sentinels.base import Action
from rlframework.callbacks.sentinels.reward_range import measure_range, teach_nothing, widen
from rlframework.callbacks.sentinels.share import ShareSentinel
from rlframework.functional.advantages import group_spread
from rlframework.loop.callback import RolloutRecord
from rlframework.metrics.tally import Tally

_SHARE = "groups that teach nothing"


class NoSpread(ShareSentinel):
    """Finds that more groups than a limit have equal rewards which are not the best ones, and that it gets no better.

    A group whose rewards are all alike has no advantages. Where it has the highest reward of the run (within a tenth of
    the range of all rewards so far) it is solved, and that is what training is for: such groups do not count.

    If not a single group has a spread the run says so itself, after three rollouts and without sentinels; this one is
    silent then, unless it is to stop the run.

    Args:
        limit: Share of the groups. At 0.8 five sampled groups make one that is learned from.
        rollouts: As of `ShareSentinel`.
        action: As of `Sentinel`.

    Example:
        >>> from rlframework.callbacks.sentinels import NoSpread
        >>> NoSpread().words(0.85)
        '85% of the groups have equal rewards, and not the best ones, so that they teach nothing'
    """

    needs = (_SHARE,)
    causes = (
        "the task is too hard, so that nothing in a group is right; the policy has become so sure that a group is one "
        "answer many times; the reward has few steps"
    )
    way_out = (
        "see what the policy can do (rlframework probe); take easier prompts, a larger group_size, a higher "
        "temperature, or DynamicSampling, which samples until enough groups differ"
    )

    def __init__(self, limit: float = 0.8, rollouts: int = 10, action: Action = "warn") -> None:
        super().__init__(limit, rollouts, action)

    def measure(self, tally: Tally, record: RolloutRecord) -> None:
        """Add the share of groups whose rewards are equal and below the best of the rollouts before."""
        rewards = record.scores.total
        tally.mean(_SHARE, teach_nothing(self.memory, rewards).float())
        tally.mean("groups with spread", (group_spread(rewards) > 0).float())
        measure_range(tally, rewards)

    def look(self, figures: dict[str, float]) -> str | None:
        """Look at the share, and remember the range of rewards and whether any group had a spread."""
        found = super().look(figures)
        widen(self.memory, figures)
        some = self.memory.get("some", False) or figures["groups with spread"] > 0
        self.memory["some"] = found is not None and some
        return found

    def share(self, figures: dict[str, float]) -> float:
        """Return the share of groups that teach nothing and are not solved."""
        return figures[_SHARE]

    def words(self, share: float) -> str:
        """Return the share of groups without spread, in words."""
        return f"{share:.0%} of the groups have equal rewards, and not the best ones, so that they teach nothing"

    def act(self, trainer: pl.Trainer, message: str) -> None:
        """Act, unless `RolloutWatch` has said it."""
        if self.memory["some"] or self.action == "stop":
            super().act(trainer, message)
