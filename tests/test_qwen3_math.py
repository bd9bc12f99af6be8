"""The maths recipe on a tiny local Qwen3, from the base to the comparison, and its YAML twins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

from rlframework import CausalLMPolicy
from rlframework.tasks import create_base
from rlframework.tasks.sums_dataset import write_openr1_sums
from tests import forked
from tests.tasks.quick import QUICK

ROOT = Path(__file__).parents[1]
ROWS = ["base", "+ prompt", "+ SFT", "+ GRPO"]


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a model and a data set on disk."""
    folder = tmp_path_factory.mktemp("stand_ins")
    model = create_base(0, cache_dir=folder / "cache", recipe=QUICK, progress=False).base
    return model, write_openr1_sums(folder / "sums", 400)


def run(*arguments: Any, folder: Path) -> str:
    done = forked.run(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def finished(stand_ins: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("recipe")
    model, data = stand_ins
    options = ["--tiny", "--model", model, "--data", data, "--steps", 2, "--sft-steps", 4, "--heldout", 24]
    printed = run(ROOT / "recipes" / "qwen3_math.py", *options, "--output", folder, folder=folder)
    return printed, folder / "qwen3_math" / "version_0"


def test_four_rows_are_measured_on_the_same_problems(finished: tuple[str, Path]) -> None:
    printed, folder = finished
    summary = json.loads((folder / "summary.json").read_text())
    assert list(summary["rows"]) == ROWS
    for row in summary["rows"].values():
        assert row["n"] == 24
        for measure in ("accuracy", "solved", "format"):
            low, high = row[measure]["interval"]
            assert 0 <= low <= row[measure]["share"] <= high <= 1
    assert all(row in printed for row in ROWS)
    assert "asked otherwise" in " ".join(printed.split())


def test_every_stage_left_its_figures(finished: tuple[str, Path]) -> None:
    _, folder = finished
    sft = (folder / "sft" / "metrics.csv").read_text().splitlines()
    assert "train/loss" in sft[0]
    assert len(sft) == 1 + 4
    assert "train/reward/answer_check" in (folder / "metrics.csv").read_text().splitlines()[0]
    records = [json.loads(line) for line in (folder / "rollouts.jsonl").open()]
    assert len(records) == 2 * 16 * 8
    assert set(records[0]["rewards"]) == {"exact_format", "approximate_format", "answer_check", "number_check"}
    assert (folder / "curves.png").exists()
    assert (folder / "last.ckpt").exists()


def test_the_adapter_and_the_merged_model_are_the_trained_policy(
    finished: tuple[str, Path], stand_ins: tuple[Path, Path]
) -> None:
    _, folder = finished
    adapter = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert len(adapter) == 2 * 7  # A and B of the one layer's seven projections
    assert all(bool(weight.any()) for weight in adapter.values())
    merged = CausalLMPolicy(folder / "merged")
    assert "<start_working_out>" in merged.tokenizer.chat_template
    projection = "model.layers.0.mlp.up_proj.weight"
    base = CausalLMPolicy(stand_ins[0])
    assert not merged.model.get_parameter(projection).equal(base.model.get_parameter(projection))
    assert merged.model.get_parameter("model.norm.weight").equal(base.model.get_parameter("model.norm.weight"))


def small(name: str, model: Path, data: Path, folder: Path) -> Path:
    """Write a YAML twin with the tiny model, and sizes to match; everything else stays as it is in the recipe."""
    config = yaml.safe_load((ROOT / "recipes" / name).read_text())
    config["model"]["init_args"]["policy"]["init_args"] |= {"model": str(model), "dtype": "float32"}
    config["data"]["init_args"] |= {"path": str(data), "heldout_share": 0.2, "validation_rows": 8}
    config["trainer"] |= {"max_steps": 2, "precision": "32-true", "accelerator": "cpu", "val_check_interval": 8}
    if "sampler" in config["model"]["init_args"]:
        config["model"]["init_args"]["sampler"]["init_args"] |= {"group_size": 4, "max_tokens": 24}
    else:
        config["data"]["init_args"]["max_tokens"] = 128
    path = folder / name
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.docs
def test_the_yaml_twins_prime_and_then_reinforce_the_primed_adapter(
    stand_ins: tuple[Path, Path], tmp_path: Path
) -> None:
    for name in ("qwen3_math_sft.yaml", "qwen3_math.yaml"):
        config = small(name, *stand_ins, tmp_path)
        run("-m", "rlframework.cli", "fit", "--config", config, folder=tmp_path)
    [log] = tmp_path.glob("runs/qwen3_math_yaml/*/rollouts.jsonl")
    prompt = json.loads(log.read_text().splitlines()[0])["prompt"]
    assert prompt.startswith("Think about the problem")
    assert prompt.endswith("<start_working_out>")
    primed, reasoner = (
        load_file(tmp_path / "runs" / "qwen3_math" / stage / "adapter_model.safetensors")
        for stage in ("primed", "reasoner")
    )
    assert primed.keys() == reasoner.keys()
    assert all(not primed[name].equal(reasoner[name]) for name in primed)
    moved = max(float((primed[name] - reasoner[name]).abs().max()) for name in primed)
    assert moved < 1e-3, "the second stage began anew"


def test_the_unsloth_twin_differs_in_policy_and_sampler_alone() -> None:
    plain, unsloth = (
        yaml.safe_load((ROOT / "recipes" / f"qwen3_math{end}.yaml").read_text()) for end in ("", "_unsloth")
    )
    for config in (plain, unsloth):
        del config["model"]["init_args"]["policy"], config["model"]["init_args"]["sampler"]["class_path"]
        del config["trainer"]["logger"], config["trainer"]["callbacks"]
    assert plain == unsloth
