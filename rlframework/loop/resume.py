"""What a run needs besides weights and loops to go on bit by bit, and which Lightning leaves out of its checkpoints."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from rlframework.loop.loader import RolloutLoader
from rlframework.utilities.distributed import from_all_ranks, replica


def run_state(trainer: pl.Trainer) -> dict[str, Any]:
    """Return every rank's random state and the accumulation, for a checkpoint. Every rank has to call it."""
    return {
        "random_states": from_all_ranks(random_state()),
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
    }


def restore_run_state(trainer: pl.Trainer, state: dict[str, Any]) -> None:
    """Go on in the stream of minibatches, and with the random numbers, of the run that was saved.

    To be called when training starts: setting up a run draws random numbers of its own.

    Raises:
        ValueError: The checkpoint lies inside a rollout whose token weights are those of another accumulation.
    """
    # Lightning gives a loader its state when it makes it, and it makes it too early if `configure_optimizers` asks for
    # `estimated_stepping_batches`: before it has read the state. A second call finds nothing left to do.
    trainer.fit_loop._load_combined_loader_states()
    loader, saved = trainer.train_dataloader, state["accumulate_grad_batches"]
    if isinstance(loader, RolloutLoader) and loader.inside_rollout and saved != trainer.accumulate_grad_batches:
        raise ValueError(
            f"accumulate_grad_batches={saved} is now {trainer.accumulate_grad_batches}, and the checkpoint lies inside "
            "a rollout whose token weights are those of its own accumulation; resume with that one, or from a "
            "checkpoint between two rollouts"
        )
    rank, replicas = replica(trainer)
    if len(state["random_states"]) == replicas:
        restore_random_state(state["random_states"][rank])
    else:
        rank_zero_warn(f"{len(state['random_states'])} ranks are now {replicas}: dropout draws other numbers")


def random_state() -> dict[str, Any]:
    """Return the states of Python's, NumPy's, torch's and this process's GPU's generator.

    Plain numbers and tensors, which is all that ``torch.load`` reads from a checkpoint by default.
    """
    numpy = np.random.get_state(legacy=False)
    numpy["state"]["key"] = numpy["state"]["key"].tolist()
    return {
        "python": random.getstate(),
        "numpy": numpy,
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Set the generators to what `random_state` returned."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
