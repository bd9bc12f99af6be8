"""AdamW and its schedule, the way transformers sets them up."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.plugins.precision import MixedPrecision
from torch import nn
from torch.optim import AdamW
from transformers import get_scheduler


def adamw(model: nn.Module, options: dict[str, Any], schedule: dict[str, Any], trainer: pl.Trainer) -> dict[str, Any]:
    """Return what Lightning's ``configure_optimizers`` wants, the schedule stepped once per optimizer step.

    Weight decay acts on matrices only; biases, norm scales and other vectors are left free.

    Raises:
        ValueError: Nothing is trainable, or the schedule has no such name (transformers lists them).
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("the policy has no trainable parameters; pass lora=... or unfreeze some")
    matrices = [parameter for parameter in trainable if parameter.ndim > 1]
    vectors = [parameter for parameter in trainable if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    # Fused it needs no copies of the weights. Under mixed precision Lightning refuses to clip the gradients of a fused
    # optimizer, which might unscale them itself.
    mixed = isinstance(trainer.precision_plugin, MixedPrecision)
    fused = not mixed and all(parameter.device.type in ("cpu", "cuda") for parameter in trainable)
    optimizer = AdamW([group for group in groups if group["params"]], fused=fused, **options)
    steps = trainer.estimated_stepping_batches
    total = None if steps == float("inf") else int(steps)
    scheduler = get_scheduler(optimizer=optimizer, num_training_steps=total, **schedule)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
