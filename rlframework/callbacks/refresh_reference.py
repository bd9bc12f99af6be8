"""Reference policy that follows the trained policy every few steps (TR-DPO)."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch

from rlframework.loop.callback import RolloutCallback


class RefreshReference(RolloutCallback):
    """Moves the reference towards the policy every few optimizer steps: ``ref <- (1 - mixing) ref + mixing policy``.

    Log-probabilities of a rollout that is in use stay as they are; the next rollout is scored with the new reference.
    Its weights are part of every checkpoint. TR-DPO (arXiv:2404.09656); TRL's ``sync_ref_model`` with
    ``ref_model_sync_steps`` and ``ref_model_mixup_alpha``.

    Args:
        every_n_steps: Optimizer steps between two moves.
        mixing: Share of the policy in the new reference; 1 replaces it.

    Raises:
        ValueError: A number is out of range, or the run has no reference that can be moved.

    Example:
        >>> trainer = pl.Trainer(callbacks=[RefreshReference(every_n_steps=64, mixing=0.6)], logger=False)
    """

    def __init__(self, every_n_steps: int, mixing: float = 1.0) -> None:
        if every_n_steps < 1 or not 0 < mixing <= 1:
            raise ValueError(f"expected every_n_steps >= 1 and 0 < mixing <= 1, got {every_n_steps} and {mixing}")
        self.every_n_steps = every_n_steps
        self.mixing = mixing
        self._moved = 0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Refuse a run without a reference of its own."""
        if pl_module.reference is None:
            raise ValueError("there is no reference to refresh: kl_coefficient is 0")
        if not any(True for _ in pl_module.reference.parameters()):
            raise ValueError(
                f"{type(pl_module.reference).__name__} lies in the policy's own model beside its adapter and is not "
                "moved; train all weights, or leave RefreshReference out"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer step of the last move, for a checkpoint."""
        return {"moved": self._moved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the move of `state_dict`."""
        self._moved = state_dict["moved"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Move the reference in a resumed run whose checkpoint was taken between an optimizer step and its move."""
        self._follow(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the reference after every n-th optimizer step."""
        self._follow(trainer, pl_module)

    @torch.no_grad()
    def _follow(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if trainer.global_step % self.every_n_steps == 0 and trainer.global_step != self._moved:
            self._moved = trainer.global_step
            moved = dict(pl_module.policy.named_parameters())
            for name, parameter in pl_module.reference.named_parameters():
                parameter.lerp_(moved[name].to(parameter.dtype), self.mixing)
