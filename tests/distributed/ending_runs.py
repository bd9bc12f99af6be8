"""A run of two ranks of which one fails, for test_rank_watch.py: ``python ending_runs.py <folder> <where> <what>``.

The number of the rank may follow; it is 1 by default.

With ``RANK`` in its environment the process is one of two; else Lightning's ``STRATEGY`` starts the other.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import OnExceptionCheckpoint
from pytorch_lightning.loggers import CSVLogger

from rlframework.algorithms import GRPO
from rlframework.callbacks import RankWatch
from rlframework.completions import Completion
from rlframework.data import PromptDataModule
from rlframework.rewards.base import RowReward
from rlframework.samplers import BatchedSampler
from rlframework.testing import letter_rows, tiny_policy
from tests.distributed.two_ranks import ANY_CHECKPOINT

HANG_S, GRACE_S = 5.0, 4.0

signal.signal(signal.SIGINT, signal.default_int_handler)  # as of a program in the foreground


def fail(what: str) -> None:
    """Raise, hang or signal, as one word says."""
    if what == "error":
        raise KeyError("planted")
    if what == "memory":
        raise MemoryError("planted")
    if what == "sleep":
        time.sleep(1000.0)
    if what == "lock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    if what == "regex":  # minutes inside one call of C, with the interpreter's lock
        re.fullmatch(r"(a|aa)+", "a" * 60 + "b")
    if what.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, what))


class Planted:
    """A fault of one rank, in the second rollout."""

    def __init__(self, folder: Path, where: str, what: str, rank: int) -> None:
        self.folder, self.where, self.what, self.rank = folder, where, what, rank

    def at(self, where: str, number: int) -> None:
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        if where == self.where and rank == self.rank and number == 1:
            path = self.folder / "begun"
            if not path.exists():
                path.write_text(str(time.time()))
                fail(self.what)


class Vowels(RowReward):
    """Share of vowels; a fault in the second rollout."""

    def __init__(self, planted: Planted) -> None:
        super().__init__()
        self.planted, self.rows = planted, 0

    def score_row(self, completion: Completion) -> float:
        self.planted.at("reward", self.rows // 16)
        self.rows += 1
        return sum(letter in "aeiou" for letter in completion.text) / max(len(completion.text), 1)


class Sampler(BatchedSampler):
    """A sampler with a fault; the other rank is slow."""

    samples_policy_itself = True
    planted: Any = None

    def sample(self, policy: Any, prompts: Any, *, step: int = 0) -> Any:
        self.planted.at("sampler", step)
        if self.planted.where == "sampler" and step == 1 and self.planted.what != "sleep":
            time.sleep(60.0)
        return super().sample(policy, prompts, step=step)


class Faults(pl.Callback):
    def __init__(self, planted: Planted) -> None:
        self.planted = planted

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.planted.at("callback", batch_idx)

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        self.planted.at("backward", trainer.global_step)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.planted.at("end", 1)


class Data(PromptDataModule):
    planted: Any = None

    def setup(self, stage: str) -> None:
        super().setup(stage)
        self.planted.at("data", 1)


def main(folder: Path, where: str, what: str, rank: str = "1") -> None:
    planted = Planted(folder, where, what, int(rank))
    sampler = Sampler(group_size=4, max_tokens=4)
    sampler.planted = planted
    module = GRPO(tiny_policy(), Vowels(planted), sampler, prompts_per_rollout=8, learning_rate=1e-2)
    data = Data(letter_rows(32))
    data.planted = planted
    watch = RankWatch(hang_s=HANG_S, grace_s=GRACE_S)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy=os.environ.get("STRATEGY", "ddp"),
        max_epochs=2,
        callbacks=[Faults(planted), OnExceptionCheckpoint(folder), watch],
        logger=CSVLogger(folder, "logged", version=0),
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )
    path = folder / "on_exception.ckpt"
    trainer.fit(module, data, ckpt_path=path if path.exists() else None, **ANY_CHECKPOINT)
    weights = torch.nn.utils.parameters_to_vector(module.policy.parameters())
    (folder / f"done{trainer.global_rank}").write_text(f"{trainer.global_step} {weights.double().sum():.17g}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
