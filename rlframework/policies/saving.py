"""Saving: a model with its adapter merged into its weights, and what a model was made of."""

from __future__ import annotations

import copy
import json
from typing import Any

from peft import PeftModel


def merged(model: Any, in_place: bool = False) -> Any:
    """Return a merged copy of a PEFT model; a model without adapter is returned itself.

    Args:
        model: The model.
        in_place: Merge into the model itself, which spares the copy's memory and leaves no adapter to train.

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
    clone: Any = model if in_place else copy.deepcopy(model)
    return clone.merge_and_unload(safe_merge=True, adapter_names=[clone.active_adapter])


def origin_of(model: Any, tokenizer: Any) -> dict[str, Any]:
    """Return what a model is made of beside its weights, in plain values, so that a checkpoint can be read alone.

    Args:
        model: A model of transformers, or one of PEFT.
        tokenizer: Its tokenizer.

    Returns:
        ``base`` and ``tokenizer``: where they were loaded from, or None. ``dtype`` of the model's weights, and whether
        they are ``quantized``. Then ``adapter``, its name, and ``adapter_config``; or of a model without one ``config``
        and ``generation_config``.

    Example:
        >>> from rlframework.testing import tiny_policy
        >>> policy = tiny_policy()
        >>> origin = origin_of(policy.model, policy.tokenizer)
        >>> origin["dtype"], origin["config"]["model_type"]
        ('float32', 'qwen3')
    """
    whole: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    origin = {
        "base": whole.name_or_path or None,
        "tokenizer": tokenizer.name_or_path or None,
        "dtype": str(whole.dtype).removeprefix("torch."),
        "quantized": bool(getattr(whole, "is_quantized", False)),
    }
    if isinstance(model, PeftModel):
        config = model.peft_config[str(model.active_adapter)].to_dict()
        plain = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
        return {**origin, "adapter": model.active_adapter, "adapter_config": json.loads(json.dumps(plain))}
    settings = getattr(whole, "generation_config", None)
    return {
        **origin,
        "config": json.loads(whole.config.to_json_string(use_diff=False)),
        "generation_config": None if settings is None else json.loads(settings.to_json_string()),
    }
