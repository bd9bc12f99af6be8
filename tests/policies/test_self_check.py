"""Architectures on which a shortcut does not run at all: it is left with a line that says so, and the rest is right."""

from __future__ import annotations

import re
import warnings

import pytest
import torch
from transformers import DeepseekV3Config, FalconConfig, PreTrainedModel
from transformers.models.deepseek_v3 import DeepseekV3ForCausalLM
from transformers.models.falcon import FalconForCausalLM

from rlframework.policies import CausalLMPolicy
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.samplers import SharedPrefixSampler
from rlframework.testing import letter_tokenizer
from tests.policies.tiny_architectures import tiny_architecture

TOKENIZER = letter_tokenizer()
SIZES = {"vocab_size": len(TOKENIZER), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
ENDS = {"pad_token_id": 0, "eos_token_id": 1, "max_position_embeddings": 256, "initializer_range": 0.3}


def latent_attention() -> PreTrainedModel:
    """Keys and values in its cache have other widths than a group's shared prompt takes."""
    widths = {"kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
    experts = {
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
    }
    inner = {"intermediate_size": 48, "moe_intermediate_size": 16, "num_key_value_heads": 4}
    return DeepseekV3ForCausalLM(DeepseekV3Config(**SIZES, **ENDS, **widths, **experts, **inner))


def alibi() -> PreTrainedModel:
    """Its biases are made from a mask of two dimensions, and a tree's has four."""
    kind = {"alibi": True, "multi_query": False, "new_decoder_architecture": False, "parallel_attn": False}
    return FalconForCausalLM(FalconConfig(**SIZES, **ENDS, **kind))


def cacheless() -> PreTrainedModel:
    """It takes and returns no cache, which is asked and not tried."""
    return tiny_architecture("openai-gpt")


# From 128 tokens on a group shares its prompt, where its layers hold what attention meets.
@pytest.mark.parametrize(
    ("make", "tokens", "tried"), [(latent_attention, 130, False), (alibi, 8, True), (cacheless, 8, False)]
)
def test_a_shortcut_that_does_not_run_is_left(make, tokens: int, tried: bool) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        policy = CausalLMPolicy(make(), TOKENIZER).eval()
    prompts = [Prompt([2 + place % 20 for place in range(tokens + more)], "", index=more) for more in range(2)]
    with warnings.catch_warnings(record=True) as caught, torch.no_grad():
        warnings.simplefilter("always")
        completions = SharedPrefixSampler(group_size=2, max_tokens=4).sample(policy, prompts)
        scored = policy.logprobs(Rollout.of(completions, pad_id=0)).logprobs
    left = [line for line in (str(warning.message) for warning in caught) if line.startswith("Left ")]
    assert bool(left) == tried, left
    assert all(re.match(r"Left .*=True: it raises \w+Error: .+ What is slower is right", line) for line in left)
    for row, found in zip(completions, scored, strict=True):
        with torch.no_grad():
            logits = policy.model(torch.tensor([[*row.prompt.ids, *row.ids]]), use_cache=False).logits[0]
        exact = logits.log_softmax(-1)[len(row.prompt.ids) - 1 : -1].gather(1, torch.tensor(row.ids).unsqueeze(1))
        assert row.logprobs == pytest.approx(exact.flatten().tolist(), abs=1e-4)
        assert found[: len(row.ids)].tolist() == pytest.approx(exact.flatten().tolist(), abs=1e-4)
