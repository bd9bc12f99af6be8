"""Two ranks of FSDP2 that save in shards and read what became of it: ``python folder_saves.py FOLDER``.

The policy is FOLDER/base. Each rank leaves in FOLDER what it met with.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.strategies import ModelParallelStrategy
from torch.distributed.fsdp import FSDPModule, fully_shard

from rlframework.algorithms import GRPO
from rlframework.data import PromptDataModule
from rlframework.policies import CausalLMPolicy
from rlframework.samplers import BatchedSampler
from rlframework.testing import letter_rows
from tests.distributed.distributed_runs import Vowels


class Sharded(GRPO):
    def configure_model(self) -> None:
        model = self.policy.model
        if not isinstance(model, FSDPModule):
            fully_shard(model, mesh=self.device_mesh["data_parallel"])


def weights(module: GRPO) -> torch.Tensor:
    return torch.cat([parameter.full_tensor().detach().flatten() for parameter in module.policy.parameters()])


def run(folder: Path, steps: int, ckpt_path: Path | None = None) -> GRPO:
    policy, sampler = CausalLMPolicy(folder.parent / "base"), BatchedSampler(group_size=4, max_tokens=4)
    module = Sharded(policy, Vowels(), sampler, prompts_per_rollout=4, learning_rate=1e-2)
    saver = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1, save_last=True)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy=ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1),
        max_steps=steps,
        callbacks=[saver],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, PromptDataModule(letter_rows(16)), ckpt_path=ckpt_path)
    return module


def refused(folder: Path, ckpt_path: Path) -> str:
    try:
        run(folder, 4, ckpt_path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "trained"


def main(folder: Path) -> dict[str, Any]:
    rank = int(os.environ["RANK"])
    last, second = folder / "run/last.ckpt", folder / "run/step=2.ckpt"
    whole = weights(run(folder / "run", 3))
    found: dict[str, Any] = {"weights": whole, "files": sorted(path.name for path in (folder / "run").iterdir())}
    found["shards"] = sorted(path.name for path in last.iterdir())
    found["resumed"] = torch.equal(weights(run(folder / "run", 3, second)), whole)
    # Killed between the two renames of a save.
    if rank == 0:
        last.rename(folder / "run/.rlframework-previous-last.ckpt")
    torch.distributed.barrier()
    found["settled"] = torch.equal(weights(run(folder / "run", 3, last)), whole)
    for name in ("__0_0.distcp", "__1_0.distcp", "meta.pt"):
        before = (second / name).read_bytes()
        torch.distributed.barrier()
        if rank == 0:
            (second / name).write_bytes(before[:-40] + bytes([before[-40] ^ 1]) + before[-39:])
        torch.distributed.barrier()
        found[name] = refused(folder / "run", second)
        torch.distributed.barrier()
        if rank == 0:
            (second / name).write_bytes(before)
        torch.distributed.barrier()
    return found


if __name__ == "__main__":
    place = Path(sys.argv[1])
    torch.save(main(place), place / f"rank{os.environ['RANK']}.pt")
