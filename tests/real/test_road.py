"""The whole road in bfloat16 on the real model: sample, judge, learn, save, read back; across a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework import SFT, CausalLMPolicy, DemonstrationDataModule
from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout

pytestmark = pytest.mark.real

SCRIPT = Path(__file__).with_name("road_runs.py")


def command(folder: Path, model: Path, kind: str, devices: int) -> list[str]:
    return [sys.executable, str(SCRIPT), str(folder), str(model), kind, str(devices)]


def ended_with(folder: Path, model: Path, kind: str) -> dict[str, Tensor]:
    subprocess.run(command(folder, model, kind, 1), check=True, timeout=300)
    found = torch.load(folder / "rank0.pt")
    assert found["left"] == []
    return found["weights"]


@pytest.fixture(scope="module")
def whole(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tensor]]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, ended_with(folder, smollm2, "whole")


def test_it_learns_and_is_read_back_as_it_was(smollm2: Path, whole: tuple[Path, dict[str, Tensor]]) -> None:
    folder, weights = whole
    assert max(float(weight.abs().max()) for name, weight in weights.items() if "lora_B" in name) > 1e-3
    loaded = CausalLMPolicy(smollm2, dtype="bfloat16", lora=folder / "saved")
    for name, weight in loaded.named_parameters():
        if weight.requires_grad:
            assert torch.equal(weight, weights[name]), name


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_bit_by_bit(
    smollm2: Path, whole: tuple[Path, dict[str, Tensor]], tmp_path: Path
) -> None:
    killed = subprocess.run(command(tmp_path, smollm2, "killed", 1), check=False, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    weights = ended_with(tmp_path, smollm2, "go_on")
    for name, weight in whole[1].items():
        assert torch.equal(weights[name], weight), name


@pytest.mark.slow
def test_two_ranks_end_with_the_same_weights(smollm2: Path, tmp_path: Path) -> None:
    subprocess.run(command(tmp_path, smollm2, "whole", 2), check=True, timeout=300)
    first, second = (torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2))
    assert first["left"] == second["left"] == []
    assert max(float(weight.abs().max()) for name, weight in first["weights"].items() if "lora_B" in name) > 1e-3
    for name, weight in first["weights"].items():
        assert torch.equal(weight, second["weights"][name]), name


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "bfloat16"])
def test_it_is_primed_whole_and_scores_the_same_once_it_is_read_back(smollm2: Path, tmp_path: Path, dtype: str) -> None:
    policy = CausalLMPolicy(smollm2, dtype=dtype)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_steps=1, accelerator="cpu", **quiet)
    rows = [{"prompt": f"{a} + 5 =", "completion": f" {a + 5}"} for a in range(4)]
    before = policy.model.model.layers[0].mlp.up_proj.weight.detach().clone()
    trainer.fit(
        SFT(policy, learning_rate=1e-3, demonstrations_per_step=4, schedule="constant"), DemonstrationDataModule(rows)
    )
    assert (policy.model.model.layers[0].mlp.up_proj.weight - before).abs().max() > 1e-4
    policy.save_pretrained(tmp_path)
    prompt = Prompt(policy.tokenizer("17 + 25 =").input_ids, "")
    completion = Completion(prompt, policy.tokenizer(" 42").input_ids, " 42", "length")
    rows = Rollout.of(Completions([completion], 1), pad_id=policy.pad_id)
    with torch.no_grad():
        found = [one.eval().logprobs(rows).logprobs for one in (policy, CausalLMPolicy(tmp_path, dtype=dtype))]
    assert torch.equal(*found)
