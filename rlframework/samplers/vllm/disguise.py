"""Weights in disguise: every one another, and still the same model, so that a weight that stays old is seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor
from transformers import PretrainedConfig

ARCHITECTURES = frozenset({"llama", "mistral", "qwen2", "qwen3"})

# Which axis of a weight is the residual stream: what reads from it has it as columns, what writes to it as rows.
_READS = re.compile(r"(embed_tokens|lm_head|[qkv]_proj|gate_proj|up_proj)\.weight$")
_WRITES = re.compile(r"((o_proj|down_proj)\.(weight|bias)|(?<![qk]_)(layernorm|norm)\.weight)$")
# Factors that cancel inside of a layer: queries and keys multiply, values pass through to the output, as does one half
# of the MLP.
_MULTIPLIED = re.compile(r"((v_proj|up_proj)\.(weight|bias)|q_norm\.weight)$")
_DIVIDED = re.compile(r"((o_proj|down_proj)|k_norm)\.weight$")
_QUERIES, _KEYS = re.compile(r"q_proj\.(weight|bias)$"), re.compile(r"k_proj\.(weight|bias)$")
_LAST_NORM = re.compile(r"model\.norm\.weight$")
# Alike in every disguise: their layer's own weights, and norms of queries and keys, change around them.
_INSIDE = re.compile(r"gate_proj\.bias$")


def unfit(config: PretrainedConfig, names: Iterable[str]) -> str | None:
    """Return why a model's weights have no disguise; None if they have one.

    Args:
        config: Of the model.
        names: Of its weights.

    Example:
        >>> from transformers import GPT2Config
        >>> unfit(GPT2Config(), [])
        'gpt2 is none of llama, mistral, qwen2, qwen3'
    """
    if config.model_type not in ARCHITECTURES:
        return f"{config.model_type} is none of {', '.join(sorted(ARCHITECTURES))}"
    known = [_READS, _WRITES, _MULTIPLIED, _DIVIDED, _QUERIES, _KEYS, _INSIDE]
    unknown = [name for name in names if not any(pattern.search(name) for pattern in known)]
    return f"{unknown[0]} is none of the weights that {config.model_type} is known to have" if unknown else None


def disguised(
    state: Mapping[str, Tensor], config: PretrainedConfig, seed: int, sharpness: float = 1.0
) -> dict[str, Tensor]:
    r"""Return other weights of the same model, its logits multiplied by ``sharpness``.

    The residual stream is permuted: $W_\text{in} \to W_\text{in} P^\top$, $W_\text{out} \to P\, W_\text{out}$,
    $g \to P g$, which no norm, no attention and no MLP notices. Queries, values and the MLP's values are multiplied,
    too, where what follows is divided again. With powers of two all of it is exact in floating point, up to the order
    of sums. A server that keeps one of the weights that it had multiplies numbers that do not belong
    together; one that keeps all of them has logits of another size.

    Args:
        state: The weights, by their names in a transformers model.
        config: Of the model; its type is one of `ARCHITECTURES`.
        seed: Of the permutation.
        sharpness: A power of two.

    Raises:
        ValueError: Another architecture, or a weight that is none of its weights.
    """
    if reason := unfit(config, state):
        raise ValueError(f"these weights have no disguise: {reason}")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(config.hidden_size))
    normed = any(name.endswith("q_norm.weight") for name in state)
    others: dict[int, Tensor] = {}  # Tied weights stay tied.
    for name, weight in state.items():
        if weight.data_ptr() not in others:
            others[weight.data_ptr()] = _other(name, weight, order.to(weight.device), normed, sharpness)
    return {name: others[weight.data_ptr()] for name, weight in state.items()}


def _other(name: str, weight: Tensor, order: Tensor, normed: bool, sharpness: float) -> Tensor:
    multiplied = _MULTIPLIED.search(name) or (not normed and _QUERIES.search(name))
    divided = _DIVIDED.search(name) or (not normed and _KEYS.search(name))
    factor = sharpness if multiplied or _LAST_NORM.search(name) else 1 / sharpness if divided else 1.0
    stream = 1 if _READS.search(name) else 0 if _WRITES.search(name) else None
    return (weight if stream is None else weight.index_select(stream, order)) * factor
