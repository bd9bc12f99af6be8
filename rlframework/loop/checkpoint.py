"""Checkpoints without the frozen base: its digest stands for it, and another base is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from rlframework.policies.base import Policy
from rlframework.policies.rewriting import keeps_first_value, original_base
from rlframework.utilities.digest import digest
from rlframework.utilities.distributed import is_sharded

POLICY = "policy."
ORIGIN = "policy_origin"


def leave_out_base(checkpoint: dict[str, Any], policy: Policy) -> None:
    """Take the frozen base out of a checkpoint; put in its digest, and what the policy was made of.

    It stays in where ranks hold parts of it: their strategy loads what the policy has, and nothing less.

    Args:
        checkpoint: As Lightning hands it to ``on_save_checkpoint``; it is changed.
        policy: The policy that is saved.
    """
    checkpoint[ORIGIN] = policy.origin()
    if not policy.frozen_base or is_sharded(policy):
        return
    for state in _states(checkpoint):
        for name in policy.frozen_base:
            state.pop(POLICY + name, None)
    checkpoint["frozen_base"] = base_digest(policy)


def _states(checkpoint: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the weights that a checkpoint holds: with a callback that averages them, the average and the trained."""
    return [checkpoint[name] for name in ("state_dict", "current_model_state") if name in checkpoint]


def check_base(checkpoint: Mapping[str, Any], module: nn.Module) -> None:
    """Refuse a checkpoint of another adapter, or one that was trained on another base.

    For a callback that averages weights the base is put back: it loads whole models.

    Args:
        checkpoint: As Lightning hands it to ``on_load_checkpoint``; one without weights was loaded by the strategy.
        module: What it will be loaded into; its policy is ``module.policy``.

    Raises:
        ValueError: With how many weights are missing or left over, or that the base is another one.
    """
    policy: Any = module.policy
    if not policy.frozen_base or "state_dict" not in checkpoint:
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
    if "current_model_state" in checkpoint:
        own = module.state_dict()
        for state in _states(checkpoint):
            state.update({name: own[name] for name in base - state.keys()})


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
