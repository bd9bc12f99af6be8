"""A recipe in YAML for ranks on several machines, and what each of them leaves behind."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import yaml

from rlframework.testing import letter_rows
from tests.distributed.distributed_runs import weights

HERE = "tests.distributed"


class LeaveWeights(pl.Callback):
    """Leaves the weights of this rank in a folder when training ends, and who started it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        found = {"weights": weights(pl_module), "steps": trainer.global_step, "world": trainer.world_size}
        found["environment"] = type(trainer._accelerator_connector.cluster_environment).__name__
        found["links"] = {name for _, name in socket.if_nameindex()}
        torch.save(found, Path(self.folder) / f"rank{trainer.global_rank}.pt")


class SlowSteps(pl.Callback):
    """Takes a second for every step, and leaves a file when it begins."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        Path(self.folder, f"step{trainer.global_step}").touch()
        time.sleep(1.0)


def small_recipe(folder: Path, callback: str = "LeaveWeights", **others: Any) -> Path:
    """Write a recipe of three steps of gradient descent, whose ranks leave their weights in the folder."""
    sampler = {"class_path": "rlframework.samplers.BatchedSampler", "init_args": {"group_size": 4, "max_tokens": 6}}
    parts = {"policy": {"class_path": "rlframework.testing.tiny_policy"}, "sampler": sampler, "prompts_per_rollout": 8}
    parts |= others
    parts["reward"] = {"class_path": f"{HERE}.distributed_runs.Vowels"}
    names = dict.fromkeys(["LeaveWeights", callback])
    callbacks = [{"class_path": f"{HERE}.host_runs.{name}", "init_args": {"folder": str(folder)}} for name in names]
    quiet: dict[str, Any] = dict.fromkeys(
        ["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False
    )
    quiet["default_root_dir"] = str(folder)
    trainer = {"accelerator": "cpu", "max_steps": 3, "limit_val_batches": 0, "callbacks": callbacks, **quiet}
    recipe = {
        "seed_everything": 0,
        "model": {"class_path": f"{HERE}.distributed_runs.Plain", "init_args": parts},
        "data": {"class_path": "rlframework.data.PromptDataModule", "init_args": {"train": letter_rows(24)}},
        "trainer": trainer,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path
