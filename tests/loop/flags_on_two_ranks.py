"""Trains on two processes with some flags of the Trainer; leaves what either rank ended with, and its prompts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from tests.loop.flags_run import run, weights

if __name__ == "__main__":
    folder, flags = Path(sys.argv[1]), json.loads(sys.argv[2])
    ran = run(folder, held_out=5, **flags)
    prompts = [row.prompt.index for collected in ran.recorder.collected for row in collected.completions]
    found = {
        "weights": weights(ran.algorithm),
        "prompts": sorted(set(prompts)),
        "world": ran.trainer.world_size,
        "nodes": ran.trainer.num_nodes,
        "accuracy": float(ran.trainer.callback_metrics["val/accuracy"]),
    }
    torch.save(found, folder / f"rank{torch.distributed.get_rank()}.pt")
