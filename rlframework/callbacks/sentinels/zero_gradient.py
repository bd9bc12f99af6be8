"""Sentinel of a zero gradient: rewards differ, and nothing is learned from them."""

from __future__ import annotations

from typing import cast

from rlframework.callbacks.sentinels.base import Action, Sentinel
from rlframework.functional.advantages import group_spread
from rlframework.loop.callback import RolloutRecord
from rlframework.metrics.tally import Tally


class ZeroGradient(Sentinel):
    """Finds rollouts with groups whose rewards differ, on which every optimizer step had a gradient of 0.

    Args:
        largest_norm: What counts as 0. Below 1e-8, the epsilon of AdamW, no weight moves by a step of the learning
            rate.
        rollouts: Rollouts in a row. One alone may have its only spread in rows that are not learned from.
        action: As of `Sentinel`.

    Example:
        >>> from rlframework.callbacks.sentinels import ZeroGradient
        >>> sentinel = ZeroGradient(rollouts=2)
        >>> steps = [{"train/grad_norm": 0.0, "groups with spread": 0.5}] * 3
        >>> [sentinel.look(step) for step in steps][-1]
        'the gradient was 0 in every step on the last 2 rollouts, and 50% of the groups had different rewards'
    """

    needs = ("train/grad_norm",)
    causes = (
        "advantages() or token_weights() of an algorithm of your own returns zeros; mask_truncated leaves out every "
        "row that differs; no weight is trainable, or the surrogate has lost its way to them (detach, no_grad); the "
        "loss underflows in half precision"
    )
    way_out = (
        "hold the algorithm against check_algorithm (rlframework check), look at the advantages in rollouts.jsonl, and "
        "count the parameters with requires_grad"
    )

    def __init__(self, largest_norm: float = 1e-8, rollouts: int = 3, action: Action = "warn") -> None:
        super().__init__(action)
        self.largest_norm = largest_norm
        self.rollouts = rollouts

    def measure(self, tally: Tally, record: RolloutRecord) -> None:
        """Add the share of groups whose rewards differ."""
        tally.mean("groups with spread", (group_spread(record.scores.total) > 0).float())

    def look(self, figures: dict[str, float]) -> str | None:
        """Look at the rollout before when a new one begins, and keep the largest gradient of the present one."""
        memory = self.memory or {"rollouts": 0, "spread": 0.0, "norm": 0.0, "found": None}
        if (spread := figures.get("groups with spread")) is not None:
            without = memory["spread"] > 0 and memory["norm"] <= self.largest_norm
            rollouts = memory["rollouts"] + 1 if without else 0
            found = (
                f"the gradient was 0 in every step on the last {rollouts} rollouts, and {memory['spread']:.0%} of the "
                "groups had different rewards"
            )
            memory = {"rollouts": rollouts, "spread": spread, "norm": 0.0, "found": None}
            memory["found"] = found if rollouts >= self.rollouts else None
        self.memory = {**memory, "norm": max(memory["norm"], figures["train/grad_norm"])}
        return cast("str | None", memory["found"])
