"""Precision that a machine multiplies fastest in, measured."""

from __future__ import annotations

import time
from functools import cache
from typing import Literal, NamedTuple

import torch


class Precision(NamedTuple):
    """A precision for a frozen base under an adapter, which itself stays in float32.

    Args:
        dtype: For `CausalLMPolicy`.
        trainer: For ``pl.Trainer(precision=...)``.
        reason: Why, with the figures.
    """

    dtype: str
    trainer: Literal["bf16-mixed", "32-true"]
    reason: str


# Half precision has to be so many times as fast in products to be worth its rounding: other operations gain less.
_WORTH_ROUNDING = 1.5


@cache
def fastest_precision() -> Precision:
    """Return bfloat16 where it is fast, else float32: on a GPU that has it, on a CPU by a measurement of 50 ms.

    Example:
        >>> fastest_precision().dtype in ("bfloat16", "float32")
        True
    """
    if torch.cuda.is_available():
        if torch.cuda.is_bf16_supported():
            return Precision("bfloat16", "bf16-mixed", f"bfloat16: {torch.cuda.get_device_name()} has it")
        return Precision("float32", "32-true", f"float32: {torch.cuda.get_device_name()} has no bfloat16")
    factor = bfloat16_speed()
    measured = f"products of bfloat16 are {factor:.2g} times as fast as float32's on this CPU"
    if factor >= _WORTH_ROUNDING:
        return Precision("bfloat16", "bf16-mixed", f"bfloat16: {measured}")
    return Precision("float32", "32-true", f"float32: {measured}")


@cache
def bfloat16_speed() -> float:
    """Return how many times as fast as float32's products of bfloat16 are on this CPU, by a measurement of 50 ms.

    Example:
        >>> bfloat16_speed() > 0
        True
    """
    return _seconds(torch.float32) / _seconds(torch.bfloat16)


def _seconds(dtype: torch.dtype) -> float:
    """Return the CPU seconds of a product of the size that layers have, the best of a few."""
    left, right = torch.ones(256, 1024, dtype=dtype), torch.ones(1024, 1024, dtype=dtype)
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        left @ right
        best = min(best, time.process_time() - start)
    return best
