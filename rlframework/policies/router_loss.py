"""Auxiliary loss of a mixture of experts, which keeps its router from sending all tokens to a few of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig


class RouterLoss:
    """Router loss: kept from the forward passes that learn until the loss of the minibatch takes it.

    Fedus et al., Switch Transformers (2021), equation 4: the share of tokens that an expert gets times the mean
    probability that it was given, summed over experts. transformers computes it, over all tokens of a minibatch.

    Args:
        coefficient: What it enters the loss with.
    """

    def __init__(self, coefficient: float) -> None:
        self.coefficient = coefficient
        self._passes: list[Tensor] = []

    def __reduce__(self) -> tuple[type[RouterLoss], tuple[float]]:
        """Copy and pickle it without passes: their gradients belong to the model that made them."""
        return type(self), (self.coefficient,)

    @classmethod
    def asked_for(cls, config: PretrainedConfig) -> RouterLoss | None:
        """Return a router loss if ``output_router_logits`` is set and the coefficient is not 0.

        Raises:
            ValueError: It is set, and the configuration has no coefficient.
        """
        text = config.get_text_config()
        if not getattr(text, "output_router_logits", False):
            return None
        coefficient = getattr(text, "router_aux_loss_coef", getattr(text, "aux_loss_coef", None))
        if coefficient is None:
            raise ValueError(
                f"output_router_logits=True of {type(text).__name__} asks for the router's auxiliary loss, and the "
                "configuration has no router_aux_loss_coef to weigh it with; set model.config.output_router_logits = "
                "False to train without it"
            )
        return cls(coefficient) if coefficient else None

    def observe(self, output: Any) -> None:
        """Keep the auxiliary loss of a forward pass.

        Raises:
            RuntimeError: The model returned none.
        """
        loss = getattr(output, "aux_loss", None)
        if not isinstance(loss, Tensor):
            raise RuntimeError(
                f"output_router_logits=True asks for the router's auxiliary loss, and the model returned {loss!r} for "
                "it; set model.config.output_router_logits = False to train without it"
            )
        self._passes.append(loss)

    def clear(self) -> None:
        """Forget the passes so far."""
        self._passes = []

    def take(self) -> Tensor | None:
        """Return the mean over the passes since `clear`, times the coefficient; None if there were none."""
        if not self._passes:
            return None
        mean = torch.stack(self._passes).mean()
        self.clear()
        return self.coefficient * mean
