"""QLoRA: an adapter over weights that bitsandbytes has quantised, for real and on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from transformers import BitsAndBytesConfig

from rlframework import GRPO, BatchedSampler, CausalLMPolicy, SharedPrefixSampler
from rlframework.rollout import Rollout
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy, tiny_qwen3
from tests.conftest import Vowels

bitsandbytes = pytest.importorskip("bitsandbytes")

LORA = LoraConfig(r=2, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
FOUR_BITS = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model whose matrices are large enough for blocks of 64 values."""
    folder = tmp_path_factory.mktemp("model")
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
    model = tiny_qwen3(hidden_size=64, intermediate_size=128, num_hidden_layers=2, initializer_range=0.1, **heads)
    model.save_pretrained(folder)
    letter_tokenizer().save_pretrained(folder)
    return folder


def quantised(folder: Path, **options: object) -> CausalLMPolicy:
    torch.manual_seed(1)
    return CausalLMPolicy(folder, **{"lora": LORA, "quantization": FOUR_BITS, **options}).eval()


def batch(policy: CausalLMPolicy) -> Rollout:
    rows = BatchedSampler(group_size=3, max_tokens=6).sample(policy, letter_prompts(3))
    return Rollout.of(rows, pad_id=0)


def dequantised(policy: CausalLMPolicy) -> CausalLMPolicy:
    """Return the policy whose whole weights are what the quantised ones stand for."""
    whole = CausalLMPolicy(policy.model.get_base_model().name_or_path, lora=LORA)
    values = dict(policy.model.named_modules())
    with torch.no_grad():
        for name, module in whole.model.named_modules():
            if hasattr(module, "weight") and name in values:
                weight = values[name].weight
                state = getattr(weight, "quant_state", None)
                module.weight.copy_(weight if state is None else bitsandbytes.functional.dequantize_4bit(weight, state))
    return whole.eval()


def test_the_matrices_have_four_bits_and_only_the_adapter_learns(folder: Path) -> None:
    policy = quantised(folder)
    matrix = policy.model.base_model.model.model.layers[0].mlp.gate_proj
    assert isinstance(matrix, bitsandbytes.nn.Linear4bit)
    assert matrix.weight.numel() * matrix.weight.element_size() == 64 * 128 // 2
    assert all("lora_" in name for name, parameter in policy.named_parameters() if parameter.requires_grad)


def test_it_scores_and_learns_as_the_values_that_its_weights_stand_for(folder: Path) -> None:
    policy = quantised(folder)
    whole, rollout = dequantised(policy), batch(policy)
    found = []
    for one in (policy, whole):
        logprobs = one.logprobs(rollout).logprobs.masked_fill(~rollout.completion_mask, 0.0)
        logprobs.sum().backward()
        found.append((logprobs.detach(), {n: p.grad for n, p in one.named_parameters() if p.grad is not None}))
    (mine, gradients), (expected, expected_gradients) = found
    torch.testing.assert_close(mine, expected, atol=1e-4, rtol=0)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        assert (gradient - expected_gradients[name]).norm() <= 1e-3 * expected_gradients[name].norm(), name
    plain = CausalLMPolicy(folder, lora=LORA).eval()
    assert (plain.logprobs(rollout).logprobs - mine).abs().max() > 1e-3, "nothing was quantised"


def test_a_run_trains_the_adapter_and_saves_it_alone(folder: Path, fit, tmp_path: Path) -> None:
    policy = quantised(folder)
    base = policy.model.base_model.model.model.layers[0].mlp.gate_proj.weight.clone()
    sampler = SharedPrefixSampler(group_size=4, max_tokens=4)
    algorithm = GRPO(policy, Vowels(), sampler, prompts_per_rollout=4, learning_rate=1e-2)
    before = policy.get_parameter(
        "model.base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight"
    ).clone()
    trainer = fit(algorithm, max_steps=2, max_epochs=-1)
    after = policy.get_parameter("model.base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight")
    assert not torch.equal(before, after)
    assert torch.equal(policy.model.base_model.model.model.layers[0].mlp.gate_proj.weight, base)
    trainer.save_checkpoint(tmp_path / "run.ckpt")
    saved = torch.load(tmp_path / "run.ckpt", weights_only=False)["state_dict"]
    assert len(saved) == 12
    assert all("lora_" in name for name in saved)
    resumed = GRPO(quantised(folder), algorithm.reward, sampler, prompts_per_rollout=4, learning_rate=1e-2)
    fit(resumed, max_steps=2, max_epochs=-1, ckpt_path=str(tmp_path / "run.ckpt"))


def test_a_saved_adapter_goes_on_over_whole_weights_and_only_there_is_merged(folder: Path, tmp_path: Path) -> None:
    policy = quantised(folder)
    with pytest.raises(ValueError, match="merging into quantised weights rounds them anew"):
        policy.save_merged(tmp_path / "merged")
    policy.save_pretrained(tmp_path / "adapter")
    whole = CausalLMPolicy(folder, lora=tmp_path / "adapter")
    whole.save_merged(tmp_path / "merged")
    rollout = batch(policy)
    merged = CausalLMPolicy(tmp_path / "merged").eval().logprobs(rollout).logprobs
    torch.testing.assert_close(merged, whole.eval().logprobs(rollout).logprobs, atol=1e-5, rtol=0)
    assert any(parameter.requires_grad for parameter in whole.parameters())


def test_quantised_weights_without_an_adapter_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="quantised weights cannot be trained; pass lora"):
        quantised(folder, lora=None)
    with pytest.raises(ValueError, match="quantization is for a model that is loaded here"):
        CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=LORA, quantization=FOUR_BITS)


def test_sampling_leaves_the_gradients_of_every_layer(folder: Path) -> None:
    """On some CPUs bitsandbytes packs weights for inference, and no gradient goes through them afterwards."""
    policy = quantised(folder)
    rollout = batch(policy)
    policy.train()
    policy.logprobs(rollout).logprobs.sum().backward()
    adapter = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    assert len(adapter) == 12
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in adapter)
