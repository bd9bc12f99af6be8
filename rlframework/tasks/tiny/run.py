"""The command line and the Trainer of the recipes on tiny models."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger

from rlframework.callbacks import ProgressBar, RolloutWriter, RunWriter, SampleLogger, Sentinels

SMOKE_STEPS, SMOKE_HELDOUT, HELDOUT = 3, 32, 256


def recipe_parser(description: str, steps: int, seed: int = 0) -> argparse.ArgumentParser:
    """Return a parser of ``--seed``, ``--steps``, ``--output`` and ``--smoke``; a recipe may add its own.

    Args:
        description: What the recipe does; its first line is shown.
        steps: Optimizer steps unless told otherwise.
        seed: Seed unless told otherwise.

    Example:
        >>> recipe_parser("It learns.", steps=60).parse_args(["--seed", "3"]).steps
        60
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--seed", type=int, default=seed, help="of the base, the prompts and the samples")
    parser.add_argument("--steps", type=int, default=steps, help=f"optimizer steps, {steps} unless told otherwise")
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder of the run folders")
    smoke = f"{SMOKE_STEPS} steps and {SMOKE_HELDOUT} held-out problems: does it run at all?"
    parser.add_argument("--smoke", action="store_true", help=smoke)
    return parser


def sizes(options: argparse.Namespace) -> tuple[int, int]:
    """Return the optimizer steps and the held-out problems that the options ask for."""
    return (SMOKE_STEPS, SMOKE_HELDOUT) if options.smoke else (options.steps, HELDOUT)


def tiny_trainer(logger: CSVLogger, steps: int, *callbacks: pl.Callback) -> pl.Trainer:
    """Return an ordinary Trainer for a CPU; it validates every five steps, keeps every completion, and warns.

    Args:
        logger: Where its figures and completions go.
        steps: Optimizer steps.
        *callbacks: Besides progress bar, sentinels and those that show completions; with none no checkpoint is kept.
    """
    return pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        gradient_clip_val=1.0,
        logger=logger,
        log_every_n_steps=1,
        val_check_interval=min(5, steps),
        check_val_every_n_epoch=None,
        enable_checkpointing=bool(callbacks),
        callbacks=[RunWriter(), ProgressBar(), RolloutWriter(), SampleLogger(), Sentinels(), *callbacks],
    )
