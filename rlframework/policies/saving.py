"""A model with its adapter merged into its weights, apart from the one that is trained."""

from __future__ import annotations

import copy
from typing import Any

from peft import PeftModel


def merged(model: Any) -> Any:
    """Return a merged copy of a PEFT model; a model without adapter is returned itself.

    Raises:
        ValueError: The adapter is more than a change of weights, so that nothing can take it in; or the weights are
            quantised, and would be rounded anew.

    Example:
        >>> from peft import LoraConfig, get_peft_model
        >>> from rlframework.testing import tiny_policy
        >>> model = get_peft_model(tiny_policy().model, LoraConfig(r=2, target_modules=["q_proj"]))
        >>> type(merged(model)).__name__, type(model).__name__
        ('Qwen3ForCausalLM', 'PeftModel')
    """
    if not isinstance(model, PeftModel):
        return model
    if not hasattr(model.base_model, "merge_and_unload"):
        raise ValueError(f"an adapter of {type(model.base_model).__name__} cannot be merged; call save_pretrained")
    if getattr(model.get_base_model(), "is_quantized", False):
        raise ValueError(
            "merging into quantised weights rounds them anew; call save_pretrained for the adapter, load the model "
            "without quantization with lora=<that folder>, and merge that"
        )
    clone: Any = copy.deepcopy(model)
    return clone.merge_and_unload(safe_merge=True, adapter_names=[clone.active_adapter])
