"""Callbacks for the moments of a rollout, and the record of a rollout that they get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytorch_lightning as pl

from rlframework.completions import Completions
from rlframework.functional.logprobs import TokenLogProbs
from rlframework.prompt import Prompt
from rlframework.rewards.base import Scores
from rlframework.rollout import Rollout
from rlframework.utilities.arguments import Checked


@dataclass(frozen=True)
class RolloutRecord:
    """A rollout as people read it: the text, the scores and the tensors. Callbacks get it when the rollout is done.

    Its ``B = N * G`` rows stand in the order in which they are cut into minibatches.

    Args:
        step: Number of the rollout.
        completions: The ``B`` completions, as text and ids.
        scores: Every reward component of every completion, ``(N, G)`` each.
        rollout: The tensors that the policy learns from.
        weights: With ``rollouts_ahead``, number of the rollout that was begun when its weights were published; None
            without: the newest.
    """

    step: int
    completions: Completions
    scores: Scores
    rollout: Rollout
    weights: int | None = None


# Its name until 0.1.
Collected = RolloutRecord


class RolloutCallback(Checked, pl.Callback):
    """A Lightning callback that is also told when a rollout starts, how it gets on, and when it is done.

    Example:
        >>> class PrintBest(RolloutCallback):
        ...     def on_rollout_end(self, trainer, pl_module, record):
        ...         best = record.rollout.rewards.argmax()
        ...         print(record.completions.rows[best].text)
    """

    def on_rollout_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, prompts: Sequence[Prompt]) -> None:
        """Called before this rank's prompts are sampled.

        Args:
            trainer: The Trainer.
            pl_module: The algorithm.
            prompts: Prompts of this rank.
        """

    def on_rollout_progress(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, tokens: int, unfinished: int
    ) -> None:
        """Called now and then while a rollout is sampled.

        Args:
            trainer: The Trainer.
            pl_module: The algorithm.
            tokens: Tokens of the longest completion so far.
            unfinished: Completions without an end yet.
        """

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, record: RolloutRecord) -> None:
        """Called when completions, scores and tensors are complete, before the first update.

        Args:
            trainer: The Trainer.
            pl_module: The algorithm.
            record: The finished rollout.
        """

    def on_minibatch_scored(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Rollout, scored: TokenLogProbs
    ) -> None:
        """Called for each minibatch of an optimizer step, when its loss is known and before its backward pass.

        ``pl_module.token_terms(scored, batch)`` is what the loss is made of, token by token.

        Args:
            trainer: The Trainer.
            pl_module: The algorithm.
            batch: The minibatch.
            scored: ``(B, T)`` log-probabilities and entropies that the loss was made of, without gradient.
        """

    def on_validation_completions(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        completions: Completions,
        scores: Mapping[str, Scores],
    ) -> None:
        """Called after each batch of held-out prompts of this rank, if there are any in it.

        Args:
            trainer: The Trainer.
            pl_module: The algorithm.
            completions: The completions of the batch.
            scores: What each measure of ``validation={...}`` said of them, and under ``"reward"`` the reward.
        """
