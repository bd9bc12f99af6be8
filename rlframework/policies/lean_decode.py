"""One decoding step of the Llama family in a dozen calls a layer, for models so small or so fast that calls cost most.

The arithmetic is that of transformers' Llama, Qwen2 and Qwen3. Projections that read the same input are joined into one
matrix, norms are the fused ones of torch, and keys and values go straight into a `RoomyLayer`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache

from rlframework.policies.rotation import length_dependent

_FAMILY = frozenset({"llama", "qwen2", "qwen3"})


class LeanDecoder:
    """Decodes with the weights that the model has now; made anew for every rollout, since it holds joined copies.

    Args:
        model: A transformers model that `fits`.
        positions: How many positions will be asked for at most.
    """

    def __init__(self, model: Any, positions: int) -> None:
        body = model.model
        self._embedding = body.embed_tokens
        self._layers = [_Layer(layer, model.config) for layer in body.layers]
        self._norm = body.norm
        self._head = model.lm_head
        places = torch.arange(positions, device=self._embedding.weight.device).unsqueeze(0)
        self._cosines, sines = (part[0] for part in body.rotary_emb(self._embedding.weight, places))
        first, second = sines.chunk(2, dim=-1)
        self._sines = torch.cat([-first, second], dim=-1)

    @staticmethod
    def fits(model: Any) -> bool:
        """Whether the model is of the family, with plain linear layers throughout and its plain activation."""
        if not isinstance(model, PreTrainedModel) or model.config.model_type not in _FAMILY:
            return False
        if model.config.hidden_act != "silu" or length_dependent(model.config):
            return False
        body: Any = model.model
        parts = [part for layer in body.layers for part in (*_attention(layer), *_feed_forward(layer))]
        return all(type(part) is nn.Linear for part in (*parts, model.lm_head))

    def step(self, tokens: Tensor, mask: Tensor, cache: DynamicCache) -> Tensor:
        """Read one token per row and return ``(B, V)`` logits for the next.

        Args:
            tokens: ``(B,)``.
            mask: ``(B, S)`` bool over everything seen and the token itself.
            cache: Of `RoomyLayer`.
        """
        seen = None if bool(mask.all()) else mask[:, None, None, :]
        return self.forward(tokens, mask.sum(1) - 1, seen, cache.layers)

    def forward(self, tokens: Tensor, positions: Tensor, seen: Tensor | None, states_of_layers: Any) -> Tensor:
        """Do the same for positions ``(B,)`` and a mask ``(B, 1, 1, S)``, None where nothing is padded."""
        rotation = self._cosines[positions].unsqueeze(1), self._sines[positions].unsqueeze(1)  # (B, 1, D) each
        hidden = self._embedding(tokens)
        for layer, states in zip(self._layers, states_of_layers, strict=True):
            hidden = layer(hidden, rotation, seen, states)
        return self._head(_normalised(hidden, self._norm))


class _Layer:
    """A decoder layer with its projections joined."""

    def __init__(self, layer: Any, config: Any) -> None:
        attention = layer.self_attn
        query, key, value, self._out = _attention(layer)
        gate, up, self._down = _feed_forward(layer)
        self._inwards, self._gates = _joined(query, key, value), _joined(gate, up)
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
        hidden = hidden + self._out(mixed.reshape(rows, -1))
        gate, up = F.linear(_normalised(hidden, self._between), *self._gates).chunk(2, dim=-1)
        return hidden + self._down(F.silu(gate) * up)


def _attention(layer: Any) -> tuple[Any, ...]:
    attention = layer.self_attn
    return attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj


def _feed_forward(layer: Any) -> tuple[Any, ...]:
    return layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj


def _joined(*parts: Any) -> tuple[Tensor, Tensor | None]:
    biases = [part.bias for part in parts]
    return torch.cat([part.weight for part in parts]), None if biases[0] is None else torch.cat(biases)


def _normalised(states: Tensor, norm: Any) -> Tensor:
    return F.rms_norm(states, (states.shape[-1],), norm.weight, norm.variance_epsilon)


def _rotated(states: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cosines, sines = rotation  # the first half of the sines negative
    return states * cosines + states.roll(states.shape[-1] // 2, dims=-1) * sines
