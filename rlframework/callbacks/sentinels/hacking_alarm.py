"""Sentinel of reward hacking: the reward goes up while held-out accuracy falls."""

from __future__ import annotations

import math
from statistics import fmean
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from rlframework.callbacks.sentinels.base import Action, Sentinel
from rlframework.callbacks.sentinels.trend import rise_in_errors
from rlframework.loop.callback import RolloutRecord
from rlframework.metrics.tally import Tally
from rlframework.utilities.distributed import sum_over_replicas

# Rollouts before a validation whose mean reward goes with it.
_LATEST = 50


class HackingAlarm(Sentinel):
    """Finds that a held-out measure has fallen from its best while the reward has risen since.

    Both have to be more than noise. The fall is held against the standard error of the difference of two shares of as
    many held-out prompts as there are, ``sqrt((p(1-p) + q(1-q)) / n)``; the rise against the noise from rollout to
    rollout (`rlframework.callbacks.sentinels.trend.rise_in_errors`), from those before the best validation to those
    before the present one.

    Args:
        figure: Of the validation, a mean of 0 and 1 that is not the reward.
        fall: The least fall that is of interest, as a share.
        errors: And the least fall in standard errors.
        patience: Validations in a row.
        action: As of `Sentinel`.

    Example:
        >>> from rlframework.callbacks.sentinels import HackingAlarm
        >>> HackingAlarm(figure="val/right", action="stop").figure
        'val/right'
    """

    causes = (
        "the reward can be had without the skill: by the layout alone, by naming every answer, by something that a "
        "judge likes; or the held-out problems are of another kind than those of training"
    )
    way_out = (
        "read the best paid completions of the latest rollouts (RolloutWriter), ask rlframework reward-report what the "
        "reward pays for, close the hole, and start again from the checkpoint with the best measure"
    )

    def __init__(
        self,
        figure: str = "val/accuracy",
        fall: float = 0.05,
        errors: float = 3.0,
        patience: int = 3,
        action: Action = "warn",
    ) -> None:
        super().__init__(action, patience)
        self.figure = figure
        self.fall = fall
        self.errors = errors
        self.needs = (figure,)  # type: ignore[misc]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Say so if there is no such measure."""
        if self._score(pl_module) is None:
            rank_zero_info(
                f"HackingAlarm has nothing to hold the reward against: there is no {self.figure}. Give the "
                "algorithm validation={'accuracy': ...} and the data held-out rows, or name another: "
                "HackingAlarm(figure='val/...')"
            )

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Say nothing of a missing measure: it was said when the run began, and a short run has no validation."""

    def measure(self, tally: Tally, record: RolloutRecord) -> None:
        """Add the mean reward."""
        tally.mean("reward", record.scores.total)

    def figures(self, trainer: pl.Trainer, pl_module: Any) -> dict[str, float]:
        """Keep the reward of each rollout until the next validation."""
        figures = super().figures(trainer, pl_module)
        if "reward" in figures:
            self.memory["rewards"] = [*self.memory.get("rewards", []), figures["reward"]][-_LATEST:]
        return figures

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Count the held-out prompts that were judged, over all ranks; afterwards the metric is empty again."""
        score = self._score(pl_module)
        if score is not None:
            counts = score.counts(lambda numbers: sum_over_replicas(trainer, numbers))
            self.memory["n"] = max(found.groups for found in counts.values())

    def _score(self, pl_module: Any) -> Any:
        return dict(getattr(pl_module, "validation_scores", {})).get(self.figure.removeprefix("val/"))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look; Lightning's trial before the run counts as the best so far if it was on as many prompts."""
        if trainer.sanity_checking and self.figure in trainer.callback_metrics and self.memory.get("n"):
            value = float(trainer.callback_metrics[self.figure])
            self.memory["best"] = {"value": value, "n": self.memory["n"], "rewards": []}
        super().on_validation_end(trainer, pl_module)

    def look(self, figures: dict[str, float]) -> str | None:
        """Return the measure and the reward at the best validation and now, if they went apart."""
        memory, now = self.memory, figures[self.figure]
        rewards, memory["rewards"] = memory.get("rewards", []), []
        if len(rewards) < 2:  # Of one rollout nobody knows the noise; it counts with the next validation's.
            memory["rewards"] = rewards
            return None
        n, best = memory["n"], memory.get("best")
        if best is None or best["n"] != n or now >= best["value"]:
            memory["best"] = {"value": now, "n": n, "rewards": rewards}
            return None
        # Before the first step there was no rollout; the first ones stand for it.
        before = best["rewards"] = best["rewards"] or rewards[: max(2, len(rewards) // 2)]
        was = best["value"]
        error = math.sqrt((was * (1 - was) + now * (1 - now)) / n)
        if was - now < max(self.fall, self.errors * error) or rise_in_errors(before, rewards) < 2:
            return None
        return (
            f"{self.figure} has fallen from {was:.3g} to {now:.3g} on {n} held-out prompts, while the mean "
            f"reward has risen from {fmean(before):.3g} to {fmean(rewards):.3g}"
        )
