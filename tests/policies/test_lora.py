"""A policy that trains an adapter, and the reference that shares its model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel

from rlframework import BatchedSampler, CausalLMPolicy
from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy, tiny_qwen3

LORA = LoraConfig(r=2, target_modules=["q_proj", "v_proj"])


def perturbed() -> CausalLMPolicy:
    """Return a policy whose adapter does something: a new one has B = 0."""
    policy = CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=LORA)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    return policy.eval()


def batch() -> Rollout:
    pairs = [([5], [15, 16, 1]), ([6, 7, 8], [18])]
    rows = [Completion(Prompt(prompt, ""), ids, "", "stop") for prompt, ids in pairs]
    return Rollout.of(Completions(rows, 1), pad_id=0)


def trainable(policy: torch.nn.Module) -> set[str]:
    return {name for name, parameter in policy.named_parameters() if parameter.requires_grad}


def test_only_the_adapter_is_trained() -> None:
    policy = perturbed()
    adapter = {name for name, _ in policy.named_parameters() if "lora_" in name}
    assert len(adapter) == 4
    assert trainable(policy) == adapter
    policy.logprobs(batch()).logprobs.sum().backward()
    assert {name for name, parameter in policy.named_parameters() if parameter.grad is not None} == adapter


def test_a_new_adapter_changes_nothing() -> None:
    policy = CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=LORA)
    torch.testing.assert_close(policy.logprobs(batch()).logprobs, tiny_policy().logprobs(batch()).logprobs)


def move(policy: CausalLMPolicy) -> None:
    """Take a step from wherever the policy is."""
    optimizer = torch.optim.SGD([p for p in policy.parameters() if p.requires_grad], lr=1.0)
    policy.logprobs(batch()).logprobs.sum().backward()
    optimizer.step()


def test_the_reference_of_a_new_adapter_is_the_model_without_it() -> None:
    policy = CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=LORA)
    reference = policy.reference()
    assert list(policy.model.peft_config) == ["default"]
    move(policy)
    without = reference.logprobs(batch()).logprobs
    torch.testing.assert_close(without, tiny_policy().logprobs(batch()).logprobs)
    assert (policy.logprobs(batch()).logprobs - without).abs().max() > 0.1
    logits, _ = reference.next_logits(batch().prompt_ids, batch().prompt_mask)
    torch.testing.assert_close(logits, tiny_policy().next_logits(batch().prompt_ids, batch().prompt_mask)[0])


def test_the_reference_of_a_primed_adapter_is_the_primed_policy() -> None:
    policy = perturbed()
    before = policy.logprobs(batch()).logprobs.detach()
    names, reference = trainable(policy), policy.reference()
    assert trainable(policy) == names
    move(policy)
    assert trainable(policy) == names
    torch.testing.assert_close(reference.logprobs(batch()).logprobs, before)
    assert (policy.logprobs(batch()).logprobs - before).abs().max() > 0.1
    again = policy.reference()
    torch.testing.assert_close(again.logprobs(batch()).logprobs, policy.logprobs(batch()).logprobs)
    torch.testing.assert_close(reference.logprobs(batch()).logprobs, before)


def test_only_the_model_under_the_adapter_is_the_frozen_base() -> None:
    policy = perturbed()
    policy.reference()
    kept = policy.state_dict().keys() - policy.frozen_base
    assert len(kept) == 8
    assert all("lora_" in name and (".default" in name or ".reference_1" in name) for name in kept)
    assert tiny_policy().frozen_base == frozenset()


def test_the_adapter_is_on_again_after_the_reference_was_used() -> None:
    policy = perturbed()
    before, names = policy.logprobs(batch()).logprobs, trainable(policy)
    reference = policy.reference()
    with torch.no_grad():
        reference.logprobs(batch())
        reference.next_logits(batch().prompt_ids, batch().prompt_mask)
    assert torch.equal(policy.logprobs(batch()).logprobs, before)
    assert trainable(policy) == names


def test_the_adapter_is_on_again_after_an_error() -> None:
    policy = perturbed()
    before = policy.logprobs(batch()).logprobs
    broken = batch()
    broken.completion_ids = broken.completion_ids + 1000  # beyond the vocabulary
    with pytest.raises(IndexError):
        policy.reference().logprobs(broken)
    assert torch.equal(policy.logprobs(batch()).logprobs, before)


def test_the_reference_adds_no_weights() -> None:
    policy = perturbed()
    reference = policy.reference()
    assert list(reference.parameters()) == []
    both = torch.nn.ModuleDict({"policy": policy, "reference": reference})
    assert set(both.state_dict()) == {f"policy.{name}" for name in policy.state_dict()}


def test_a_peft_model_that_exists_is_taken_as_it_is() -> None:
    policy = CausalLMPolicy(get_peft_model(tiny_policy().model, LORA), letter_tokenizer())
    assert all("lora_" in name for name in trainable(policy))
    assert list(policy.reference().parameters()) == []
    assert policy.eos_ids == tiny_policy().eos_ids
    assert policy.max_positions == 64


def test_the_sampler_uses_the_adapter() -> None:
    policy, prompts = perturbed(), letter_prompts(2)
    completions = BatchedSampler(group_size=2, max_tokens=8).sample(policy, prompts)
    rollout = Rollout.of(completions, pad_id=policy.pad_id)
    with torch.no_grad():
        scored = policy.logprobs(rollout).logprobs * rollout.completion_mask
    torch.testing.assert_close(rollout.sampler_logprobs, scored, atol=1e-5, rtol=0)


def test_the_reference_can_be_sampled_from() -> None:
    prompts, sampler = letter_prompts(2), BatchedSampler(group_size=2, max_tokens=8)
    policy = perturbed()
    expected = sampler.sample(policy, prompts)
    assert [row.ids for row in expected] != [row.ids for row in sampler.sample(tiny_policy(), prompts)]
    reference = policy.reference()
    move(policy)
    assert [row.ids for row in sampler.sample(reference, prompts)] == [row.ids for row in expected]


def test_the_reference_knows_the_end_ids_and_positions_of_the_model() -> None:
    policy = perturbed()
    policy.model.generation_config.eos_token_id = [1, 7]
    assert policy.reference().eos_ids == policy.eos_ids
    assert policy.reference().max_positions == policy.max_positions


def test_a_second_adapter_is_refused() -> None:
    adapted = CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=LoraConfig(r=2, target_modules=["q_proj"]))
    with pytest.raises(ValueError, match="an adapter already"):
        CausalLMPolicy(adapted.model, letter_tokenizer(), lora=LoraConfig(r=2, target_modules=["q_proj"]))


def test_a_reference_that_would_follow_trained_biases_is_refused() -> None:
    tokenizer = letter_tokenizer()
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=32)
    lora = LoraConfig(r=2, target_modules=["c_attn"], bias="lora_only", fan_in_fan_out=True)
    policy = CausalLMPolicy(GPT2LMHeadModel(config), tokenizer, lora=lora)
    with pytest.raises(ValueError, match=r"1 of 3 trained weights lie outside of the adapter \(such as .*bias"):
        policy.reference()


def test_whole_modules_beside_the_adapter_are_part_of_the_reference() -> None:
    lora = LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["norm"])
    policy = CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=lora)
    before = policy.logprobs(batch()).logprobs.detach()
    reference = policy.reference()
    move(policy)
    torch.testing.assert_close(reference.logprobs(batch()).logprobs, before)
    assert (policy.logprobs(batch()).logprobs - before).abs().max() > 0.1


def test_two_active_adapters_are_refused() -> None:
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    model = get_peft_model(tiny_qwen3(), config)
    model.add_adapter("other", config)
    CausalLMPolicy(model, letter_tokenizer())
    model.base_model.set_adapter(["default", "other"])
    with pytest.raises(ValueError, match=r"2 active adapters \(default, other\).*set_adapter"):
        CausalLMPolicy(model, letter_tokenizer())


def test_an_adapter_with_a_name_of_its_own_is_found_where_it_was_saved(tmp_path: Path) -> None:
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    named = CausalLMPolicy(get_peft_model(tiny_qwen3(), config, adapter_name="mine"), letter_tokenizer())
    named.save_pretrained(tmp_path)
    again = CausalLMPolicy(tiny_qwen3(), letter_tokenizer(), lora=tmp_path)
    ours, theirs = ([w for n, w in one.named_parameters() if "lora_" in n] for one in (named, again))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("how", ["pissa", "olora"])
def test_an_embedding_under_an_initialisation_that_rewrites_is_refused(how: str) -> None:
    config = LoraConfig(r=2, target_modules=["embed_tokens", "q_proj"], init_lora_weights=how)
    with pytest.raises(ValueError, match=r"an adapter on an embedding .*leave the embedding out"):
        CausalLMPolicy(tiny_qwen3(tie_word_embeddings=False), letter_tokenizer(), lora=config)


@pytest.mark.parametrize("tied", [True, False])
def test_what_is_tied_to_a_trained_weight_is_no_part_of_the_base(tied: bool) -> None:
    config = LoraConfig(r=2, target_modules=["q_proj"], trainable_token_indices=[3, 4])
    policy = CausalLMPolicy(tiny_qwen3(tie_word_embeddings=tied), letter_tokenizer(), lora=config)
    base = policy.frozen_base
    state = {name: weight.clone() for name, weight in policy.state_dict().items() if name in base}
    with torch.no_grad():
        for weight in policy.parameters():
            if weight.requires_grad:
                weight.add_(1.0)
    assert base
    assert all(torch.equal(policy.state_dict()[name], weight) for name, weight in state.items())
