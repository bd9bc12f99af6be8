"""Hash of tensors, computed where they are: of every element, the same on a CPU and a GPU."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

# Products that are held at once, for weights of any size: on a CPU what its cache has room for, 2 MB;
# elsewhere as much as makes starting a kernel cheap, 128 MB. The sum is the same.
_WIDTH, _ROWS_CPU, _ROWS = 1 << 16, 1 << 2, 1 << 8
_WHOLE = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@torch.no_grad()
def digest(tensors: Iterable[tuple[str, Tensor]], settings: str = "") -> str:
    """Return a hash of named tensors: of their names, dtypes, shapes and every element. 16 hexadecimal digits.

    Args:
        tensors: Names and tensors, in an order that means something.
        settings: A text that is hashed with them.

    Example:
        >>> digest([("a", torch.zeros(3))]) == digest([("a", torch.tensor([0.0, 0.0, 1e-30]))])
        False
    """
    names, sums = [], []
    for name, tensor in tensors:
        names.append(f"{name} {tensor.dtype} {tuple(tensor.shape)}")
        sums.append(_hash(tensor))
    # One transfer for all of them: waiting for each would cost more than the sums.
    numbers = torch.stack(sums).tolist() if len({part.device for part in sums}) == 1 else [int(part) for part in sums]
    lines = [settings, *(f"{name} {number}\n" for name, number in zip(names, numbers, strict=True))]
    return hashlib.blake2b("".join(lines).encode(), digest_size=8).hexdigest()


def _hash(tensor: Tensor) -> Tensor:
    """Return the sum of the bit patterns, each times its own odd number, as an int64 scalar."""
    flat = tensor.detach().contiguous().view(-1)
    if flat.is_complex():
        flat = torch.view_as_real(flat).view(-1)
    if flat.dtype == torch.bool:
        flat = flat.byte()
    bits = flat.view(_WHOLE[flat.element_size()])
    total = torch.zeros((), dtype=torch.int64, device=bits.device)
    columns = _odd(0, min(_WIDTH, max(1, len(bits))), bits.device)  # (W,)
    size = _WIDTH * (_ROWS_CPU if bits.device.type == "cpu" else _ROWS)
    for start in range(0, len(bits), size):
        block = bits[start : start + size]
        whole = len(block) // _WIDTH * _WIDTH
        rows = _odd(1 << 40 | start // _WIDTH, whole // _WIDTH + 1, bits.device)
        if whole:
            total += ((block[:whole].view(-1, _WIDTH) * columns).sum(1) * rows[:-1]).sum()
        rest = block[whole:]
        total += (rest * columns[: len(rest)]).sum() * rows[-1]
    return total


def _odd(start: int, count: int, device: torch.device) -> Tensor:
    """Return ``(count,)`` odd int64 numbers that look random, a function of their position alone (splitmix64)."""
    z = torch.arange(start, start + count, dtype=torch.int64, device=device) * -7046029254386353131
    for shift, factor in ((30, -4658895280553007687), (27, -7723592293110705685)):
        z = (z ^ (z >> shift)) * factor
    return (z ^ (z >> 31)) | 1
