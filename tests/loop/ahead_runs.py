"""Runs ahead in processes of their own, for test_ahead_ends.py: ``python ahead_runs.py <folder> <what>``.

With ``RANK`` in its environment the process is one of two.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from rlframework import GRPO, PromptDataModule, SharedPrefixSampler
from rlframework.testing import SnapshotSampler, letter_rows, tiny_policy
from tests.loop.killed_runs import Letters

signal.signal(signal.SIGINT, signal.default_int_handler)  # as of a program in the foreground


class Silent(SnapshotSampler):
    """From the third rollout on it asks a server that never answers."""

    def __init__(self, sampler: SharedPrefixSampler) -> None:
        super().__init__(sampler)
        self.server = socket.create_server(("127.0.0.1", 0))

    def ask(self, prompts: Any, *, step: int, version: Any) -> Any:
        if step >= 2:
            with socket.create_connection(self.server.getsockname(), timeout=60) as connection:
                connection.recv(1)
        return super().ask(prompts, step=step, version=version)


class Broken(SnapshotSampler):
    """Fails on the second rank alone."""

    def ask(self, prompts: Any, *, step: int, version: Any) -> Any:
        if step == 2 and os.environ.get("RANK") == "1":
            raise OSError("the fleet of this rank is dead")
        return super().ask(prompts, step=step, version=version)


class Act(pl.Callback):
    def __init__(self, folder: Path, what: str) -> None:
        self.folder, self.what = folder, what

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step != 1:
            return
        if self.what in ("error", "interrupt"):
            (self.folder / "acted").write_text(str(time.time()))
        if self.what == "error":
            raise KeyError("planted")
        if self.what == "interrupt":
            # Into the waiting for a rollout that never comes.
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()


def main(folder: Path, what: str) -> None:
    pl.seed_everything(1, verbose=False)
    kinds = {"broken": Broken, "equal": SnapshotSampler}
    sampler = kinds.get(what, Silent)(SharedPrefixSampler(group_size=4, max_tokens=4))
    ahead = {"rollouts_ahead": 2 if what != "equal" else 1, "minibatches_per_rollout": 2}
    algorithm = GRPO(tiny_policy(), Letters(), sampler, prompts_per_rollout=4, learning_rate=1e-2, **ahead)
    ranks = {"strategy": "ddp", "devices": 2} if "RANK" in os.environ else {}
    trainer = pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        max_epochs=3,
        accumulate_grad_batches=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Act(folder, what)],
        **ranks,
    )
    try:
        trainer.fit(algorithm, PromptDataModule(letter_rows(12)))
    except Exception as error:
        (folder / f"raised{os.environ.get('RANK', '0')}").write_text(f"{type(error).__name__}: {error}")
        raise
    weights = torch.cat([weight.detach().flatten() for weight in algorithm.policy.parameters()])
    torch.save({"weights": weights, "steps": trainer.global_step}, folder / f"rank{os.environ.get('RANK', '0')}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
