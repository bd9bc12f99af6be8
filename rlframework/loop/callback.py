"""The moments of a rollout, for Lightning callbacks."""

from __future__ import annotations

from collections.abc import Sequence

import pytorch_lightning as pl

from rlframework.loop.collect import Collected
from rlframework.prompt import Prompt
from rlframework.utilities.arguments import Checked


class RolloutCallback(Checked, pl.Callback):
    """A Lightning callback that is also told when a rollout starts and when it is done.

    Example:
        >>> class PrintBest(RolloutCallback):
        ...     def on_rollout_end(self, trainer, pl_module, collected):
        ...         best = collected.rollout.rewards.argmax()
        ...         print(collected.completions.rows[best].text)
    """

    def on_rollout_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, prompts: Sequence[Prompt]) -> None:
        """Called before this rank's prompts are sampled."""

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, collected: Collected) -> None:
        """Called when completions, scores and tensors are complete, before the first update."""
