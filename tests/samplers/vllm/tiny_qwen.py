"""A Qwen3 of two layers that vLLM can serve, the same weights on every machine, whole or with an adapter."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig
from transformers import Qwen3ForCausalLM

from rlframework import CausalLMPolicy
from rlframework.testing import letter_tokenizer, tiny_qwen3


def model(tied: bool = False) -> Qwen3ForCausalLM:
    """No random stream of a library decides what was recorded."""
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "tie_word_embeddings": tied}
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "max_position_embeddings": 256}
    made = tiny_qwen3(**sizes, **heads)
    number(made.named_parameters())
    return made


def number(weights: Iterable[tuple[str, torch.Tensor]]) -> None:
    """Give every matrix values that are a function of its name."""
    with torch.no_grad():
        for name, matrix in weights:
            if matrix.ndim > 1:
                values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(matrix.shape)
                matrix.copy_(torch.from_numpy(values * 0.1))


def policy(lora: bool = False, tied: bool = False, noise: float = 0.0) -> CausalLMPolicy:
    """With ``noise``, what is trained is moved away from where it starts: an adapter then does something."""
    config = LoraConfig(r=8, target_modules="all-linear") if lora else None
    made = CausalLMPolicy(model(tied), letter_tokenizer(), lora=config)
    number((name, weight) for name, weight in made.named_parameters() if "lora_A" in name)
    if noise:
        disturb(made, noise)
    return made


def disturb(made: CausalLMPolicy, noise: float, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in made.parameters():
            if weights.requires_grad and weights.ndim > 1:
                weights.add_(torch.randn(weights.shape, generator=generator) * noise)


def checkpoint(folder: Path, tied: bool = False) -> Path:
    model(tied).save_pretrained(folder)
    letter_tokenizer().save_pretrained(folder)
    return folder
