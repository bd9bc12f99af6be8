"""What syncing, renaming and hashing add to a checkpoint: ``python benchmarks/checkpoints.py [FOLDER] [MEGABYTES]``.

Seconds by the clock, the best of five, for a file of 500 MB unless told otherwise.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from rlframework.loop.checkpoint_files import SafeCheckpointIO, check_checkpoint

REPEATS = 5


def synced(checkpoint: dict[str, Any], path: Path) -> None:
    torch.save(checkpoint, path)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def seconds(work: Callable[[], Any]) -> float:
    taken = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def main(folder: str, megabytes: int) -> None:
    checkpoint = {f"layer_{n}": torch.randn(megabytes * 2500) for n in range(100)}
    path = Path(folder, "last.ckpt")
    rows: dict[str, Callable[[], Any]] = {
        "torch.save": lambda: torch.save(checkpoint, path),
        "torch.save, then fsync": lambda: synced(checkpoint, path),
        "Lightning's save": lambda: TorchCheckpointIO().save_checkpoint(checkpoint, path),
        "save with digest": lambda: SafeCheckpointIO().save_checkpoint(checkpoint, path),
        "torch.load": lambda: torch.load(path, weights_only=True),
        "load with digest": lambda: SafeCheckpointIO().load_checkpoint(path, weights_only=True),
        "the check alone": lambda: check_checkpoint(path),
    }
    for name, work in rows.items():
        print(f"{name:<24}{seconds(work):6.2f} s")
    path.unlink()


if __name__ == "__main__":
    given = sys.argv[1:]
    main(given[0] if given else tempfile.mkdtemp(), int(given[1]) if len(given) > 1 else 500)
