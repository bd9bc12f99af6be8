"""Fingerprint of a policy's weights: a hash that changes whenever they do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from torch import Tensor
from torch.distributed.tensor import DTensor

from rlframework.policies.base import Policy
from rlframework.utilities.digest import digest
from rlframework.utilities.distributed import all_gather_object, is_sharded


def fingerprint(policy: Policy) -> str:
    """Return a fingerprint of the present weights: a hash of every parameter and buffer, and of the adapter.

    It is computed where the weights are, in whole numbers, so it is the same on a CPU and a GPU, on every rank and in
    every run; only one number for each tensor comes back. Each element is multiplied with an odd number of its own,
    modulo 2^64: one changed weight always changes the sum, and several cancel out by chance only.

    Ranks that hold shards have to call it together.

    Returns:
        ``"policy-"`` and 16 hexadecimal digits.

    Example:
        >>> from rlframework.testing import tiny_policy
        >>> policy = tiny_policy()
        >>> before = fingerprint(policy)
        >>> before == fingerprint(tiny_policy())
        True
        >>> import torch
        >>> with torch.no_grad():
        ...     _ = next(policy.parameters()).view(-1)[5].add_(1e-6)
        >>> fingerprint(policy) == before
        False
    """
    own = digest(_tensors(policy), _adapter_settings(policy))
    if is_sharded(policy):
        own = hashlib.blake2b("".join(all_gather_object(own)).encode(), digest_size=8).hexdigest()
    return f"policy-{own}"


def _tensors(policy: Policy) -> Iterator[tuple[str, Tensor]]:
    """Yield parameters and buffers, of shards the part that is here."""
    for group in (policy.named_parameters(), policy.named_buffers()):
        for name, tensor in group:
            yield name, tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _adapter_settings(policy: Policy) -> str:
    """Return what an adapter's effect depends on besides its weights."""
    configs = getattr(getattr(policy, "model", None), "peft_config", None)
    if not isinstance(configs, dict):
        return ""
    kept = ("r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern")
    return repr([(name, [getattr(config, key, None) for key in kept]) for name, config in sorted(configs.items())])
