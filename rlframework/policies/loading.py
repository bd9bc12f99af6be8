"""Models, tokenizers and adapters from folders, hub names or objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedTokenizerBase

from rlframework.optional import require


def load_tokenizer(model: Any, tokenizer: Any) -> PreTrainedTokenizerBase:
    """Return the tokenizer, by default the one that is saved with the model.

    Raises:
        ValueError: The model is an object, and objects do not carry one.
    """
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        return tokenizer
    source = tokenizer if tokenizer is not None else model
    if not isinstance(source, (str, Path)):
        raise ValueError("a model object does not carry its tokenizer; pass tokenizer=... (an object, folder or name)")
    return AutoTokenizer.from_pretrained(source)


def load_model(model: Any, dtype: str | None, quantization: BitsAndBytesConfig | None) -> Any:
    """Return the model, loaded if it is a folder or a name.

    Raises:
        ImportError: ``quantization`` without bitsandbytes.
        ValueError: A dtype or a quantization for a model that is loaded already.
    """
    if not isinstance(model, (str, Path)):
        if dtype is not None:
            raise ValueError(
                f"dtype={dtype!r} is for a model that is loaded here; convert the object with model.to(...)"
            )
        if quantization is not None:
            raise ValueError("quantization is for a model that is loaded here; load the object with it")
        return _open_to_gradients(model)
    if quantization is None:
        return AutoModelForCausalLM.from_pretrained(model, dtype=dtype or "float32")
    require("bitsandbytes", "quantized")
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=dtype or "float32", quantization_config=quantization)
    # Norms and embeddings become float32. Checkpointing is switched on by the policy, without the hooks it has here.
    return prepare_model_for_kbit_training(_open_to_gradients(loaded), use_gradient_checkpointing=False)


def _open_to_gradients(model: Any) -> Any:
    """Switch off a layout of bitsandbytes for inference on some CPUs.

    A layer that is once in it stays so, rounds to bfloat16, and lets no gradient through to what lies below, without a
    word. A policy samples between its steps.
    """
    for part in model.modules():
        if hasattr(part, "support_avx512bf16_for_cpu"):
            part.support_avx512bf16_for_cpu = False
    return model


def with_adapter(model: Any, lora: LoraConfig | str | Path | None) -> Any:
    """Return the model with a new adapter, or with one that was saved and is trained on.

    Raises:
        ValueError: It has an adapter already, or it is quantised and has none, so that nothing could be trained.
    """
    adapted = isinstance(model, PeftModel)
    if lora is None:
        if getattr(model, "is_quantized", False) and not adapted:
            raise ValueError(
                "quantised weights cannot be trained; pass lora=LoraConfig(...) to train an adapter on them"
            )
        return model
    if adapted:
        raise ValueError("the model has an adapter already; pass either a PEFT model or lora=...")
    if isinstance(lora, (str, Path)):
        return PeftModel.from_pretrained(model, str(lora), is_trainable=True)
    return get_peft_model(model, lora)
