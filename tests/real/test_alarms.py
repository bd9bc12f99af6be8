"""Two hundred honest rollouts of the real model in every precision, whole and with LoRA: no shortcut is ever left.

Some minutes each: ``make test-real ARGS='-m "real and slow"'``.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from pathlib import Path
from random import Random

import pytest
import torch
from peft import LoraConfig

from rlframework.policies import CausalLMPolicy
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.samplers import SharedPrefixSampler

pytestmark = [pytest.mark.real, pytest.mark.slow]

ROLLOUTS = 200
# A shortcut is held against the model when it is first used, so a policy that has proven them is put away.
OF_ONE_POLICY = 20


def learner(model: Path, dtype: str, lora: bool) -> CausalLMPolicy:
    torch.manual_seed(0)
    adapter = LoraConfig(r=8, target_modules="all-linear") if lora else None
    policy = CausalLMPolicy(model, dtype=dtype, lora=adapter)
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    return policy


def asked(policy: CausalLMPolicy, random: Random, long: bool) -> list[Prompt]:
    """Two prompts of unequal length that begin alike."""
    filler = " Be brief, and write nothing but the sum. Do not explain how you found it." * (8 if long else 1)
    prompts = []
    for index, end in enumerate(("?", " in all?")):
        question = f"What is {random.randint(2, 99)} + {random.randint(2, 999)}{end}"
        turns = [{"role": "system", "content": f"You add numbers.{filler}"}, {"role": "user", "content": question}]
        text = policy.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        prompts.append(Prompt(policy.tokenizer(text, add_special_tokens=False).input_ids, text, index=index))
    assert (min(len(prompt.ids) for prompt in prompts) > 128) == long
    return prompts


@pytest.mark.parametrize("lora", [True, False], ids=["lora", "whole"])
@pytest.mark.parametrize("precision", ["float32", "bf16", "bf16-mixed"])
def test_no_shortcut_is_left(smollm2: Path, precision: str, lora: bool) -> None:
    trained = learner(smollm2, "bfloat16" if precision == "bf16" else "float32", lora)
    random, left = Random(0), []
    for rollout in range(ROLLOUTS):
        if rollout % OF_ONE_POLICY == 0:
            policy = CausalLMPolicy(trained.model, trained.tokenizer)
        prompts = asked(policy, random, long=rollout // OF_ONE_POLICY % 2 == 1)
        autocast = torch.autocast("cpu", torch.bfloat16) if precision == "bf16-mixed" else nullcontext()
        with warnings.catch_warnings(record=True) as caught, autocast:
            warnings.simplefilter("always")
            sampler = SharedPrefixSampler(group_size=2, max_tokens=5, seed=rollout)
            with torch.no_grad():
                completions = sampler.sample(policy.eval(), prompts, step=rollout)
            rows = Rollout.of(completions, pad_id=policy.pad_id)
            if rollout % OF_ONE_POLICY == 0:
                policy.train().logprobs(rows)
            with torch.no_grad():
                policy.eval().logprobs(rows)
        left += [str(warning.message) for warning in caught if str(warning.message).startswith("Left ")]
    assert left == []
