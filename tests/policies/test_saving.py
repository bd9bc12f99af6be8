"""What is saved is what is loaded."""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM

from rlframework.policies import CausalLMPolicy, causal_lm, saving
from rlframework.policies.read_back import Probe
from rlframework.rollout import Rollout
from rlframework.samplers import BatchedSampler
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy
from rlframework.testing.tiny import tiny_qwen3
from tests.drawn import drawn

LORA = LoraConfig(r=2, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)


def adapted() -> CausalLMPolicy:
    return CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=LORA).eval()


def batch() -> Rollout:
    rows = BatchedSampler(group_size=3, max_tokens=6).sample(tiny_policy(), letter_prompts(3))
    return Rollout.of(rows, pad_id=0)


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


TIED: list[dict[str, Any]] = [
    {"target_modules": ["q_proj", "lm_head"]},
    {"target_modules": ["embed_tokens"]},
    {"target_modules": ["embed_tokens", "lm_head"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]},
    {"target_modules": ["q_proj"], "trainable_token_indices": [4, 15]},
    {"target_modules": "all-linear"},
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("settings", "dtype"),
    drawn(
        {f"{settings}-{dtype}": (settings, dtype) for settings in TIED for dtype in (torch.float32, torch.bfloat16)},
        {*(f"{settings}-{torch.float32}" for settings in TIED[2:7]), f"{TIED[-1]}-{torch.bfloat16}"},
    ),
)
def test_one_side_of_tied_weights_is_changed_alone(
    settings: dict[str, Any], dtype: torch.dtype, tmp_path: Path
) -> None:
    model = tiny_qwen3(tie_word_embeddings=True).to(dtype)
    policy = CausalLMPolicy(model, letter_tokenizer(), lora=LoraConfig(r=2, **settings)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in policy.parameters():
            if weight.requires_grad:
                weight.add_(0.2 * torch.randn(weight.shape, generator=generator).to(dtype))
    before = scored(policy)
    policy.save_merged(tmp_path)
    read = CausalLMPolicy(tmp_path, dtype=str(dtype).removeprefix("torch.")).eval()
    torch.testing.assert_close(scored(read), before, atol=1e-5 if dtype == torch.float32 else 0.2, rtol=0)
    whole: Any = read.model
    assert (whole.lm_head.weight is whole.model.embed_tokens.weight) == whole.config.tie_word_embeddings
    assert torch.equal(whole.lm_head.weight, whole.model.embed_tokens.weight) == (
        settings["target_modules"] == "all-linear" or "trainable_token_indices" in settings
    )
    assert torch.equal(scored(policy), before)
    assert policy.model.config.tie_word_embeddings, "the policy itself is as it was"


def test_a_whole_model_whose_weights_were_untied_says_so(tmp_path: Path) -> None:
    model = tiny_qwen3(tie_word_embeddings=True)
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach() * -1)
    policy = CausalLMPolicy(model, letter_tokenizer())
    policy.save_merged(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["tie_word_embeddings"] is False
    torch.testing.assert_close(scored(CausalLMPolicy(tmp_path)), scored(policy))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("fault", ["merged twice", "left out", "merged into both ends", "written otherwise"])
def test_what_is_not_the_policy_is_told_with_the_numbers(
    fault: str, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora = LoraConfig(r=2, target_modules=["q_proj", "lm_head"], init_lora_weights=False)
    policy = CausalLMPolicy(tiny_qwen3(tie_word_embeddings=True).to(dtype), letter_tokenizer(), lora=lora)
    kind = type(policy.model.get_base_model())
    save = kind.save_pretrained

    def another(model: Any, folder: Path) -> None:
        if fault == "written otherwise":
            model.model.layers[0].mlp.up_proj.weight.data.neg_()
        save(model, folder)

    monkeypatch.setattr(kind, "save_pretrained", another)
    faulty = {"merged twice": lambda model: _scaled(model, 2.0), "left out": lambda model: _scaled(model, 0.0)}
    if fault in faulty:
        right = causal_lm.merged
        monkeypatch.setattr(causal_lm, "merged", lambda model: right(faulty[fault](model)))
    if fault == "merged into both ends":
        monkeypatch.setattr(saving, "_untie", lambda model: None)
    said = "read back" if fault == "written otherwise" else "merged"
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(
            RuntimeError,
            match=rf"was {said} is not the policy: .* 96 tokens differ by a mean of .* rounding explains 0",
        ),
    ):
        policy.save_merged(tmp_path)
    assert any(tmp_path.iterdir()) == (said == "read back")


def _scaled(model: Any, factor: float) -> Any:
    other = copy.deepcopy(model)
    for part in other.modules():
        if isinstance(part, LoraLayer):
            part.scaling["default"] *= factor
    return other


def test_a_model_is_held_in_its_own_precision() -> None:
    probe = Probe(tiny_qwen3().to(torch.bfloat16).eval())
    assert probe.hold("as it is", tiny_qwen3().to(torch.bfloat16).eval()) == 0
    with pytest.raises(RuntimeError, match=r"rounding explains 0\.05 in bfloat16"):
        probe.hold("another", tiny_qwen3(seed=1).to(torch.bfloat16).eval())
