"""Sentinel of NaN: a gradient, a loss or weights that are no numbers."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch.distributed.tensor import DTensor

from rlframework.callbacks.sentinels.base import Action, Sentinel
from rlframework.utilities.distributed import max_over_replicas

_BROKEN = "trained weights that are NaN or infinite"


class NotFinite(Sentinel):
    """Finds that gradient or loss is NaN or infinite; by default it ends the run, with an error on every rank.

    ``"stop"`` raises here: from NaN weights nothing can be learned, sampled or saved. It is raised before the step's
    checkpoint is written, so the last one is whole.

    Under ``precision="16-mixed"`` the gradient is now and then infinite on purpose: the scaler tries a larger scale and
    leaves that step out. So weights that are still numbers are a finding only after some such steps in a row.

    Args:
        action: As of `Sentinel`.
        skipped_steps: Steps in a row that a scaler may leave out. It begins at 2**16 and halves each time.

    Raises:
        RuntimeError: In training: what is not finite, and since when.

    Example:
        >>> from rlframework.callbacks.sentinels import NotFinite
        >>> NotFinite().look({"train/grad_norm": float("nan"), "trained weights that are NaN or infinite": 12.0})
        'train/grad_norm is nan, and 12 of the trained weights are NaN or infinite'
    """

    needs = ("train/grad_norm",)
    causes = (
        "the learning rate is too high, without warm-up or gradient clipping; a surrogate or reward of your own "
        "divides by 0 or takes the logarithm of it; a half precision overflows"
    )
    way_out = (
        "go on from the checkpoint before with a lower learning rate and gradient_clip_val=1.0; try bf16-mixed or "
        "32-true; Trainer(detect_anomaly=True) names the operation"
    )

    def __init__(self, action: Action = "stop", skipped_steps: int = 20) -> None:
        super().__init__(action)
        self.skipped_steps = skipped_steps

    def ready(self, figures: dict[str, float]) -> bool:
        """Return whether there was an optimizer step: here NaN is news."""
        return "train/grad_norm" in figures

    def figures(self, trainer: pl.Trainer, pl_module: Any) -> dict[str, float]:
        """Add how many trained weights are broken, if a figure is; looking at them each time would cost a pass."""
        figures = super().figures(trainer, pl_module)
        if _odd(figures):
            figures[_BROKEN] = float(max_over_replicas(trainer, _broken_weights(pl_module.policy)))
        return figures

    def look(self, figures: dict[str, float]) -> str | None:
        """Return which figures are no numbers, unless a scaler left the step out."""
        odd = " and ".join(f"{name} is {value}" for name, value in _odd(figures).items())
        skipped = self.memory["skipped"] = self.memory.get("skipped", 0) + 1 if odd else 0
        if odd and (broken := figures.get(_BROKEN)):
            return f"{odd}, and {broken:.0f} of the trained weights are NaN or infinite"
        return f"{odd}, for {skipped} steps in a row" if skipped > self.skipped_steps else None

    def stop(self, trainer: pl.Trainer, message: str) -> None:
        """Raise, on every rank.

        Raises:
            RuntimeError: The message.
        """
        raise RuntimeError(message)


def _odd(figures: dict[str, float]) -> dict[str, float]:
    watched = ("train/grad_norm", "train/surrogate", "train/loss")
    return {name: figures[name] for name in watched if not math.isfinite(figures.get(name, 0.0))}


def _broken_weights(policy: torch.nn.Module) -> torch.Tensor:
    """Return the number of trained weights of this rank that are no numbers, a scalar."""
    trained = [weight.detach() for weight in policy.parameters() if weight.requires_grad]
    mine = [weight.to_local() if isinstance(weight, DTensor) else weight for weight in trained]
    return torch.stack([(~weight.isfinite()).sum().float() for weight in mine]).sum()
