"""Unwrapping: the transformers model inside PEFT and ``torch.compile``."""

from __future__ import annotations

from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel


def unwrapped(model: Any) -> Any:
    """Return the transformers model inside PEFT and ``torch.compile``, or what is inside them in its place."""
    while not isinstance(model, PreTrainedModel):
        inner = without_adapter(model) if isinstance(model, PeftModel) else getattr(model, "_orig_mod", None)
        if inner is None:
            break
        model = inner
    return model


def without_adapter(model: Any) -> Any:
    """Return the model that a PEFT adapter is part of, with its layers; any other model is returned as it is."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def puts_tokens_in_front(model: Any) -> bool:
    """Return whether a PEFT adapter lengthens the prompt of every row."""
    adapters = model.peft_config.values() if isinstance(model, PeftModel) else ()
    return any(adapter.is_prompt_learning or adapter.is_adaption_prompt for adapter in adapters)
