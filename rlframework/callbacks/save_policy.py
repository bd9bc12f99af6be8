"""The trained policy in a folder that other libraries read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from rlframework.distributed import is_sharded
from rlframework.folders import writable_folder


class SavePolicy(pl.Callback):
    """Saves the policy when training ends: its adapter, or the model if it has none, and the tokenizer.

    A checkpoint of Lightning holds a run, to go on with; this holds the policy, for `CausalLMPolicy` (``model=`` or
    ``lora=``), transformers, PEFT or an engine.

    Args:
        folder: Where to.

    Raises:
        ValueError: While a run starts: ranks hold parts of the weights.
        PermissionError: Likewise: the folder cannot be written to.

    Example:
        >>> trainer = pl.Trainer(callbacks=[SavePolicy("runs/primed")], logger=False)
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Find out before the training whether it can be saved."""
        if is_sharded(pl_module.policy):
            raise ValueError(
                "the weights are sharded, and SavePolicy does not gather them; train with DDP, or convert a checkpoint"
            )
        writable_folder(self.folder)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Save it, once."""
        if trainer.is_global_zero:
            pl_module.policy.save_pretrained(self.folder)
