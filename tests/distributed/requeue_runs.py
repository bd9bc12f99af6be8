"""A run of two ranks of which rank 1 alone gets a signal: ``python requeue_runs.py <folder> <where> [planted]``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from rlframework.algorithms import GRPO
from rlframework.callbacks import RankWatch
from rlframework.callbacks.requeue_on_signal import RequeueOnSignal
from rlframework.loop.callback import RolloutCallback
from tests.distributed.distributed_runs import algorithm, fit, make_trainer, weights


class SaveInHandler(RequeueOnSignal):
    """The planted fault: saves where the signal comes, as Lightning's handler does."""

    trainer: Any = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        self.trainer = trainer

    def _note(self, number: int, frame: Any) -> None:
        Path(self.trainer.default_root_dir, "begun").touch()
        self.trainer.save_checkpoint(Path(self.trainer.default_root_dir) / "hpc_ckpt_1.ckpt")
        super()._note(number, frame)


class Signal(RolloutCallback):
    """Sends the signal to rank 1, inside the second rollout or the backward pass of the third minibatch."""

    def __init__(self, where: str) -> None:
        self.where, self.rollouts, self.minibatches = where, 0, 0

    def _send(self) -> None:
        if torch.distributed.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGUSR1)

    def on_rollout_start(self, trainer: Any, pl_module: Any, prompts: Any) -> None:
        self.rollouts += 1
        if self.where == "rollout" and self.rollouts == 2:
            self._send()

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        self.minibatches += 1
        if self.where == "step" and self.minibatches == 3:
            self._send()


def main(folder: Path, where: str, planted: str = "") -> None:
    kind = SaveInHandler if planted else RequeueOnSignal
    callbacks: list[pl.Callback] = [Signal(where), RankWatch(hang_s=5.0, grace_s=4.0)]
    if where in ("rollout", "step"):
        rank = os.environ["RANK"]
        callbacks.append(kind(command=["sh", "-c", f"echo $WORLD_SIZE >> {folder}/requeued{rank}"]))
    module = algorithm(GRPO, dropout=0.3, passes_per_rollout=2)
    options = {"max_epochs": 1, "accumulate_grad_batches": 2, "limit_val_batches": 0, "callbacks": callbacks}
    trainer = make_trainer(folder, "ddp", 2, **options)
    saved = folder / "hpc_ckpt_1.ckpt"
    fit(module, trainer, saved if where == "resume" else None)
    torch.save({"weights": weights(module), "steps": trainer.global_step}, folder / f"rank{os.environ['RANK']}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
