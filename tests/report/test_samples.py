"""Samples on disk, read back."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from rlframework.completions import Completion
from rlframework.prompt import Prompt
from rlframework.report.samples import write_samples


def test_a_line_for_each_completion_and_null_for_what_was_not_scored(tmp_path: Path) -> None:
    prompt = Prompt([1], "3 + 4?", {"answer": "7"}, 5)
    rows = [Completion(prompt, [2, 3], "it is 7", "stop"), Completion(prompt, [2], "é", "length")]
    path = write_samples(tmp_path / "s.jsonl", rows, {"right": torch.tensor([[1.0, float("nan")]])}, None)
    first, second = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert first == {
        "prompt_index": 5,
        "prompt": "3 + 4?",
        "expected": "7",
        "completion": "it is 7",
        "answer": "7",
        "scores": {"right": 1.0},
        "tokens": 2,
        "stop_reason": "stop",
    }
    assert (second["scores"], second["answer"], second["completion"]) == ({"right": None}, None, "é")
