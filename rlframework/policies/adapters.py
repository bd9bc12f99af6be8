"""Reference policy of one that trains an adapter: the same model, with the adapter as it was."""

from __future__ import annotations

import copy
from itertools import count
from typing import Any

import torch
from peft import PeftType
from torch import Tensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies.adapter_state import changes_nothing, using_adapter
from rlframework.policies.base import Policy
from rlframework.rollout import Rollout


class AdapterReference(Policy):
    """Reference policy that shares the trained model, with the adapter that it has now in place of the one that learns.

    It costs no second model. The copy of the adapter is frozen and lies in the policy's model, as adapter
    ``"reference_1"`` or the next number that is free; while the adapter is new and changes nothing, the model without
    any serves as well and none is made.

    Args:
        policy: The policy that is trained, whose ``model`` is PEFT's. It is not registered as a submodule here, so that
            its weights are neither saved nor counted twice.

    Raises:
        ValueError: Biases, or other weights of the model itself, are trained beside the adapter.
    """

    _policy: Policy

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy.tokenizer)
        object.__setattr__(self, "_policy", policy)
        self._name = None if changes_nothing(policy.model) else _copied_adapter(policy.model)

    def logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
        """Score under the reference, ``(B, T)``."""
        with using_adapter(self._policy.model, self._name):
            return self._policy.logprobs(batch, entropy_gradient=entropy_gradient)

    def prefill(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Any]:
        """Read prompts with the reference, ``(N, V)`` logits and the cache."""
        with using_adapter(self._policy.model, self._name):
            return self._policy.prefill(ids, mask)

    def next_logits(self, ids: Tensor, mask: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
        """Return the reference's logits of the token that follows, ``(B, V)``."""
        with using_adapter(self._policy.model, self._name):
            return self._policy.next_logits(ids, mask, cache)

    def select_rows(self, cache: Any, rows: Tensor, room: int) -> Any:
        """Keep some rows of the model's cache."""
        return self._policy.select_rows(cache, rows, room)

    def branch(self, cache: Any, mask: Tensor, copies: int, room: int) -> Any:
        """Branch the model's cache."""
        with using_adapter(self._policy.model, self._name):
            return self._policy.branch(cache, mask, copies, room)

    @property
    def device(self) -> torch.device:
        """The device of the model that it shares with the policy."""
        return self._policy.device

    @property
    def eos_ids(self) -> frozenset[int]:
        """The end tokens of the policy's model."""
        return self._policy.eos_ids

    @property
    def max_positions(self) -> int | None:
        """The most tokens of a row that the policy's model can read."""
        return self._policy.max_positions


def _copied_adapter(model: Any) -> str:
    """Copy the adapter that is on, frozen, and return the name of the copy.

    Raises:
        ValueError: Something is trained that belongs to no adapter: the copy would share it.
    """
    name = next(name for i in count(1) if (name := f"reference_{i}") not in model.peft_config)
    present = model.active_adapter
    trained = {own: weight for own, weight in model.named_parameters() if weight.requires_grad}
    if shared := [own for own in trained if present not in own.split(".")]:
        raise ValueError(
            f"{len(shared)} of {len(trained)} trained weights lie outside of the adapter (such as {shared[0]}), so a "
            "reference that shares the model would follow them; train the adapter alone (bias='none'), or all weights"
        )
    config = copy.copy(model.peft_config[present])
    if config.peft_type == PeftType.LORA and config.init_lora_weights != "mica":
        # Others would be drawn or decomposed in vain, and some take their first value out of the weights under it. Of
        # MiCA it is more than a beginning: the half that stays frozen.
        config.init_lora_weights = True
    held = {own: weight for own, weight in model.named_parameters() if present in own.split(".")}
    model.add_adapter(name, config)
    with torch.no_grad():
        for own, weight in held.items():
            copied = model.get_parameter(".".join(name if part == present else part for part in own.split(".")))
            copied.copy_(weight)
            copied.requires_grad_(False)
    return name
