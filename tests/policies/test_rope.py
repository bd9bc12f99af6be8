"""Rows that LongRoPE or dynamic scaling would rotate in two ways are refused before the first rollout."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
from transformers import AutoModelForCausalLM, LlamaConfig, Phi3Config

from rlframework import GRPO, CausalLMPolicy, PromptDataModule
from rlframework.rewards import RowReward
from rlframework.samplers import BatchedSampler, SharedPrefixSampler, UncachedSampler
from rlframework.testing import letter_tokenizer

SIZES = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZES |= {"num_key_value_heads": 2, "vocab_size": len(letter_tokenizer()), "pad_token_id": 0, "eos_token_id": 1}
LONG = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}


def policy(kind: str) -> CausalLMPolicy:
    if kind == "phi3":
        config = Phi3Config(
            **SIZES, max_position_embeddings=64, original_max_position_embeddings=16, rope_parameters=LONG
        )
    elif kind == "longrope":
        config = LlamaConfig(
            **SIZES, max_position_embeddings=64, rope_parameters={**LONG, "original_max_position_embeddings": 16}
        )
    else:
        # Its own positions are where the scaling begins.
        dynamic = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}
        config = LlamaConfig(**SIZES, max_position_embeddings=16, rope_parameters=dynamic)
    return CausalLMPolicy(AutoModelForCausalLM.from_config(config), letter_tokenizer())


@pytest.mark.parametrize(
    ("kind", "prompts", "budget", "refused"),
    [
        ("phi3", [10], 6, False),
        ("phi3", [10], 7, True),
        ("phi3", [10, 4], 7, True),
        ("phi3", [16], 1, True),
        ("phi3", [17], 30, False),
        ("phi3", [17, 20], 30, False),
        ("phi3", [17, 4], 2, True),
        ("phi3", [], 7, False),
        ("longrope", [10], 6, False),
        ("longrope", [10], 7, True),
        ("longrope", [40], 20, False),
        ("dynamic", [10], 6, False),
        ("dynamic", [10], 7, True),
        ("dynamic", [40], 20, True),
    ],
)
def test_what_crosses_the_length_at_which_angles_change(kind, prompts, budget, refused) -> None:
    reason = policy(kind).changing_rotation(prompts, budget)
    assert (reason is not None) == refused
    if reason:
        assert f"max_tokens={budget} go beyond 16 tokens" in reason
        assert "Lower max_tokens" in reason


def test_a_model_that_rotates_alike_at_any_length() -> None:
    model = AutoModelForCausalLM.from_config(LlamaConfig(**SIZES, max_position_embeddings=16))
    assert CausalLMPolicy(model, letter_tokenizer()).changing_rotation([10, 40], 100) is None


class Length(RowReward):
    def score_row(self, completion):
        return float(len(completion.ids))


@pytest.mark.parametrize("sampler", [BatchedSampler, SharedPrefixSampler, UncachedSampler])
@pytest.mark.parametrize(("budget", "refused"), [(12, True), (6, False)])
def test_a_run_is_refused_before_its_first_rollout(sampler, budget, refused) -> None:
    algorithm = GRPO(policy("phi3"), Length(), sampler(group_size=4, max_tokens=budget), prompts_per_rollout=2)
    data = PromptDataModule([{"prompt": "abcdefgh"}, {"prompt": "abc"}])
    trainer = pl.Trainer(max_steps=2, accelerator="cpu", logger=False, enable_checkpointing=False, barebones=True)
    if not refused:
        trainer.fit(algorithm, data)
        return
    with pytest.raises(ValueError, match=r"1 of 2 prompts \(the longest of 8 tokens\) and max_tokens=12 go beyond 16"):
        trainer.fit(algorithm, data)
