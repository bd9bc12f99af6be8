"""Models, tokenizers and adapters from folders, hub names or objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedTokenizerBase

from rlframework.optional import require
from rlframework.policies.gguf import find_gguf, without_gguf_mark
from rlframework.quiet import CHECKPOINTING, without


def load_tokenizer(model: Any, tokenizer: Any, gguf_file: str | None = None) -> PreTrainedTokenizerBase:
    """Return the tokenizer, by default the one that is saved with the model, in its folder or its GGUF file.

    Raises:
        ImportError, FileNotFoundError: Of a GGUF file.
        ValueError: The model is an object, and objects do not carry one; or a GGUF file cannot be read.
    """
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        return tokenizer
    source = tokenizer if tokenizer is not None else model
    if not isinstance(source, (str, Path)):
        raise ValueError("a model object does not carry its tokenizer; pass tokenizer=... (an object, folder or name)")
    file = find_gguf(source, gguf_file if tokenizer is None else None)
    return AutoTokenizer.from_pretrained(source) if file is None else file.load_tokenizer()


def load_model(
    model: Any, dtype: str | None, quantization: BitsAndBytesConfig | None, gguf_file: str | None = None
) -> Any:
    """Return the model, loaded if it is a folder, a GGUF file or a name.

    Raises:
        ImportError: ``quantization`` without bitsandbytes, a GGUF file without the package ``gguf``.
        FileNotFoundError: There is no such GGUF file.
        ValueError: A dtype, a quantization or a file's name for a model that is loaded already; a GGUF file that cannot
            be read, or with ``quantization``.
    """
    file = find_gguf(model, gguf_file)
    if not isinstance(model, (str, Path)):
        if dtype is not None:
            raise ValueError(
                f"dtype={dtype!r} is for a model that is loaded here; convert the object with model.to(...)"
            )
        if quantization is not None:
            raise ValueError("quantization is for a model that is loaded here; load the object with it")
        return without_gguf_mark(_open_to_gradients(model))
    if file is not None:
        if quantization is not None:
            raise ValueError(
                f"quantization is for float weights, and {file.path} is unpacked when it is loaded; save the model "
                "(save_pretrained) and give that folder"
            )
        return file.load_model(dtype or "float32")
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
    with without(CHECKPOINTING):
        if isinstance(lora, (str, Path)):
            return PeftModel.from_pretrained(model, str(lora), is_trainable=True)
        return get_peft_model(model, lora)
