"""Self-checks of shortcuts: a fast way is compared with the model's own in float32, where rounding is no excuse.

Half precision hides a fault: rounding alone moves a log-probability by some hundredths, and a missing head by no more.
So a shortcut is tried twice. In float32, on a copy of the policy, it has to give what the model gives. In the precision
that the run has, it may be further from that truth than the model itself is, but not by much.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import psutil
import torch
from torch import Tensor, nn

from rlframework.utilities.distributed import is_sharded

# Of log-probabilities of sampled tokens (nats), of total variation, of gradients relative to their norm: far above what
# float32 rounds, and less than one head of one layer, or one column of a cache, is worth.
EXACT = 2e-4
# How many times further from the truth than the model's own rounding a shortcut may be, and what is always allowed.
ROUNDING, LEAST = 3.0, 2e-2
# The mean that is allowed where there is no truth to be had: weights that are sharded or quantised, or no memory.
BLIND = 0.1

_Policy = TypeVar("_Policy", bound=nn.Module)


def rounds(policy: nn.Module) -> bool:
    """Return whether a policy computes in half precision: by its weights, quantised ones among them, or by autocast."""
    device = next(policy.parameters()).device.type
    halves = any(_is_half(weight) for weight in policy.parameters())
    return halves or _is_quantised(policy) or torch.is_autocast_enabled(device)


@contextmanager
def exact_twin(policy: _Policy) -> Iterator[_Policy | None]:
    """Yield the policy with float32 weights: itself if it has them, else a copy; None where none can be made.

    A copy, since changing the dtype of a parameter in place cuts it off from what DDP has hung on it. Its memory is
    given back in the end.
    """
    halves = [weight for weight in policy.parameters() if _is_half(weight)]
    size = sum(4 * weight.numel() for weight in policy.parameters())
    if _is_quantised(policy):
        yield None
    elif not halves:
        yield policy
    elif is_sharded(policy) or 1.25 * size > _free_memory(halves[0].device):
        yield None
    else:
        twin = copy.deepcopy(policy)
        try:
            yield twin.float()
        finally:
            # Parts of a model hold each other: they stay until the garbage collector comes by.
            for weight in twin.parameters():
                weight.data = weight.data.new_empty(0)


@contextmanager
def exactly(policy: nn.Module) -> Iterator[None]:
    """Compute products of float32 in float32 inside the context: without autocast, without TF32."""
    allowed = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.autocast(next(policy.parameters()).device.type, enabled=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = allowed


def wrong(what: str, gap: float) -> str | None:
    """Return in words that a shortcut is not the model's way in float32; None if it is.

    Args:
        what: The quantity.
        gap: How far the two are apart: the largest difference of tokens, or that of gradients relative to their norm.

    Example:
        >>> wrong("log-probabilities", 0.5)
        'log-probabilities differ by 0.5 in float32 (tolerance 0.0002)'
    """
    # NaN is wrong.
    return None if gap <= EXACT else f"{what} differ by {gap:.2g} in float32 (tolerance {EXACT:g})"


def coarse(what: str, own_error: float, fast_error: float) -> str | None:
    """Return in words that a shortcut rounds much more than the model's own way; None if it does not.

    Args:
        what: The quantity.
        own_error: How far the model itself, in the precision of the run, is from float32, in the mean.
        fast_error: How far the shortcut is.

    Example:
        >>> coarse("log-probabilities", own_error=0.02, fast_error=0.5)
        'log-probabilities are 0.5 from float32, and the model itself is 0.02 (tolerance 0.08)'
        >>> coarse("log-probabilities", own_error=0.02, fast_error=0.03) is None
        True
    """
    allowed = ROUNDING * own_error + LEAST
    if fast_error <= allowed:
        return None
    return (
        f"{what} are {fast_error:.2g} from float32, and the model itself is {own_error:.2g} (tolerance {allowed:.2g})"
    )


def unlike(what: str, gap: float) -> str | None:
    """Return in words that a shortcut is far from the model's own way, where no float32 tells which is right.

    Args:
        what: The quantity.
        gap: How far the two are apart, in the mean.
    """
    return None if gap <= BLIND else f"{what} differ by {gap:.2g} in the mean (tolerance {BLIND:g})"


def raised(error: Exception) -> str:
    """Return in words that a shortcut does not run at all; running out of memory is not its fault, and goes on.

    Example:
        >>> raised(ValueError("too many values to unpack"))
        'it raises ValueError: too many values to unpack'
    """
    if isinstance(error, torch.OutOfMemoryError):
        raise error
    return f"it raises {type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def total_variation(own: Tensor, fast: Tensor) -> Tensor:
    """Return ``1/2 sum_v |p(v) - q(v)|`` of the distributions of two sets of logits, ``(n, V)`` to ``(n,)``.

    Example:
        >>> total_variation(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, -20.0]]))
        tensor([0.5000])
    """
    return (own.float().softmax(-1) - fast.float().softmax(-1)).abs().sum(-1) / 2


def _is_quantised(policy: nn.Module) -> bool:
    return any(getattr(part, "is_quantized", False) for part in policy.modules())


def _is_half(weight: Tensor) -> bool:
    return weight.is_floating_point() and weight.element_size() == 2


def _free_memory(device: torch.device) -> int:
    """Return the bytes that can still be had."""
    if device.type != "cuda":
        return int(psutil.virtual_memory().available)
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + held
