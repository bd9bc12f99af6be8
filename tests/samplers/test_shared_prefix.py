"""The fast sampler draws what the plain one draws, whatever the model and wherever rows end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from peft import LoraConfig
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from rlframework.policies import CausalLMPolicy, Policy
from rlframework.policies.decoding import base as decoding
from rlframework.policies.decoding.group_cache import PromptLayer
from rlframework.policies.decoding.kv_cache import PreallocatedLayer
from rlframework.samplers import BatchedSampler, SharedPrefixSampler
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy
from tests.drawn import drawn
from tests.samplers.options import OPTIONS

TOKENIZER = letter_tokenizer()
PROMPTS = letter_prompts(7)
SIZES = {"vocab_size": len(TOKENIZER), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.4, "max_position_embeddings": 64}
ENDS = {"eos_token_id": TOKENIZER.eos_token_id, "pad_token_id": TOKENIZER.pad_token_id, "bos_token_id": None}


def seeded(make: Callable[[], PreTrainedModel]) -> Policy:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return CausalLMPolicy(make().eval(), TOKENIZER)


def gpt2() -> Policy:
    sizes = {"vocab_size": len(TOKENIZER), "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
    return seeded(lambda: GPT2LMHeadModel(GPT2Config(**sizes, initializer_range=0.4, **ENDS)))


def sliding() -> Policy:
    return seeded(lambda: MistralForCausalLM(MistralConfig(**SIZES, **HEADS, **ENDS, sliding_window=4)))


def llama() -> Policy:
    return seeded(lambda: LlamaForCausalLM(LlamaConfig(**SIZES, **HEADS, **ENDS)))


def lora() -> Policy:
    policy = tiny_policy()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        adapter = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        return CausalLMPolicy(policy.model, TOKENIZER, lora=adapter)


@pytest.fixture(params=[decoding.LONG_PROMPT, 1], ids=["copied prompts", "shared prompts"])
def grouped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Sample with a copy of the prompt for every row, and with one for the group; collect the rows of shared steps."""
    rows: list[int] = []
    mix = PromptLayer.mix
    monkeypatch.setattr(decoding, "LONG_PROMPT", request.param)
    monkeypatch.setattr(
        PromptLayer, "mix", lambda layer, query, *rest: (rows.append(len(query)), mix(layer, query, *rest))[1]
    )
    yield rows
    assert request.param == 1 or not rows


MODELS = {"tiny": tiny_policy, "gpt2": gpt2, "llama": llama, "sliding": sliding, "lora": lora}


@pytest.mark.parametrize(
    ("make", "options"),
    drawn(
        {f"{model}-{option}": (MODELS[model], OPTIONS[option]) for model in MODELS for option in OPTIONS},
        {*(f"{model}-plain" for model in MODELS), "tiny-alone", "tiny-truncated"},
    ),
)
def test_it_draws_what_the_plain_sampler_draws(make: Callable[[], Policy], options: dict, grouped: list[int]) -> None:
    policy, settings = make(), {"group_size": 5, "max_tokens": 24, "seed": 2, **options}
    plain = list(BatchedSampler(**settings).sample(policy, PROMPTS, step=3))
    fast = list(SharedPrefixSampler(**settings).sample(policy, PROMPTS, step=3))
    assert [row.ids for row in fast] == [row.ids for row in plain]
    assert [row.stop_reason for row in fast] == [row.stop_reason for row in plain]
    for left, right in zip(fast, plain, strict=True):
        assert left.logprobs == pytest.approx(right.logprobs, abs=1e-5)
    if grouped and settings["max_tokens"] > 1:
        assert make is not sliding
        assert max(grouped) == 5 * len(PROMPTS)
    if not options:
        assert len({len(row.ids) for row in plain}) > 1, "no row ends before another: nothing leaves the batch"


def test_a_prompt_is_read_once_and_rows_that_are_done_are_not_fed() -> None:
    policy, fed, sampler = tiny_policy(), [], SharedPrefixSampler(group_size=20, max_tokens=12)
    sampler.sample(policy, PROMPTS)  # proves its way of decoding once
    forward = policy.next_logits
    policy.next_logits = lambda ids, mask, cache=None: (fed.append(tuple(ids.shape)), forward(ids, mask, cache))[1]
    rows = list(sampler.sample(policy, PROMPTS))
    assert fed[0] == (7, max(len(prompt.ids) for prompt in PROMPTS))
    longer = [sum(len(row.ids) > position for row in rows) for position in range(1, 12)]
    assert longer[-1] < longer[0] <= 140
    for (size, width), needed in zip(fed[1:], longer, strict=True):
        assert width == 1
        assert needed <= size <= needed / 0.9 + 1


def test_a_preallocated_layer_holds_what_was_put_in() -> None:
    torch.manual_seed(0)
    keys, values, more = (torch.randn(3, 2, length, 4) for length in (5, 5, 2))
    layer = PreallocatedLayer(keys, values, room=3)
    whole, _ = layer.update(more, -more)
    torch.testing.assert_close(whole, torch.cat([keys, more], 2))
    layer.reorder_cache(torch.tensor([2, 0, 2, 2]))
    assert layer.get_seq_length() == 7
    one = torch.randn(4, 2, 1, 4)
    keys_now, values_now = layer.update(one, one)
    torch.testing.assert_close(keys_now, torch.cat([torch.cat([keys, more], 2)[[2, 0, 2, 2]], one], 2))
    torch.testing.assert_close(values_now, torch.cat([torch.cat([values, -more], 2)[[2, 0, 2, 2]], one], 2))
