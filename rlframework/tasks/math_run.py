"""Sizes, command line and Trainer of the maths recipes, and small stand-ins for what is on the hub."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger

from rlframework.callbacks import ProgressBar, Sentinels
from rlframework.tasks.rash_base import create_rash_base
from rlframework.tasks.sums_dataset import write_openr1_sums


@dataclass(frozen=True)
class Sizes:
    """Sizes of a maths recipe; by default for a model of 4 billion weights on one GPU of 80 GB.

    Args:
        sft_steps: Optimizer steps of priming.
        sft_batch: Demonstrations in a step.
        sft_accumulate: Minibatches that they are cut into.
        sft_tokens: Longest demonstration, prompt included.
        sft_learning_rate: Peak learning rate of priming.
        steps: Optimizer steps of GRPO, each of one rollout.
        prompts: Prompts in a rollout.
        group: Completions of a prompt.
        minibatches: Minibatches that a rollout is cut into.
        max_tokens: Token budget of a completion, in training and in every row of the comparison.
        learning_rate: Peak learning rate of GRPO.
        heldout: Problems that the rows are measured on.
        heldout_share: Share of the data set that they are chosen from and that nothing is trained on.
    """

    sft_steps: int = 64
    sft_batch: int = 8
    sft_accumulate: int = 4
    sft_tokens: int = 2048
    sft_learning_rate: float = 2e-4
    steps: int = 100
    prompts: int = 8
    group: int = 8
    minibatches: int = 8
    max_tokens: int = 3072
    learning_rate: float = 5e-6
    heldout: int = 256
    heldout_share: float = 0.02

    @property
    def rows_at_once(self) -> int:
        """Completions that are sampled together, in training and in measuring."""
        return self.prompts * self.group


FULL = Sizes()
# For a model of a hundred thousand weights, and problems of a line.
TINY = Sizes(
    sft_steps=32,
    sft_accumulate=1,
    sft_tokens=128,
    sft_learning_rate=2e-3,
    steps=100,
    prompts=16,
    minibatches=1,
    max_tokens=64,
    learning_rate=5e-4,
    heldout_share=0.2,
)


def recipe_options(
    description: str, model: str, data: str, flags: Mapping[str, str] | None = None
) -> argparse.Namespace:
    """Return what the command line asks for: ``model``, ``data``, ``output``, ``seed`` and ``sizes``.

    With ``--tiny`` model and data are made, unless they are named.

    Args:
        description: What the recipe does; its first line is shown.
        model: Unless another is named: a hub name or a folder.
        data: Likewise.
        flags: Further switches of a recipe, with what they do.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--model", help=f"a hub name or a folder, {model} unless told otherwise")
    parser.add_argument("--data", help=f"a set in the layout of OpenR1-Math: a hub name or a folder ({data})")
    parser.add_argument("--tiny", action="store_true", help="a tiny base and sums, made on the spot, for a CPU")
    parser.add_argument("--seed", type=int, default=0, help="of priming, rollouts and held-out problems")
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder of the run folders")
    for name in ("steps", "sft_steps", "heldout", "max_tokens"):
        parser.add_argument("--" + name.replace("_", "-"), type=int, help=f"see Sizes.{name}")
    for flag, meaning in (flags or {}).items():
        parser.add_argument(flag, action="store_true", help=meaning)
    options = parser.parse_args()
    changes = {
        name: value for name in ("steps", "sft_steps", "heldout", "max_tokens") if (value := vars(options)[name])
    }
    options.sizes = replace(TINY if options.tiny else FULL, **changes)
    options.model = options.model or (str(create_rash_base(options.seed)) if options.tiny else model)
    options.data = options.data or (str(_sums(options.output)) if options.tiny else data)
    return options


def _sums(output: Path) -> Path:
    return write_openr1_sums(output / "sums_as_openr1", 2000)


def math_trainer(logger: CSVLogger, steps: int, accumulate: int, *callbacks: pl.Callback) -> pl.Trainer:
    """Return an ordinary Trainer, in bfloat16 where there is a GPU; with callbacks it validates four times.

    Args:
        logger: Where its figures go.
        steps: Optimizer steps.
        accumulate: Minibatches of a step.
        *callbacks: Besides progress bar and sentinels; with none no checkpoint is kept and nothing is validated.
    """
    return pl.Trainer(
        max_steps=steps,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=1.0,
        precision="bf16-mixed" if torch.cuda.is_available() else "32-true",
        logger=logger,
        log_every_n_steps=1,
        val_check_interval=max(1, steps // 4) * accumulate,
        check_val_every_n_epoch=None,
        limit_val_batches=1 if callbacks else 0,
        num_sanity_val_steps=0,
        enable_checkpointing=bool(callbacks),
        callbacks=[ProgressBar(), Sentinels(), *callbacks],
    )
