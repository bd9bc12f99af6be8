"""Processes that are killed while they overwrite a checkpoint; says of each what was left.

    python tests/loop/killed_saves.py FOLDER KILLS MEGABYTES [LightningPlugin]

One line of JSON per kill: which save the file holds ("lost" if it is not whole), and how many scratch files lie there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, NoReturn

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from rlframework.loop.checkpoint_files import SafeCheckpointIO


def checkpoint(number: int, megabytes: float) -> dict[str, Any]:
    return {"number": number, "weights": torch.full((int(megabytes * 250_000),), float(number))}


def held(plugin: TorchCheckpointIO, path: Path) -> int | str:
    """Return the number of the save that a file holds."""
    try:
        saved = plugin.load_checkpoint(path)
    except Exception as error:
        return f"lost: {type(error).__name__}"
    whole = bool((saved["weights"] == saved["number"]).all())
    return saved["number"] if whole else "lost: other weights"


def save_for_ever(plugin: TorchCheckpointIO, path: Path, first: int, megabytes: float, begun: int) -> NoReturn:
    for number in range(first, sys.maxsize):
        made = checkpoint(number, megabytes)
        os.write(begun, b".")
        plugin.save_checkpoint(made, path)
    raise AssertionError


def main(folder: str, kills: str, megabytes: str, kind: str = "") -> None:
    # In a forked process the choice of the first one may stand, and not that of TMPDIR.
    tempfile.tempdir = None
    plugin = TorchCheckpointIO() if kind else SafeCheckpointIO()
    path, random, number = Path(folder, "last.ckpt"), Random(0), 1
    started = time.perf_counter()
    plugin.save_checkpoint(checkpoint(0, float(megabytes)), path)
    duration = time.perf_counter() - started
    for _ in range(int(kills)):
        reader, begun = os.pipe()
        child = os.fork()
        if not child:
            save_for_ever(plugin, path, number, float(megabytes), begun)
        os.close(begun)
        os.read(reader, 1)  # a save begins
        time.sleep(2 * duration * random.random())
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        left = len([*Path(folder).glob(".rlframework-*")])
        holds = held(plugin, path)
        print(json.dumps({"holds": holds, "at_least": number - 1, "left": left}), flush=True)
        number = holds + 1 if isinstance(holds, int) else number + 1


if __name__ == "__main__":
    main(*sys.argv[1:])
