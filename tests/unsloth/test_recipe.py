"""The whole maths recipe through Unsloth's CPU backend, on a tiny local Qwen3."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from rlframework.tasks import create_base
from rlframework.tasks.sums_dataset import write_openr1_sums
from tests.tasks.quick import QUICK
from tests.test_qwen3_math import small
from tests.unsloth.test_behaviour import ROOT, with_unsloth

pytestmark = pytest.mark.unsloth


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("stand_ins")
    model = create_base(0, cache_dir=folder / "cache", recipe=QUICK, progress=False).base
    return model, write_openr1_sums(folder / "sums", 400)


def test_the_yaml_twin_trains(stand_ins: tuple[Path, Path], tmp_path: Path) -> None:
    config = small("qwen3_math_unsloth.yaml", *stand_ins, tmp_path)
    done = with_unsloth(tmp_path, "-m", "rlframework.cli", "fit", "--config", config)
    assert done.returncode == 0, done.stderr[-3000:]
    adapter = load_file(tmp_path / "runs" / "qwen3_math_unsloth" / "reasoner" / "adapter_model.safetensors")
    assert len(adapter) == 2 * 7
    assert all(bool(weight.any()) for weight in adapter.values()), "nothing was learned"


def test_from_the_base_to_the_exported_model(stand_ins: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = stand_ins
    options = ["--tiny", "--model", model, "--data", data, "--steps", "2", "--sft-steps", "4", "--heldout", "24"]
    done = with_unsloth(tmp_path, ROOT / "recipes" / "qwen3_math_unsloth.py", *options, "--output", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    folder = tmp_path / "qwen3_math_unsloth" / "version_0"
    rows = json.loads((folder / "summary.json").read_text())["rows"]
    assert {name: row["n"] for name, row in rows.items()} == dict.fromkeys(["base", "+ prompt", "+ SFT", "+ GRPO"], 24)
    assert "UnslothPolicy" in done.stdout + done.stderr
    adapter = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert len(adapter) == 2 * 7
    assert all(bool(weight.any()) for weight in adapter.values())
    assert list((folder / "merged").glob("*.safetensors"))
