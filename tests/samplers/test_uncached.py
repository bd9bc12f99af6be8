"""Sampling without padding and cache: what the other samplers sample, from any policy."""

from __future__ import annotations

import pytest
import torch

from rlframework.policies import CausalLMPolicy
from rlframework.samplers import SharedPrefixSampler, UncachedSampler
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy
from rlframework.testing.tiny import tiny_qwen3


@pytest.mark.parametrize("temperature", [1.0, 0.7, 0.0])
def test_it_samples_what_the_fast_one_samples(temperature: float) -> None:
    policy, prompts = tiny_policy(), letter_prompts(5)
    slow, fast = (
        kind(group_size=3, max_tokens=9, temperature=temperature, seed=4).sample(policy, prompts, step=2)
        for kind in (UncachedSampler, SharedPrefixSampler)
    )
    assert [row.ids for row in slow] == [row.ids for row in fast]
    for left, right in zip(slow, fast, strict=True):
        assert left.logprobs == pytest.approx(right.logprobs, abs=1e-5)
    assert {row.stop_reason for row in slow} == {row.stop_reason for row in fast}


def test_weights_that_are_no_numbers() -> None:
    model = tiny_qwen3()
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="logits are NaN"):
        UncachedSampler(2, 3).sample(CausalLMPolicy(model, letter_tokenizer()), letter_prompts(2))


def test_a_prompt_that_leaves_no_room() -> None:
    with pytest.raises(ValueError, match="64 positions of the model"):
        UncachedSampler(2, 63).sample(tiny_policy(), letter_prompts(2))
