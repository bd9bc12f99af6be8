"""Runs a program on two processes, or on more, and reads what each of them left."""

from __future__ import annotations

import inspect
import socket
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from tests import forked

# For `Trainer.fit`, to read a checkpoint with objects in it; Lightning before 2.6 reads every one so.
ANY_CHECKPOINT: dict[str, Any] = (
    {"weights_only": False} if "weights_only" in inspect.signature(pl.Trainer.fit).parameters else {}
)


def launch(folder: Path, *arguments: object, seconds: int = 300, ranks: int = 2) -> list[dict[Any, Any]]:
    """Run a program that leaves ``rank0.pt`` and ``rank1.pt`` in the folder; return what they hold."""
    for done in forked.run_together(arguments, environments(ranks), seconds=seconds):
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(ranks)]


def environments(ranks: int = 2) -> list[dict[str, str]]:
    """Return the environments of processes that find each other."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    # As torch.distributed.run has it. Lightning, which finds a rank, starts no process itself.
    common = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]
