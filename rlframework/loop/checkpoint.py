"""Checkpoints: the state, next to the weights, from which a run resumes exactly; without the frozen base."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch import nn

from rlframework.loop.loader import RolloutLoader
from rlframework.policies.base import Policy
from rlframework.policies.rewriting import keeps_first_value, original_base
from rlframework.utilities.digest import digest
from rlframework.utilities.distributed import from_all_ranks, is_sharded, replica

POLICY = "policy."
ORIGIN = "policy_origin"


def leave_out_base(checkpoint: dict[str, Any], policy: Policy) -> None:
    """Take the frozen base out of a checkpoint; put in its digest, and what the policy was made of.

    Args:
        checkpoint: As Lightning hands it to ``on_save_checkpoint``; it is changed.
        policy: The policy that is saved.
    """
    checkpoint[ORIGIN] = policy.origin()
    if not policy.frozen_base:
        return
    for name in policy.frozen_base:
        checkpoint["state_dict"].pop(POLICY + name, None)
    checkpoint["frozen_base"] = base_digest(policy)


def check_base(checkpoint: Mapping[str, Any], module: nn.Module) -> None:
    """Refuse a checkpoint of another adapter, or one that was trained on another base.

    Args:
        checkpoint: As Lightning hands it to ``on_load_checkpoint``.
        module: What it will be loaded into; its policy is ``module.policy``.

    Raises:
        ValueError: With how many weights are missing or left over, or that the base is another one.
    """
    policy: Any = module.policy
    if not policy.frozen_base:
        return
    base = {POLICY + name for name in policy.frozen_base}
    expected, saved = set(module.state_dict()) - base, set(checkpoint["state_dict"]) - base
    if expected != saved:
        some = sorted(expected ^ saved)[0]
        raise ValueError(
            f"the checkpoint lacks {len(expected - saved)} of {len(expected)} weights beside the frozen base, and has "
            f"{len(saved - expected)} that are unknown here (such as {some}); make the policy with the adapter that "
            "the run had"
        )
    known, now = checkpoint.get("frozen_base"), base_digest(policy)
    if None not in (known, now) and known != now:
        raise ValueError(
            "the checkpoint holds an adapter that was trained on another base model than this policy has; load the "
            "model that the run began with"
        )


def base_digest(policy: Policy) -> str | None:
    """Return the digest of the frozen weights under an adapter, or None while ranks hold parts of them.

    Of those that an adapter's initialisation rewrote it is what they were before: no two machines rewrite them alike.
    """
    if is_sharded(policy):
        return None
    if keeps_first_value(model := getattr(policy, "model", None)):
        return original_base(model)
    weights = policy.state_dict()
    return digest((name, weights[name]) for name in sorted(policy.frozen_base))


def run_state(trainer: pl.Trainer) -> dict[str, Any]:
    """Return every rank's random state and the accumulation, for a checkpoint. Every rank has to call it."""
    return {
        "random_states": from_all_ranks(random_state()),
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
    }


def restore_run_state(trainer: pl.Trainer, state: dict[str, Any]) -> None:
    """Go on in the stream of minibatches, and with the random numbers, of the run that was saved.

    To be called when training starts: setting up a run draws random numbers of its own.

    Args:
        trainer: The Trainer, whose training starts.
        state: As `run_state` returned it.

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
