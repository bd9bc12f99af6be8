"""Accumulation of an epoch: the Trainer's ``accumulate_grad_batches``, or what a GradientAccumulationScheduler says."""

from __future__ import annotations

from math import ceil, inf

import pytorch_lightning as pl
from pytorch_lightning.callbacks import GradientAccumulationScheduler


def scheduler_of(trainer: pl.Trainer) -> GradientAccumulationScheduler | None:
    """Return the callback that changes the accumulation from epoch to epoch, or None.

    Args:
        trainer: A Trainer.
    """
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return next((one for one in callbacks if isinstance(one, GradientAccumulationScheduler)), None)


def accumulation(trainer: pl.Trainer, epoch: int) -> int:
    """Return how many minibatches an optimizer step of this epoch takes.

    Args:
        trainer: A Trainer.
        epoch: Number of the epoch, from 0.
    """
    scheduler = scheduler_of(trainer)
    return trainer.accumulate_grad_batches if scheduler is None else scheduler.get_accumulate_grad_batches(epoch)


def accumulations(trainer: pl.Trainer) -> set[int]:
    """Return every accumulation that the epochs of a run have.

    Args:
        trainer: A Trainer.
    """
    scheduler, last = scheduler_of(trainer), trainer.max_epochs
    if scheduler is None:
        return {trainer.accumulate_grad_batches}
    return {minibatches for epoch, minibatches in scheduler.scheduling.items() if last in (None, -1) or epoch < last}


def optimizer_steps(trainer: pl.Trainer) -> float:
    """Return the optimizer steps of a whole run, infinite where nothing bounds them.

    Lightning's own count knows the accumulation of the first epoch alone.

    Args:
        trainer: A Trainer that is set up for training.
    """
    steps, epochs = trainer.estimated_stepping_batches, trainer.max_epochs
    if scheduler_of(trainer) is None or epochs in (None, -1):
        return steps
    batches = trainer.num_training_batches
    counted = sum(ceil(batches / accumulation(trainer, epoch)) for epoch in range(epochs))
    return min(counted, inf if trainer.max_steps == -1 else trainer.max_steps)
