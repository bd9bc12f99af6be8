"""A fused decoding step of the Llama family: a dozen calls a layer, since calls cost most in small or fast models.

The arithmetic is that of transformers' Llama, Qwen2 and Qwen3. Projections that read the same input are joined into one
matrix, LoRA is added to the weights, norms are the fused ones of torch, and keys and values go straight into a
`PreallocatedLayer`.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from peft import LoraModel, PeftModel
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache

from rlframework.policies.rope import length_dependent
from rlframework.policies.wrappers import without_adapter

_FAMILY = frozenset({"llama", "qwen2", "qwen3"})


class FusedDecoder:
    """Fused decoding of a rollout: owns its cache, and joined copies of the weights that the model has now.

    Args:
        model: A transformers model that `fits`.
        cache: Of the prompts, in layers of `PreallocatedLayer`.

    Attributes:
        cache: As it is now.
    """

    def __init__(self, model: Any, cache: DynamicCache) -> None:
        model = without_adapter(model)
        body = model.model
        self._embedding = body.embed_tokens
        self._layers = [_Layer(layer, model.config) for layer in body.layers]
        self._norm = body.norm
        self._head = model.lm_head
        self._rotary = body.rotary_emb
        self._take(cache)

    def _take(self, cache: Any) -> None:
        self.cache: Any = cache
        places = torch.arange(cache.layers[0].capacity, device=self._embedding.weight.device).unsqueeze(0)
        self._cosines, sines = (part[0] for part in self._rotary(self._embedding.weight, places))
        first, second = sines.chunk(2, dim=-1)
        self._sines = torch.cat([-first, second], dim=-1)

    def with_cache(self, cache: DynamicCache) -> FusedDecoder:
        """Return a decoder of other rows, with the same copies of the weights.

        Args:
            cache: Of the rows, in layers of `PreallocatedLayer`.
        """
        other = copy.copy(self)
        other._take(cache)
        return other

    @staticmethod
    def fits(model: Any) -> bool:
        """Return whether the model is of the family of transformers, with plain or LoRA layers and no other part.

        A part that does nothing yet, as new adapters do, would pass any comparison, so each is known by its class.
        """
        if isinstance(model, PeftModel) and type(model.base_model) is not LoraModel:
            return False
        model = without_adapter(model)
        if not isinstance(model, PreTrainedModel) or model.config.model_type not in _FAMILY:
            return False
        if model.config.hidden_act != "silu" or length_dependent(model.config):
            return False
        body: Any = model.model
        if not all(_is_stock(part) for part in (model, body, body.norm, model.lm_head, *body.layers.modules())):
            return False
        parts = [part for layer in body.layers for part in (*_attention(layer), *_feed_forward(layer))]
        plain = type(body.embed_tokens) is nn.Embedding and type(model.lm_head) is nn.Linear
        return plain and all(type(part) is nn.Linear or _adds_weights(part) for part in parts)

    def append(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Append a token to every row and return ``(B, V)`` logits for the next.

        Args:
            ids: ``(B, 1)``.
            mask: ``(B, S)`` bool over everything seen and the token itself.
        """
        seen = None if bool(mask.all()) else mask[:, None, None, :]
        rotation = self._rotation(mask.sum(1) - 1)
        hidden = self._embedding(ids[:, 0])
        for layer, states in zip(self._layers, self.cache.layers, strict=True):
            hidden = layer(hidden, rotation, seen, states)
        return self._head(_normalised(hidden, self._norm))

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows, in this order."""
        self.cache.reorder_cache(beam_idx)

    def _rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines and sines of the positions ``(B,)``, ``(B, 1, D)`` each."""
        return self._cosines[positions].unsqueeze(1), self._sines[positions].unsqueeze(1)


class _Layer:
    """A decoder layer with its projections joined."""

    def __init__(self, layer: Any, config: Any) -> None:
        attention = layer.self_attn
        query, key, value, out = _attention(layer)
        gate, up, down = _feed_forward(layer)
        self._inwards, self._out = _joined(query, key, value), _joined(out)
        self._gates, self._down = _joined(gate, up), _joined(down)
        self._before, self._between = layer.input_layernorm, layer.post_attention_layernorm
        self._width = attention.head_dim
        self._heads, self._key_heads = config.num_attention_heads, config.num_key_value_heads
        self._head_norms = None
        if hasattr(attention, "q_norm"):
            norms = (attention.q_norm, self._heads), (attention.k_norm, self._key_heads)
            self._head_norms = torch.cat([norm.weight.expand(count, -1) for norm, count in norms])  # (H + H_kv, D)
            self._epsilon = attention.q_norm.variance_epsilon
        self._scale = attention.scaling

    def __call__(self, hidden: Tensor, rotation: tuple[Tensor, Tensor], seen: Tensor | None, states: Any) -> Tensor:
        heads, key_heads, rows = self._heads, self._key_heads, len(hidden)
        states_in = F.linear(_normalised(hidden, self._before), *self._inwards).view(rows, -1, self._width)
        turned, value = states_in.split([heads + key_heads, key_heads], dim=1)
        if self._head_norms is not None:
            turned = F.rms_norm(turned, (self._width,), None, self._epsilon) * self._head_norms
        query, key = _rotated(turned, rotation).split([heads, key_heads], dim=1)
        mixed = states.attend(query, key, value, seen, self._scale)
        hidden = hidden + F.linear(mixed.reshape(rows, -1), *self._out)
        gate, up = F.linear(_normalised(hidden, self._between), *self._gates).chunk(2, dim=-1)
        return hidden + F.linear(F.silu(gate) * up, *self._down)


def _attention(layer: Any) -> tuple[Any, ...]:
    attention = layer.self_attn
    return attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj


def _feed_forward(layer: Any) -> tuple[Any, ...]:
    return layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj


def _joined(*parts: Any) -> tuple[Tensor, Tensor | None]:
    """Return the weights of layers that read the same input, one below the other, and their biases."""
    weights, biases = [_weight(part) for part in parts], [part.bias for part in parts]
    joined = torch.cat(weights) if len(weights) > 1 else weights[0]
    return joined, None if biases[0] is None else torch.cat(biases)


def _weight(part: Any) -> Tensor:
    """Return what a layer multiplies by: with LoRA, what its active adapters make of the weight."""
    if type(part) is nn.Linear or part.disable_adapters or part.merged:
        return part.weight
    weight = part.weight
    for name in part.active_adapters:
        if name in part.lora_A:
            weight = weight + part.get_delta_weight(name).to(torch.promote_types(weight.dtype, torch.float32))
    return weight.to(part.weight.dtype)


def _is_stock(part: nn.Module) -> bool:
    """Whether a module is one of transformers, torch or PEFT and calls nothing else."""
    own = type(part).__module__.startswith(
        ("transformers.models.", "transformers.activations", "torch.nn.", "peft.tuners.lora.")
    )
    return own and "forward" not in vars(part) and not part._forward_hooks and not part._forward_pre_hooks


def _adds_weights(part: Any) -> bool:
    """Whether a LoRA layer does no more than add to the weight of a plain one."""
    if type(part) is not LoraLinear or type(part.base_layer) is not nn.Linear:
        return False
    variants = any(part.use_dora.values()) or bool(getattr(part, "lora_variant", None))
    return not variants and not any(getattr(part, "lora_bias", {}).values())


def _normalised(states: Tensor, norm: Any) -> Tensor:
    return F.rms_norm(states, (states.shape[-1],), norm.weight, norm.variance_epsilon)


def _rotated(states: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cosines, sines = rotation  # the first half of the sines negative
    return states * cosines + states.roll(states.shape[-1] // 2, dims=-1) * sines
