"""Unsloth on its CPU backend, in a process of its own, against transformers and PEFT in this one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from rlframework.policies import CausalLMPolicy
from rlframework.samplers import GenerateSampler, SharedPrefixSampler
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy
from tests.unsloth.shared import ADAPTER, batch, ids_and_logprobs, sampler, scored, train

pytestmark = pytest.mark.unsloth
QUIET = {"UNSLOTH_DISABLE_STATISTICS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
ROOT = Path(__file__).parents[2]


def with_unsloth(folder: Path, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python where Unsloth may write its cache."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **QUIET, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unsloth")
    tiny_policy().save_pretrained(folder / "base")
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    done = with_unsloth(folder, "-m", "tests.unsloth.runs", folder)
    assert done.returncode == 0, done.stderr[-4000:]
    return torch.load(folder / "found.pt")


def plain(folder: Path) -> CausalLMPolicy:
    """Return base model and adapter as transformers and PEFT load them."""
    assert "unsloth" not in sys.modules
    base = AutoModelForCausalLM.from_pretrained(folder / "base", dtype="float32")
    return CausalLMPolicy(PeftModel.from_pretrained(base, folder / ADAPTER, is_trainable=True), letter_tokenizer())


@pytest.mark.parametrize("way", ["shared prefixes", "right-padded", "row by row"])
def test_logprobs_and_gradients_are_those_of_transformers_and_peft(found: dict, folder: Path, way: str) -> None:
    policy = plain(folder).train()
    logprobs, gradients = scored(policy, policy.padded_logprobs)
    torch.testing.assert_close(found["scoring"][way][0], logprobs, atol=1e-5, rtol=0)
    theirs = found["scoring"][way][1]
    assert sorted(theirs) == sorted(gradients) == sorted(found["scoring"]["trainable"])
    assert len(gradients) == 6
    for name, gradient in gradients.items():
        assert gradient.norm() > 1e-3
        torch.testing.assert_close(theirs[name], gradient, atol=1e-5, rtol=1e-4)


def test_on_a_cpu_prompts_are_read_once_for_their_group(found: dict) -> None:
    assert found["scoring"]["scorer"] == "PrefixSharing"


def test_a_forward_without_mask_would_score_left_padded_rows_wrongly(found: dict) -> None:
    right, wrong = (found["scoring"][way][0] for way in ("right-padded", "left-padded"))
    assert (right - wrong).abs().max() > 0.1


def test_it_was_scored_with_gradient_checkpointing(found: dict) -> None:
    assert found["scoring"]["checkpointing"]


def test_the_reference_is_the_policy_with_the_adapter_that_it_has(found: dict) -> None:
    mask = batch().completion_mask
    reference = found["scoring"]["reference"].masked_fill(~mask, 0.0)
    bare = tiny_policy().logprobs(batch()).logprobs.masked_fill(~mask, 0.0)
    torch.testing.assert_close(reference, found["scoring"]["right-padded"][0], atol=1e-5, rtol=0)
    assert (reference - bare).abs().max() > 0.1, "the adapter does nothing"


@pytest.mark.parametrize("kind", [GenerateSampler, SharedPrefixSampler])
@pytest.mark.parametrize("way", ["training=True", "training=False", "GenerateSampler", "BatchedSampler"])
def test_the_samples_are_those_of_transformers_and_peft(found: dict, folder: Path, way: str, kind: type) -> None:
    ids, logprobs = ids_and_logprobs(sampler(kind).sample(plain(folder).eval(), letter_prompts(5), step=2))
    theirs, their_logprobs = found["sampling"][way]
    assert theirs == ids
    for left, right in zip(their_logprobs, logprobs, strict=True):
        assert left == pytest.approx(right, abs=1e-5)
    assert len({len(row) for row in ids}) > 1


@pytest.mark.parametrize("training", [True, False])
def test_sampling_leaves_the_model_as_it_was(found: dict, training: bool) -> None:
    assert found["sampling"][f"failed={training}"], "an error inside of generation is part of the test"
    assert found["sampling"][f"restored={training}"]


def test_sampling_is_in_inference_mode(found: dict) -> None:
    assert found["sampling"]["inference mode"]


def test_three_steps_of_grpo_are_those_of_transformers_and_peft(found: dict, folder: Path) -> None:
    ours, theirs = train(plain(folder), SharedPrefixSampler, folder), found["training"]
    assert ours["steps"] == theirs["steps"] == 3
    assert theirs["frozen"]
    before, after = theirs["rewards"]
    assert after > before + 0.05
    assert [before, after] == pytest.approx(ours["rewards"], abs=0.02)
    for name, weight in ours["weights"].items():
        assert (weight - load_file(folder / ADAPTER / "adapter_model.safetensors")[saved(name)]).abs().max() > 0.01
        torch.testing.assert_close(theirs["weights"][name], weight, atol=1e-3, rtol=0)


def saved(name: str) -> str:
    return name.removeprefix("model.").replace(".default.", ".")


def test_a_saved_adapter_has_every_tensor_and_none_is_zero(found: dict, folder: Path) -> None:
    tensors = load_file(folder / ADAPTER / "adapter_model.safetensors")
    assert sorted(tensors) == sorted(map(saved, found["scoring"]["trainable"]))
    assert min(tensor.abs().max() for tensor in tensors.values()) > 1e-3


def test_a_saved_adapter_is_loaded_and_trained_on(found: dict) -> None:
    saving = found["saving"]
    torch.testing.assert_close(saving["after"], saving["before"], atol=1e-6, rtol=0)
    assert saving["trainable"] == 6


def test_a_merged_model_scores_as_model_and_adapter_do_to_16_bits(found: dict, folder: Path) -> None:
    rollout = batch()
    before = found["saving"]["before"].masked_fill(~rollout.completion_mask, 0.0)
    merged = CausalLMPolicy(folder / "merged")
    assert not isinstance(merged.model, PeftModel)
    after = merged.logprobs(rollout).logprobs.detach().masked_fill(~rollout.completion_mask, 0.0)
    assert 0 < (after - before).abs().max() < 0.05


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("nothing to train", "ValueError: there is nothing to train"),
        ("two things to train", "ValueError: there is nothing to train, or two things"),
        ("an adapter twice", "is an adapter that is trained on"),
        ("dora", "ValueError: .* also sets use_dora"),
        ("no dtype", "ValueError: dtype='half-ish'"),
        ("float16 on a CPU", "RuntimeError: dtype=torch.float16 was asked for"),
        ("an engine on a CPU", "NotImplementedError: .*needs a GPU"),
        ("no adapter to save", "ValueError: full_finetuning=True has no adapter"),
        ("too many positions", "ValueError: .* 64 positions"),
    ],
)
def test_a_wrong_use_is_refused(found: dict, use: str, message: str) -> None:
    assert re.search(message, found["refusals"][use]), found["refusals"][use]


def test_full_finetuning_trains_all_weights(found: dict) -> None:
    assert found["refusals"][""] == "0"


def test_rows_are_not_longer_than_max_seq_length(found: dict) -> None:
    assert found["scoring"]["positions"] == 48


YAML = """
model:
  class_path: rlframework.GRPO
  init_args:
    policy:
      class_path: rlframework.UnslothPolicy
      init_args:
        model: base
        lora: {class_path: peft.LoraConfig, init_args: {r: 2, target_modules: [q_proj]}}
        dtype: float32
    reward: {class_path: rlframework.rewards.SoftOverlong, init_args: {max_tokens: 8, margin: 6}}
    sampler: {class_path: rlframework.UnslothSampler, init_args: {group_size: 2, max_tokens: 8}}
    prompts_per_rollout: 2
data:
  class_path: rlframework.PromptDataModule
  init_args: {train: [{prompt: ab}, {prompt: cd}]}
trainer: {accelerator: cpu, max_steps: 1, logger: false, enable_checkpointing: false, enable_progress_bar: false}
"""


@pytest.mark.parametrize(
    ("module", "policy", "ends"),
    [
        ("rlframework.cli", "rlframework.UnslothPolicy", "well"),
        ("rlframework.unsloth_cli", "rlframework.UnslothPolicy", "well"),
        ("rlframework.cli", "mine.Own", "refused"),
    ],
)
def test_the_command_line(folder: Path, module: str, policy: str, ends: str) -> None:
    (folder / "mine.py").write_text("from rlframework import UnslothPolicy\nclass Own(UnslothPolicy): ...\n")
    text = YAML.replace("rlframework.UnslothPolicy", policy)
    if ends == "refused":
        text = text.replace("rlframework.UnslothSampler", "rlframework.SharedPrefixSampler")
    (folder / "recipe.yaml").write_text(text)
    done = with_unsloth(folder, "-m", module, "fit", "--config", "recipe.yaml")
    if ends == "well":
        assert done.returncode == 0, done.stderr[-4000:]
        assert "`Trainer.fit` stopped: `max_steps=1` reached" in done.stderr
    else:
        assert done.returncode != 0
        assert "python -m rlframework.unsloth_cli" in done.stderr
