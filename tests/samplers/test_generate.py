"""Sampling through ``generate`` draws what the plain sampler draws, whatever a checkpoint's settings say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from peft import LoraConfig
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, MistralConfig, MistralForCausalLM

from rlframework.algorithms import GRPO
from rlframework.policies import CausalLMPolicy, Policy
from rlframework.samplers import BatchedSampler, GenerateSampler, SharedPrefixSampler
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy
from tests.drawn import drawn
from tests.samplers.options import OPTIONS

TOKENIZER = letter_tokenizer()
PROMPTS = letter_prompts(7)
ENDS = {"eos_token_id": TOKENIZER.eos_token_id, "pad_token_id": TOKENIZER.pad_token_id, "bos_token_id": None}
# What the generation_config.json of chat models says, and more.
SETTINGS = {
    "top_k": 2,
    "top_p": 0.3,
    "temperature": 0.6,
    "do_sample": True,
    "repetition_penalty": 3.0,
    "no_repeat_ngram_size": 1,
    "suppress_tokens": list(range(3, 20)),
    "bad_words_ids": [[7]],
    "min_new_tokens": 9,
    "max_length": 4,
    "forced_eos_token_id": 25,
    "num_beams": 2,
    "eos_token_id": 1,
}


def seeded(make: Callable[[], torch.nn.Module]) -> CausalLMPolicy:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return CausalLMPolicy(make().eval(), TOKENIZER)


def gpt2() -> CausalLMPolicy:
    sizes = {"vocab_size": len(TOKENIZER), "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
    return seeded(lambda: GPT2LMHeadModel(GPT2Config(**sizes, initializer_range=0.4, **ENDS)))


def sliding() -> CausalLMPolicy:
    sizes = {"vocab_size": len(TOKENIZER), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.4, "sliding_window": 4}
    return seeded(lambda: MistralForCausalLM(MistralConfig(**sizes, **heads, max_position_embeddings=64, **ENDS)))


def lora() -> CausalLMPolicy:
    adapter = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return CausalLMPolicy(tiny_policy().model, TOKENIZER, lora=adapter).eval()


def assert_same(policy: Policy, **options) -> list:
    settings = {"group_size": 5, "max_tokens": 24, "seed": 2, **options}
    plain, shared, generated = (
        list(kind(**settings).sample(policy, PROMPTS, step=3))
        for kind in (BatchedSampler, SharedPrefixSampler, GenerateSampler)
    )
    assert [row.ids for row in generated] == [row.ids for row in plain] == [row.ids for row in shared]
    assert [row.stop_reason for row in generated] == [row.stop_reason for row in plain]
    assert [row.text for row in generated] == [row.text for row in plain]
    for left, right in zip(generated, plain, strict=True):
        assert left.logprobs == pytest.approx(right.logprobs, abs=1e-5)
    return generated


MODELS = {"tiny": tiny_policy, "gpt2": gpt2, "sliding": sliding, "lora": lora}


@pytest.mark.parametrize(
    ("make", "options"),
    drawn(
        {f"{model}-{option}": (MODELS[model], OPTIONS[option]) for model in MODELS for option in OPTIONS},
        {*(f"{model}-plain" for model in MODELS), *(f"tiny-{option}" for option in OPTIONS)},
    ),
)
def test_it_draws_what_the_plain_sampler_draws(make: Callable[[], CausalLMPolicy], options: dict) -> None:
    rows = assert_same(make(), **options)
    if not options:
        assert len({len(row.ids) for row in rows}) > 1, "no row ends before another"


@pytest.mark.parametrize("make", [tiny_policy, lora])
def test_the_settings_of_a_checkpoint_do_not_leak_in(make: Callable[[], CausalLMPolicy]) -> None:
    policy = make()
    before = [row.ids for row in assert_same(policy)]
    own = GenerationConfig(**SETTINGS)
    places = [policy.model, policy.model.get_base_model()] if make is lora else [policy.model]
    for place in places:
        place.generation_config = own
    assert [row.ids for row in assert_same(policy)] == before
    assert all(place.generation_config is own for place in places)


def test_the_settings_are_back_after_an_error() -> None:
    policy = tiny_policy()
    own = policy.model.generation_config
    with torch.no_grad():
        policy.model.lm_head.weight.fill_(torch.nan)
    with pytest.raises(RuntimeError, match="NaN"):
        GenerateSampler(group_size=1, max_tokens=2).sample(policy, PROMPTS)
    policy.model.lm_head.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        GenerateSampler(group_size=1, max_tokens=2).sample(policy, PROMPTS)
    assert policy.model.generation_config is own


def test_it_ends_with_every_end_id_that_a_checkpoint_names() -> None:
    policy = tiny_policy()
    policy.model.generation_config.eos_token_id = [1, 20, 21, 22]
    rows = assert_same(policy)
    assert {row.ids[-1] for row in rows if row.stop_reason == "stop"} & {20, 21, 22}


def test_it_stops_when_all_rows_have_ended() -> None:
    policy, seen = tiny_policy(), []
    policy.model.generation_config.eos_token_id = list(range(1, 30))
    sampler = GenerateSampler(group_size=3, max_tokens=40)
    sampler.progress = lambda done, unfinished: seen.append((done, unfinished))
    longest = max(len(row.ids) for row in sampler.sample(policy, PROMPTS))
    assert [done for done, _ in seen] == list(range(1, longest + 1))
    assert seen[-1][1] == 0
    assert longest < 40


def test_a_row_does_not_depend_on_the_others() -> None:
    policy, sampler = gpt2(), GenerateSampler(group_size=2, max_tokens=8)
    together = [row.ids for row in sampler.sample(policy, PROMPTS)]
    assert together[4:6] == [row.ids for row in sampler.sample(policy, PROMPTS[2:3])]
    assert together != [row.ids for row in sampler.sample(policy, PROMPTS, step=1)]


def test_what_it_does_not_serve_is_refused() -> None:
    sampler = GenerateSampler(group_size=1, max_tokens=60)
    with pytest.raises(TypeError, match="this is a AdapterReference"):
        sampler.replace(max_tokens=2).sample(lora().reference(), PROMPTS)
    with pytest.raises(ValueError, match="64 positions"):
        sampler.sample(tiny_policy(), PROMPTS)


def test_it_trains_as_the_plain_sampler_does(grpo: Callable[..., GRPO], fit: Callable) -> None:
    weights = []
    for kind in (BatchedSampler, GenerateSampler):
        algorithm = grpo(sampler=kind(group_size=4, max_tokens=4), passes_per_rollout=2)
        fit(algorithm)
        assert not algorithm.policy_scores_rollouts
        weights.append(torch.nn.utils.parameters_to_vector(algorithm.policy.parameters()).detach())
    torch.testing.assert_close(weights[1], weights[0], atol=1e-5, rtol=0)
