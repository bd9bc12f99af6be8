"""Altered weights: noise for a moment, so much that answers have to show it, and exactly as before afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from rlframework.policies.base import Policy

# Noise relative to what a tensor has on average; of one that is all zeros, as half of a new adapter, relative to this.
_FIRST, _ZEROS, _DOUBLINGS = 1 / 16, 0.01, 12
VISIBLE = 0.5


@contextmanager
def altered(policy: Policy, moved: Callable[[], float]) -> Iterator[float]:
    """Add noise to all that is trained, twice as much each time until the policy's answers show it; take it back.

    Every rank adds the same. What is trained is kept a second time on the CPU meanwhile.

    Args:
        policy: The policy.
        moved: Returns by how much its log-probabilities moved, in nats per token; the same on all ranks.

    Yields:
        By how much they moved: `VISIBLE` or more.

    Raises:
        RuntimeError: No noise moves them.

    Example:
        >>> from rlframework.testing import tiny_policy
        >>> policy = tiny_policy()
        >>> before = [weight.clone() for weight in policy.parameters()]
        >>> with altered(policy, lambda: (policy.model.lm_head.weight - before[0]).norm().item()) as moved:
        ...     moved >= VISIBLE
        True
        >>> all(torch.equal(*pair) for pair in zip(policy.parameters(), before))
        True
    """
    weights = [weight for weight in policy.parameters() if weight.requires_grad]
    kept = [_local(weight).detach().to("cpu", copy=True) for weight in weights]
    try:
        for doubling in range(_DOUBLINGS):
            with torch.no_grad():
                _restore(weights, kept)
                for index, weight in enumerate(weights):
                    _add_noise(weight, index, _FIRST * 2**doubling)
            shown = moved()
            if shown >= VISIBLE:
                break
        else:
            raise RuntimeError(
                f"noise of {_FIRST * 2**doubling:g} times their size on all {len(weights)} tensors that are trained "
                f"moves the policy's log-probabilities by no more than {shown:.2g} nats per token: is anything of what "
                "is trained used in its forward pass?"
            )
        yield shown
    finally:
        with torch.no_grad():
            _restore(weights, kept)


def _restore(weights: list[torch.nn.Parameter], kept: list[Tensor]) -> None:
    for weight, before in zip(weights, kept, strict=True):
        _local(weight).copy_(before)


def _add_noise(weight: Tensor, index: int, scale: float) -> None:
    # No random stream of torch: it differs between devices, and numbers drawn here would be missing elsewhere.
    drawn = np.random.default_rng(index).standard_normal(tuple(weight.shape), dtype=np.float32)
    noise = torch.from_numpy(drawn).to(weight.device, weight.dtype)
    size = weight.detach().float().square().mean().sqrt()
    size = size.full_tensor() if isinstance(size, DTensor) else size
    noise *= scale * (float(size) or _ZEROS)
    if isinstance(weight, DTensor):
        noise = distribute_tensor(noise, weight.device_mesh, weight.placements)
    weight.add_(noise)


def _local(weight: Tensor) -> Tensor:
    return weight.to_local() if isinstance(weight, DTensor) else weight
