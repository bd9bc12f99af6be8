"""Adapters of a model: switch to another, tell whether one changes anything, and name the weights under it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rlframework.utilities.distributed import reshard


@contextmanager
def using_adapter(model: Any, name: str | None) -> Iterator[None]:
    """Switch to another adapter inside the context, or to none; what can be trained stays what it was.

    FSDP2 puts other parameters in place for a forward pass. Switching has to meet the same ones at both ends, or what
    was trained is not any more.

    Args:
        model: The model of PEFT.
        name: Of the adapter; None is none.
    """
    reshard(model)
    if name is None:
        with model.disable_adapter():
            try:
                yield
            finally:
                reshard(model)
        return
    trainable = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    present = model.active_adapter
    model.set_adapter(name, inference_mode=True)
    try:
        yield
    finally:
        reshard(model)
        model.set_adapter(present)
        for parameter, flag in trainable:
            parameter.requires_grad_(flag)


def changes_nothing(model: Any) -> bool:
    """Return whether the adapter is new: every ``lora_B`` is 0, or every ``lora_A``, and nothing else is trained.

    Of another kind of adapter nothing is known.
    """
    present = model.active_adapter
    own = {name: weight for name, weight in model.named_parameters() if present in name.split(".")}
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    first = [weight for name, weight in own.items() if "lora_A" in name.split(".")]
    # With a bias of lora_B, where there is one.
    second = [weight for name, weight in own.items() if "lora_B" in name.split(".")]
    if not first or len(first) + len(second) != len(own) or not trained <= own.keys():
        return False
    return not any(bool(weight.any()) for weight in second) or (
        len(first) == len(second) and not any(bool(weight.any()) for weight in first)
    )


def base_weights(model: Any) -> frozenset[str]:
    """Return the names, in the ``state_dict`` of a PEFT model, of what is neither trained nor part of an adapter."""
    # Under each of its names: what is tied to a trained weight is trained.
    everything = model.named_parameters(remove_duplicate=False)
    trained = {name for name, parameter in everything if parameter.requires_grad}
    parts = (getattr(model.base_model, "prefix", "lora_"), "modules_to_save.", "prompt_encoder.")
    return frozenset(
        name for name in model.state_dict() if name not in trained and not any(part in name for part in parts)
    )
