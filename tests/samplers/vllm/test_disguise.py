"""Every weight is another one, the model is the same, and one that is left behind is seen."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    GPT2Config,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from rlframework.samplers.vllm.disguise import disguised, unfit

SIZES = {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 64}
KINDS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "llama with biases": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True)),
    "llama, tied": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=True)),
    "llama, square": lambda: LlamaForCausalLM(LlamaConfig(**{**SIZES, "head_dim": 8, "num_key_value_heads": 4})),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SIZES)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, tie_word_embeddings=False)),
}
IDS = torch.arange(3, 21).view(2, 9)


def made(kind: str) -> PreTrainedModel:
    torch.manual_seed(0)
    model = KINDS[kind]().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * (0.2 if weight.ndim == 1 else 0.1))
    return model


@torch.no_grad()
def logits(model: PreTrainedModel, state: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
    return (
        model(IDS).logits
        if state is None
        else torch.func.functional_call(model, state, (IDS,), tie_weights=False).logits
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sharpness", [0.5, 0.25])
def test_it_is_the_same_model_and_each_weight_is_another(kind: str, sharpness: float) -> None:
    model = made(kind)
    state = model.state_dict()
    other = disguised(state, model.config, 1, sharpness)
    torch.testing.assert_close(logits(model, other) / sharpness, logits(model), atol=2e-5, rtol=1e-4)
    same = {name for name, weight in other.items() if torch.equal(weight, state[name])}
    assert same <= {f"model.layers.{layer}.mlp.gate_proj.bias" for layer in range(2)}
    assert {name: weight.shape for name, weight in other.items()} == {n: w.shape for n, w in state.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_one_weight_of_the_disguise_before_is_seen(kind: str) -> None:
    model = made(kind)
    before, now = (disguised(model.state_dict(), model.config, seed, s) for seed, s in ((3, 0.5), (4, 0.25)))
    right = logits(model, now).log_softmax(-1)
    moved = {}
    for name, weight in before.items():
        if not torch.equal(weight, now[name]) and not (name == "lm_head.weight" and "tied" in kind):
            moved[name] = (logits(model, {**now, name: weight}).log_softmax(-1) - right).abs().mean().item()
    # Biases are small here; each matrix and each norm is seen plainly.
    assert min(size for name, size in moved.items() if not name.endswith("bias")) > 2e-3, moved
    assert min(moved.values()) > 1e-6, moved
    assert (logits(model, before).log_softmax(-1) - right).abs().mean() > 2e-3


def test_what_has_no_disguise_is_said() -> None:
    assert "gpt2 is none of llama" in str(unfit(GPT2Config(), []))
    odd = {**made("qwen3").state_dict(), "model.layers.0.mlp.experts": torch.ones(3)}
    with pytest.raises(ValueError, match=r"no disguise: model.layers.0.mlp.experts is none of the weights that qwen3"):
        disguised(odd, Qwen3Config(**SIZES), 0)
