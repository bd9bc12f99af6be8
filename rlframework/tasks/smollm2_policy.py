"""SmolLM2 as a policy of a few arguments, for a YAML file to name."""

from __future__ import annotations

from peft import LoraConfig

from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.tasks.smollm2 import create_smollm2


class SmolLM2Policy(CausalLMPolicy):
    """SmolLM2-135M-Instruct, fetched or found in the cache; of any other model `CausalLMPolicy` takes the folder.

    Args:
        lora: Train this adapter and leave the model as it is.
        dtype: Dtype of the weights, such as ``"bfloat16"``; by default float32.

    Raises:
        RuntimeError: It cannot be fetched; the message says what to download by hand.
    """

    def __init__(self, lora: LoraConfig | None = None, dtype: str | None = None) -> None:
        super().__init__(create_smollm2(), lora=lora, dtype=dtype)
