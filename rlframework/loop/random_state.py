"""Random state of a process: the generators of Python, NumPy, torch and the GPU, saved and restored together."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Return the states of Python's, NumPy's, torch's and this process's GPU's generator.

    Plain numbers and tensors, which is all that ``torch.load`` reads from a checkpoint by default.
    """
    numpy = np.random.get_state(legacy=False)
    numpy["state"]["key"] = torch.from_numpy(numpy["state"]["key"].view(np.int32))
    return {
        "python": random.getstate(),
        "numpy": numpy,
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Set the generators to what `random_state` returned."""
    random.setstate(state["python"])
    words = state["numpy"]["state"]
    np.random.set_state({**state["numpy"], "state": {**words, "key": words["key"].cpu().numpy().view(np.uint32)}})
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
