"""Samples on disk, read back; and one writing for each answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from rlframework.completions import Completion
from rlframework.prompt import Prompt
from rlframework.report.samples import answer_reader, write_samples
from rlframework.rewards import AnswerTemplate


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


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<end_working_out><SOLUTION> 7.50 </SOLUTION>", "7.5"),
        (r"3 and \boxed{x + 1}, not 4", "x + 1"),
        ("first 3, then 1,200", "1200"),
        ("100 of them", "100"),
        ("none", None),
    ],
)
def test_the_answer_of_a_text(text: str, answer: str | None) -> None:
    assert answer_reader()(text) == answer


def test_a_layout_of_ones_own_is_read() -> None:
    template = AnswerTemplate("<think>", "</think>", "<answer>", "</answer>")
    assert answer_reader(template)("9 apples</think><answer>B</answer>") == "B"
