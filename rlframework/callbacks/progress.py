"""Progress bar of Lightning, with the rollouts in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import TQDMProgressBar
from tqdm.auto import tqdm

from rlframework.loop.callback import RolloutCallback, RolloutRecord
from rlframework.prompt import Prompt


class ProgressBar(TQDMProgressBar, RolloutCallback):
    """Shows reward and accuracy next to Lightning's bar, and a second bar while a rollout is sampled.

    There is no ``loss`` in it: the loss of an on-policy step with centred advantages is 0 and says nothing.

    Example:
        >>> trainer = pl.Trainer(callbacks=[ProgressBar()], logger=False, enable_checkpointing=False)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rollout_bar: tqdm | None = None

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Return the bar's metrics, without the logger's version number."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

    @property
    def total_train_batches(self) -> int | float:
        """Minibatches that the bar counts; Lightning would end it at ``max_steps`` optimizer steps."""
        trainer, total = self.trainer, self.trainer.num_training_batches
        if trainer.max_epochs != -1 or trainer.max_steps <= 0:
            return total
        return min((trainer.max_steps - trainer.global_step) * trainer.accumulate_grad_batches, total)

    def on_rollout_start(self, trainer: pl.Trainer, pl_module: Any, prompts: Sequence[Prompt]) -> None:
        """Open the rollout's bar; off a terminal there is none."""
        sampler = pl_module.sampler
        rows = len(prompts) * sampler.group_size
        disable = True if self.is_disabled or not trainer.is_global_zero else None
        self._rollout_bar = tqdm(
            total=sampler.max_tokens, desc=f"Rollout of {rows}", unit="token", position=1, leave=False, disable=disable
        )
        sampler.progress = self._advance

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: Any, collected: RolloutRecord) -> None:
        """Close the rollout's bar."""
        pl_module.sampler.progress = None
        if self._rollout_bar is not None:
            self._rollout_bar.close()

    def _advance(self, tokens: int, unfinished: int) -> None:
        if self._rollout_bar is not None:
            self._rollout_bar.set_postfix_str(f"{unfinished} unfinished", refresh=False)
            self._rollout_bar.update(tokens - self._rollout_bar.n)
