"""Episodes with a calculator on the real model, in bfloat16: taught, sampled, scored, learned from, across a kill."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.real

SCRIPT = Path(__file__).with_name("episode_runs.py")


def run(folder: Path, model: Path, kind: str, ends_with: int = 0) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), str(folder), str(model), kind], check=False, timeout=600)
    assert done.returncode == ends_with


@pytest.fixture(scope="module")
def whole(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder, smollm2, "whole")
    return folder


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log" / "whole" / "rollouts.jsonl").open()]


def test_a_few_demonstrations_teach_the_form_of_a_call(whole: Path) -> None:
    """Of a format that the model has never seen, with results in a role that its chat template was not made for."""
    rows = records(whole)
    assert len(rows) == 2 * 3 * 3
    calls = [call for row in rows for turn in row["turns"] for call in turn.get("calls", [])]
    assert len(calls) >= len(rows) / 2
    assert any(call["result"].isdigit() for call in calls)


def test_the_sampler_agrees_with_the_scorer_and_no_shortcut_is_left(whole: Path) -> None:
    found = torch.load(whole / "whole.pt")
    assert found["left"] == []
    rows = list(csv.DictReader((whole / "log" / "whole" / "metrics.csv").open()))
    gaps = [float(row["train/sampler_gap"]) for row in rows if row.get("train/sampler_gap")]
    assert gaps
    # Both round to bfloat16: 8 bits of a logit.
    assert max(map(abs, gaps)) < 0.02


def test_a_run_that_was_killed_inside_a_rollout_goes_on_bit_by_bit(smollm2: Path, whole: Path, tmp_path: Path) -> None:
    run(tmp_path, smollm2, "killed", ends_with=-signal.SIGKILL)
    run(tmp_path, smollm2, "go_on")
    expected, found = (torch.load(file)["weights"] for file in (whole / "whole.pt", tmp_path / "go_on.pt"))
    assert max(float(weight.abs().max()) for name, weight in found.items() if "lora_B" in name) > 1e-3
    for name, weight in expected.items():
        assert torch.equal(found[name], weight), name
