"""Starts a command that runs on two processes, and reads what either of them left."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[2]


def launch(command: list[str], folder: Path, seconds: float = 300, **environment: str) -> list[dict[Any, Any]]:
    """Run a command that leaves ``rank0.pt`` and ``rank1.pt`` in the folder; return what they hold."""
    output = folder / "output.txt"
    with output.open("w") as file:
        # A session of its own, since the command starts processes itself: one signal ends them all.
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    assert code == 0, output.read_text()[-4000:]
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]
