"""Models that were read from a GGUF file: float weights that carry the mark of a quantisation."""

from __future__ import annotations

from typing import Any


def without_gguf_mark(model: Any) -> Any:
    """Return the model free of the GGUF mark that transformers leaves on weights it has made floats of.

    Such weights are ordinary floats, but with the mark transformers neither saves nor trains them.

    Example:
        >>> from rlframework.testing import tiny_policy
        >>> model = tiny_policy().model
        >>> model.config.quantization_config = {"quant_method": "gguf"}
        >>> hasattr(without_gguf_mark(model).config, "quantization_config")
        False
    """
    mark = getattr(model.config, "quantization_config", None)
    method = mark.get("quant_method") if isinstance(mark, dict) else getattr(mark, "quant_method", None)
    if str(getattr(method, "value", method)) == "gguf":
        del model.config.quantization_config
        model.hf_quantizer, model.is_quantized = None, False
        if hasattr(model, "quantization_method"):
            del model.quantization_method
    return model
