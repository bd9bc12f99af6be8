"""Distributed training: the data-parallel replicas of a Trainer, gathered rows, sums, and errors on all ranks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

_HERE = threading.local()


@contextmanager
def alone() -> Iterator[None]:
    """Enter a context in which this thread calls no other rank: `global_rank` is 0 of 1, and nothing is gathered.

    For work beside the main thread, whose ranks are at different places of it.

    Example:
        >>> with alone():
        ...     global_rank(), all_gather_object("here")
        (Rank(number=0, total=1), ['here'])
    """
    before, _HERE.alone = getattr(_HERE, "alone", False), True
    try:
        yield
    finally:
        _HERE.alone = before


class Rank(NamedTuple):
    """Rank of a process or replica, and how many there are.

    Args:
        number: From 0 on.
        total: How many there are.
    """

    number: int
    total: int


def replica_rank(trainer: pl.Trainer) -> Rank:
    """Return the rank of this data-parallel replica.

    Raises:
        ValueError: Some ranks hold parts of one replica (tensor parallelism): their prompts and weights are not
            handled yet.
    """
    sharding = trainer.distributed_sampler_kwargs or {"rank": 0, "num_replicas": 1}
    if sharding["num_replicas"] != trainer.world_size:
        raise ValueError(
            f"{trainer.world_size} processes form {sharding['num_replicas']} data-parallel replicas; only one process "
            "to a replica is supported (set tensor_parallel_size=1)"
        )
    return Rank(sharding["rank"], sharding["num_replicas"])


def gather_rows(trainer: pl.Trainer, rows: Tensor) -> Tensor:
    """Return the rows of all replicas in rank order, ``(R * B, T')``, padded with 0 to the widest.

    Every replica must bring ``B`` rows; their widths ``T`` may differ.

    Args:
        trainer: The Trainer.
        rows: ``(B, T)`` of this replica.
    """
    if trainer.world_size == 1:
        return rows
    width = trainer.strategy.reduce(torch.tensor(rows.shape[1], device=trainer.strategy.root_device), reduce_op="max")
    sent = rows.byte() if rows.dtype == torch.bool else rows
    padded = torch.nn.functional.pad(sent, (0, int(width) - rows.shape[1]))
    gathered = trainer.strategy.all_gather(padded.to(trainer.strategy.root_device))
    return gathered.flatten(0, 1).to(rows)


def is_sharded(module: nn.Module) -> bool:
    """Return whether ranks hold parts of the module's weights, so that they have to call it together.

    The weights of FSDP2 are no `DTensor` between a forward and a backward pass; they are sharded all the same.
    """
    return bool(_fsdp_parts(module)) or any(isinstance(parameter, DTensor) for parameter in module.parameters())


def reshard(module: nn.Module) -> None:
    """Have each rank hold its parts of FSDP2's weights alone, and free what was gathered for a forward pass."""
    for part in _fsdp_parts(module):
        part.reshard()


def unsharded(module: nn.Module) -> list[str]:
    """Return the names of what is trained and not sharded in a module that FSDP2 shards; of another one, none."""
    if not _fsdp_parts(module):
        return []
    trained = (named for named in module.named_parameters() if named[1].requires_grad)
    return [name for name, parameter in trained if not isinstance(parameter, DTensor)]


def _fsdp_parts(module: nn.Module) -> list[FSDPModule]:
    return [part for part in module.modules() if isinstance(part, FSDPModule)]


def average_shards(module: nn.Module) -> bool:
    """Have FSDP2 divide gradients by the number of ranks itself, where the backend adds them up and does not divide.

    gloo of torch 2.8 returns the sum for the average of a reduce-scatter (pytorch issue 162338), so that every gradient
    on CPUs is too large by the number of ranks. All ranks have to call this.

    Args:
        module: Of which ranks hold parts, or not.

    Returns:
        Whether that was needed.
    """
    if not is_sharded(module):
        return False
    reshard(module)
    # Not where the parameters lie, which may be offloaded: their gradients are reduced on the mesh's device.
    [device, *_] = {part.device_mesh.device_type for part in module.parameters() if isinstance(part, DTensor)}
    ones = torch.ones(torch.distributed.get_world_size(), device=device)
    average = ones.new_empty(1)
    # Newer versions of torch warn of the old name.
    name = "reduce_scatter_single" if hasattr(torch.distributed, "reduce_scatter_single") else "reduce_scatter_tensor"
    getattr(torch.distributed, name)(average, ones, op=torch.distributed.ReduceOp.AVG)
    if average == 1:
        return False
    for part in _fsdp_parts(module):
        part.set_force_sum_reduction_for_comms(True)
    return True


def any_rank(flag: bool, module: nn.Module, sharded: bool | None = None) -> bool:
    """Return whether a flag is set on any rank that holds a shard of the module; of an unsharded one, on this rank.

    Ranks that share the weights have to call a sharded module equally often, or one waits for the others for ever.

    Args:
        flag: Of this rank.
        module: The module.
        sharded: The answer of `is_sharded`, where it is known; looking costs as much as a layer.
    """
    if not (is_sharded(module) if sharded is None else sharded):
        return flag
    device = next(module.parameters()).device
    flags = torch.tensor(float(flag), device=device)
    torch.distributed.all_reduce(flags)
    return bool(flags > 0)


def may_call_unequally_often(trainer: pl.Trainer) -> bool:
    """Return whether ranks may call the model a different number of times between two backward passes."""
    strategy = trainer.strategy
    # DeepSpeed's is a child of DDP's.
    return isinstance(strategy, SingleDeviceStrategy) or type(strategy) is DDPStrategy


def sum_over_replicas(trainer: pl.Trainer, values: Tensor) -> Tensor:
    """Add up a tensor over all replicas, element by element.

    Args:
        trainer: The Trainer.
        values: Of any shape, the same on all replicas.
    """
    return trainer.strategy.reduce(values.to(trainer.strategy.root_device), reduce_op="sum")


def max_over_replicas(trainer: pl.Trainer, values: Tensor) -> Tensor:
    """Return the maximum of each element of a tensor over all replicas.

    Args:
        trainer: The Trainer.
        values: Of any shape, the same on all replicas.
    """
    return trainer.strategy.reduce(values.to(trainer.strategy.root_device), reduce_op="max")


def global_rank() -> Rank:
    """Return the rank of this process among those that `torch.distributed` knows; 0 of 1 without, and `alone`."""
    if getattr(_HERE, "alone", False) or not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return Rank(0, 1)
    return Rank(torch.distributed.get_rank(), torch.distributed.get_world_size())


def all_gather_object(value: Any) -> list[Any]:
    """Return one picklable object from every process, in rank order; all have to call it."""
    if global_rank().total == 1:
        return [value]
    values: list[Any] = [None] * global_rank().total
    torch.distributed.all_gather_object(values, value)
    return values


def raise_together(error: Exception | None) -> None:
    """Raise on every process if any of them has an error: none waits for one that has gone.

    Args:
        error: Of this process; None if it has none.

    Raises:
        Exception: The error itself, where it is this process's.
        RuntimeError: It is another's; the message says whose.
    """
    messages = all_gather_object(None if error is None else f"{type(error).__name__}: {error}")
    if error is not None:
        raise error
    for rank, message in enumerate(messages):
        if message is not None:
            raise RuntimeError(f"rank {rank} failed: {message}")
