"""Altered weights are seen in the answers, are the same on every machine, and go without a trace."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig

from rlframework import CausalLMPolicy
from rlframework.samplers.vllm.altered import VISIBLE, altered
from rlframework.testing import tiny_policy


@pytest.mark.parametrize("lora", [True, False])
def test_all_that_is_trained_moves_and_comes_back(lora: bool) -> None:
    policy = tiny_policy()
    if lora:
        policy = CausalLMPolicy(policy.model, policy.tokenizer, lora=LoraConfig(r=2, target_modules="all-linear"))
    ids = torch.arange(3, 11).view(1, 8)
    before = {name: weight.detach().clone() for name, weight in policy.named_parameters()}

    def logprobs() -> torch.Tensor:
        with torch.no_grad():
            return policy.model(ids).logits.log_softmax(-1)

    first, asked = logprobs(), []

    def moved() -> float:
        asked.append((logprobs() - first).abs().mean().item())
        return asked[-1]

    with altered(policy, moved) as shown:
        assert shown == asked[-1] >= VISIBLE
        assert all(size < VISIBLE for size in asked[:-1])
        for name, weight in policy.named_parameters():
            assert torch.equal(weight, before[name]) != weight.requires_grad, name
    assert all(torch.equal(weight, before[name]) for name, weight in policy.named_parameters())


def test_after_an_error_as_well() -> None:
    policy = tiny_policy()
    before = [weight.detach().clone() for weight in policy.parameters()]
    with pytest.raises(KeyError), altered(policy, lambda: 9.0):
        raise KeyError
    with pytest.raises(RuntimeError, match="by no more than 0 nats"), altered(policy, lambda: 0.0):
        pass
    assert all(torch.equal(*pair) for pair in zip(policy.parameters(), before, strict=True))
