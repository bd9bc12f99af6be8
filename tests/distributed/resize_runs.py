"""Runs that go on with another number of ranks, for test_resize.py: ``resize_runs.py <folder> <phase> <strategy> ...``.

The phase ``whole`` trains and saves after every step; any other goes on from each of the checkpoints. Each rank leaves
what it ended with in the folder.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.strategies import ModelParallelStrategy
from torch.distributed.fsdp import FSDPModule, fully_shard

from rlframework.algorithms import GRPO
from rlframework.callbacks import RolloutCallback
from rlframework.data import PromptDataModule
from rlframework.samplers import SharedPrefixSampler
from rlframework.testing import SnapshotSampler, letter_rows, tiny_policy
from tests.distributed.distributed_runs import Vowels, layers_of, make_trainer, weights
from tests.distributed.two_ranks import ANY_CHECKPOINT

# Rollouts of two steps, three in an epoch: inside a rollout, between two, and at the end of an epoch.
STEPS, STARTS = 8, (3, 4, 6)


class Momentum(GRPO):
    """Has a state of the optimizer that goes on. Adam would blow up the rounding of gradients that are 0 but for it."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.policy.parameters(), lr=0.05, momentum=0.9)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Sharded(Momentum):
    """Shards its policy over the ranks, one of them too."""

    def configure_model(self) -> None:
        model: Any = self.policy.model
        if isinstance(self.trainer.strategy, ModelParallelStrategy) and not isinstance(model, FSDPModule):
            mesh = self.device_mesh["data_parallel"]
            for layer in layers_of(model):
                fully_shard(layer, mesh=mesh)
            fully_shard(model, mesh=mesh)


class Prompts(RolloutCallback):
    """Notes the prompts of each rollout on this rank."""

    def __init__(self) -> None:
        self.seen: dict[int, set[int]] = {}

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, collected: Any) -> None:
        self.seen[collected.step] = {row.prompt.index for row in collected.completions}


def strategy_of(name: str, ranks: int) -> Any:
    if name in ("DDP", "ahead"):
        return "ddp" if ranks > 1 else "auto"
    shards = {"data_parallel_size": ranks, "tensor_parallel_size": 1}
    return ModelParallelStrategy(**shards, save_distributed_checkpoint=name.endswith("a folder"))


def run(folder: Path, name: str, ranks: int, start: int | None = None) -> dict[str, Any]:
    """Train, or go on from a checkpoint; return the weights, the prompts of each rollout and what was warned of."""
    sampler = SharedPrefixSampler(group_size=4, max_tokens=6)
    module = Sharded(
        tiny_policy(),
        Vowels(),
        SnapshotSampler(sampler) if name == "ahead" else sampler,
        prompts_per_rollout=8,
        minibatches_per_rollout=2,
        kl_coefficient=0.1,
        rollouts_ahead=int(name == "ahead"),
    )
    folder, prompts = folder / name, Prompts()
    saver = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    options = {"callbacks": [prompts] if start else [prompts, saver], "enable_checkpointing": not start}
    trainer = make_trainer(folder, strategy_of(name, ranks), ranks, max_steps=STEPS, limit_val_batches=0, **options)
    path = folder / f"step={start}.ckpt" if start else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(module, PromptDataModule(letter_rows(24)), ckpt_path=path, **ANY_CHECKPOINT)
    said = [str(warning.message) for warning in caught]
    return {"weights": weights(module), "prompts": prompts.seen, "steps": trainer.global_step, "warned": said}


def go_on(folder: Path, name: str, ranks: int) -> dict[int, dict[str, Any]]:
    """Go on from each of the checkpoints; return what came of it, or the words in which it was refused."""
    ends: dict[int, dict[str, Any]] = {}
    for start in STARTS:
        try:
            ends[start] = run(folder, name, ranks, start)
        except Exception as error:  # one must not keep the others from being tried
            ends[start] = {"error": f"{type(error).__name__}: {error}"}
    return ends


if __name__ == "__main__":
    place, phase, ranks = Path(sys.argv[1]), sys.argv[2], int(os.environ["WORLD_SIZE"])
    work = run if phase == "whole" else go_on
    results = {name: work(place, name, ranks) for name in sys.argv[3:]}
    (place / phase).mkdir(exist_ok=True)
    torch.save(results, place / phase / f"rank{os.environ['RANK']}.pt")
