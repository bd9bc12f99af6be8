"""What is saved is what is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM

from rlframework.collect import assemble
from rlframework.policies import CausalLMPolicy
from rlframework.rewards import Scores
from rlframework.rollout import Rollout
from rlframework.samplers import BatchedSampler
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy

LORA = LoraConfig(r=2, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)


def adapted() -> CausalLMPolicy:
    return CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=LORA).eval()


def batch() -> Rollout:
    rows = BatchedSampler(group_size=3, max_tokens=6).sample(tiny_policy(), letter_prompts(3))
    return assemble(rows, Scores(torch.zeros(3, 3), {}), pad_id=0, temperature=1.0)


def scored(policy: CausalLMPolicy) -> torch.Tensor:
    rollout = batch()
    with torch.no_grad():
        return policy.logprobs(rollout).logprobs.masked_fill(~rollout.completion_mask, 0.0)


def test_a_merged_folder_scores_as_model_and_adapter_do(tmp_path: Path) -> None:
    policy = adapted()
    before = scored(policy)
    policy.save_merged(tmp_path)
    loaded = CausalLMPolicy(tmp_path)
    assert not isinstance(loaded.model, PeftModel)
    torch.testing.assert_close(scored(loaded), before, atol=1e-5, rtol=0)
    assert (before - scored(tiny_policy())).abs().max() > 0.1, "the adapter does nothing"
    assert loaded.tokenizer.get_vocab() == policy.tokenizer.get_vocab()
    # The policy itself goes on with its adapter.
    assert isinstance(policy.model, PeftModel)
    assert torch.equal(scored(policy), before)
    assert any(parameter.requires_grad for parameter in policy.parameters())


def test_an_adapter_is_saved_alone(tmp_path: Path) -> None:
    policy = adapted()
    policy.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("model*.safetensors"))
    again = PeftModel.from_pretrained(tiny_policy().model, tmp_path)
    torch.testing.assert_close(scored(CausalLMPolicy(again, tmp_path).eval()), scored(policy))


@pytest.mark.parametrize("save", [CausalLMPolicy.save_pretrained, CausalLMPolicy.save_merged])
def test_a_whole_model_is_saved_whole(save, tmp_path: Path) -> None:
    save(tiny_policy(3), tmp_path)
    torch.testing.assert_close(scored(CausalLMPolicy(tmp_path)), scored(tiny_policy(3)))
    assert AutoModelForCausalLM.from_pretrained(tmp_path).config._attn_implementation == "sdpa"


def test_an_adapter_that_is_no_change_of_weights_is_refused(tmp_path: Path) -> None:
    model = get_peft_model(tiny_policy().model, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))
    with pytest.raises(ValueError, match="cannot be merged"):
        CausalLMPolicy(model, letter_tokenizer()).save_merged(tmp_path)


def test_a_saved_adapter_is_trained_on(tmp_path: Path) -> None:
    policy = adapted()
    policy.reference()  # whose adapter lies in the model too, and is not saved
    policy.save_pretrained(tmp_path)
    assert not (tmp_path / "reference_1").exists()
    again = CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=tmp_path)
    torch.testing.assert_close(scored(again), scored(policy))
    assert {name for name, parameter in again.named_parameters() if parameter.requires_grad} == {
        name for name, parameter in policy.named_parameters() if parameter.requires_grad
    }


def test_only_the_adapter_that_learns_is_merged(tmp_path: Path) -> None:
    policy = adapted()
    policy.reference()
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B.default" in name:
                parameter.mul_(2)
    policy.save_merged(tmp_path)
    torch.testing.assert_close(scored(CausalLMPolicy(tmp_path)), scored(policy), atol=1e-5, rtol=0)
