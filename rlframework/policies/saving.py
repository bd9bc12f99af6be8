"""Saving: a model with its adapter merged into its weights, and what a model was made of."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from peft import PeftModel
from torch import Tensor, nn

from rlframework.policies.rewriting import for_original_base, keeps_first_value


def merged(model: Any, in_place: bool = False) -> Any:
    """Return a merged copy of a PEFT model; a model without adapter is returned itself.

    Weights that an adapter changes on one side only, such as a head that is tied to the embedding, are untied first;
    the configuration then says so.

    Args:
        model: The model.
        in_place: Merge into the model itself, which spares the copy's memory and leaves no adapter to train.

    Raises:
        ValueError: The adapter is more than a change of weights, so that nothing can take it in; or the weights are
            quantised, and would be rounded again.

    Example:
        >>> from peft import LoraConfig, get_peft_model
        >>> from rlframework.testing import tiny_policy
        >>> model = get_peft_model(tiny_policy().model, LoraConfig(r=2, target_modules=["q_proj"]))
        >>> type(merged(model)).__name__, type(model).__name__
        ('Qwen3ForCausalLM', 'PeftModel')
    """
    if not isinstance(model, PeftModel):
        say_untied(model)
        return model
    if not hasattr(model.base_model, "merge_and_unload"):
        raise ValueError(f"an adapter of {type(model.base_model).__name__} cannot be merged; call save_pretrained")
    if getattr(model.get_base_model(), "is_quantized", False):
        raise ValueError(
            "merging into quantised weights rounds them anew; call save_pretrained for the adapter, load the model "
            "without quantization with lora=<that folder>, and merge that"
        )
    clone: Any = model if in_place else copy.deepcopy(model)
    _untie(clone)
    whole = clone.merge_and_unload(safe_merge=True, adapter_names=[clone.active_adapter])
    say_untied(whole)
    return whole


def _untie(model: nn.Module) -> None:
    """Give each layer with an adapter weights of its own where it shares them: merging changes them in place."""
    places: dict[int, list[str]] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        places.setdefault(id(weight), []).append(name)
    for names in places.values():
        if len(names) > 1 and any(".base_layer." in name for name in names):
            for name in names[1:]:
                parent, _, leaf = name.rpartition(".")
                weight = model.get_parameter(name)
                setattr(model.get_submodule(parent), leaf, nn.Parameter(weight.detach().clone(), weight.requires_grad))


def say_untied(model: Any) -> None:
    """Have a configuration say that head and embedding are two, where they are.

    Whoever loads the model would take one for the other.

    Example:
        >>> from rlframework.testing.tiny import tiny_qwen3
        >>> model = tiny_qwen3(tie_word_embeddings=True)
        >>> model.lm_head.weight = nn.Parameter(model.lm_head.weight * 2)
        >>> say_untied(model)
        >>> model.config.tie_word_embeddings
        False
    """
    try:
        read, written = model.get_input_embeddings(), model.get_output_embeddings()
    except (AttributeError, NotImplementedError):  # Not every architecture says where they are.
        return
    first, last = getattr(read, "weight", None), getattr(written, "weight", None)
    if first is None or last is None or first is last:
        return
    for config in (model.config, model.config.get_text_config()):
        if getattr(config, "tie_word_embeddings", False):
            config.tie_word_embeddings = False


def portable_adapter(model: Any) -> tuple[Any, dict[str, Tensor]]:
    """Return settings and weights, by their names in the model, of the active adapter: for the model as it was.

    Where its initialisation rewrote the model (PiSSA, OLoRA), it is an adapter of twice the rank.
    """
    name = model.active_adapter
    config, state = model.peft_config[name], model.state_dict()
    return for_original_base(config, state, name) if keeps_first_value(model) else (config, state)


def save_adapter(model: Any, folder: str | Path) -> None:
    """Save the active adapter alone, as PEFT loads it onto the model as it was.

    Args:
        model: The model of PEFT.
        folder: Where to.
    """
    name = model.active_adapter
    own = model.peft_config[name]
    config, state = portable_adapter(model)
    model.peft_config[name] = config
    try:
        model.save_pretrained(folder, selected_adapters=[name], state_dict=state)
    finally:
        model.peft_config[name] = own


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
