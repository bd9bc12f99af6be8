"""AdamW and its schedule, the way transformers sets them up."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision
from torch import nn
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import SchedulerType, get_scheduler

from rlframework.loop.accumulation import optimizer_steps
from rlframework.utilities.arguments import one_of


def check_schedule(owner: object, name: str, warmup_steps: int) -> None:
    """Refuse the name of a schedule that cannot be made by its name, before a run is half set up.

    Args:
        owner: The object whose argument it is, for the message.
        name: Name of a transformers schedule.
        warmup_steps: Optimizer steps of warm-up.

    Raises:
        ValueError: There is none of that name, it needs settings of its own, or it is steered by a measure.
    """
    one_of(owner, "schedule", name, [known.value for known in SchedulerType])
    trial = SGD([torch.zeros(1)], lr=1.0)
    try:
        made = get_scheduler(name, trial, num_warmup_steps=warmup_steps, num_training_steps=warmup_steps + 1)
        reason = None if isinstance(made, LambdaLR) else "it is steered by a measure and not by steps"
    except (TypeError, ValueError) as error:
        reason = str(error)
    if reason is not None:
        raise ValueError(
            f"{type(owner).__name__} got schedule={name!r}, which takes more than its name ({reason}): choose another, "
            "such as 'linear', 'cosine' or 'constant', or override configure_optimizers"
        )


def adamw(model: nn.Module, options: dict[str, Any], schedule: dict[str, Any], trainer: pl.Trainer) -> dict[str, Any]:
    """Return AdamW and its schedule as ``configure_optimizers`` does, the schedule stepped once per optimizer step.

    Weight decay acts on matrices only; biases, norm scales and other vectors are left free.

    Args:
        model: The module whose trainable parameters learn.
        options: Arguments of AdamW.
        schedule: Arguments of transformers' ``get_scheduler``: ``name`` and ``num_warmup_steps``.
        trainer: The Trainer, which knows the number of steps.

    Raises:
        ValueError: Nothing is trainable, the weights are in float16, or the schedule needs a number of steps and the
            run has none.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("the policy has no trainable parameters; pass lora=... or unfreeze some")
    if any(parameter.dtype == torch.float16 for parameter in trainable):
        raise ValueError(
            f"precision={trainer.precision!r} keeps the weights in float16, and with them AdamW's mean of squared "
            "gradients, where those below about 0.005 round to 0: in 1000 steps such a weight moves 18 times as far as "
            "in float32. Use precision='bf16-true', 'bf16-mixed' or '16-mixed', or override configure_optimizers"
        )
    matrices = [parameter for parameter in trainable if parameter.ndim > 1]
    vectors = [parameter for parameter in trainable if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    # Fused it needs no copies of the weights. Under mixed precision Lightning refuses to clip the gradients of a fused
    # optimizer, which might unscale them itself.
    mixed = isinstance(trainer.precision_plugin, MixedPrecision)
    fused = not mixed and all(parameter.device.type in ("cpu", "cuda") for parameter in trainable)
    optimizer = AdamW([group for group in groups if group["params"]], fused=fused, **options)
    steps = optimizer_steps(trainer)
    total = None if steps == float("inf") else int(steps)
    try:
        scheduler = get_scheduler(optimizer=optimizer, num_training_steps=total, **schedule)
    except ValueError as error:
        if total is not None:
            raise
        raise ValueError(
            f"schedule={schedule['name']!r} is drawn over the optimizer steps of a run, and this Trainer has no number "
            f"of them (max_steps={trainer.max_steps}, max_epochs={trainer.max_epochs}): set max_steps, also beside "
            "max_time, or use schedule='constant' or 'constant_with_warmup'"
        ) from error
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def follow_callbacks(scheduler: Any) -> None:
    """Make a schedule go on from what callbacks did to its optimizer: groups they added, learning rates they set.

    Finetuning callbacks thaw weights into groups of their own, and set learning rates between two steps. A schedule of
    torch knows the groups alone that it was made with, and sets every learning rate back.

    Args:
        scheduler: A schedule; those that no function of the step draws are left as they are.

    Example:
        >>> weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
        >>> optimizer = SGD(weights[:1], lr=1.0)
        >>> halving = LambdaLR(optimizer, lambda step: 0.5**step)
        >>> optimizer.add_param_group({"params": weights[1:], "lr": 0.1})
        >>> follow_callbacks(halving)
        >>> optimizer.step(); halving.step(); [group["lr"] for group in optimizer.param_groups]
        [0.5, 0.05]
    """
    if not isinstance(scheduler, LambdaLR):
        return
    known = scheduler.get_last_lr()
    for place, group in enumerate(scheduler.optimizer.param_groups):
        shape = scheduler.lr_lambdas[min(place, len(scheduler.lr_lambdas) - 1)]
        if place == len(scheduler.lr_lambdas):
            scheduler.lr_lambdas.append(shape)
        if place == len(scheduler.base_lrs):
            scheduler.base_lrs.append(0.0)
        if place >= len(known) or group["lr"] != known[place]:
            share = shape(scheduler.last_epoch)
            scheduler.base_lrs[place] = group["lr"] / share if share else group.get("initial_lr", group["lr"])
