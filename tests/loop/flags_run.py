"""A tiny real run with any flags of the Trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework.algorithms import GRPO
from rlframework.data import PromptDataModule
from rlframework.samplers import BatchedSampler
from rlframework.testing import letter_rows, tiny_policy
from tests.conftest import FirstLetter, Recorder, Vowels

QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
DEFAULTS = {**QUIET, "accelerator": "cpu", "devices": 1, "max_epochs": 1, "num_sanity_val_steps": 0}


class Ran(NamedTuple):
    """What is left of a run."""

    trainer: pl.Trainer
    algorithm: GRPO
    recorder: Recorder


class Descent(GRPO):
    """Steps by gradient descent, so that a step shows the gradient as it is."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.policy.parameters(), lr=self.optimization["lr"])


def weights(module: GRPO) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.policy.parameters()])


def algorithm(kind: type[GRPO] = GRPO, **options: Any) -> GRPO:
    """Return an algorithm whose rollouts are 4 prompts x 4 completions."""
    defaults = {"learning_rate": 1e-2, "schedule": "constant", "validation": {"accuracy": FirstLetter()}}
    sizes = {"prompts_per_rollout": 4, "sampler": BatchedSampler(group_size=4, max_tokens=4)}
    return kind(tiny_policy(), **{"reward": FirstLetter() + Vowels(), **sizes, **defaults, **options})


def data(prompts: int = 16, held_out: int = 4) -> PromptDataModule:
    return PromptDataModule(letter_rows(prompts), letter_rows(held_out) if held_out else None)


def run(
    folder: Path,
    module: GRPO | None = None,
    prompts: int = 16,
    held_out: int = 0,
    ckpt_path: str | Path | None = None,
    **flags: Any,
) -> Ran:
    """Train: four rollouts an epoch unless told otherwise."""
    module, recorder = algorithm() if module is None else module, Recorder()
    callbacks = [*flags.pop("callbacks", []), recorder]
    options = {**DEFAULTS, "default_root_dir": folder, **flags}
    trainer = pl.Trainer(**options, callbacks=callbacks)
    trainer.fit(module, data(prompts, held_out), ckpt_path=ckpt_path)
    return Ran(trainer, module, recorder)
