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
