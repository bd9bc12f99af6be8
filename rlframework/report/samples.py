"""Samples on disk: every completion with its scores as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from math import isnan
from pathlib import Path
from typing import Any

from torch import Tensor

from rlframework.completions import Completion
from rlframework.report.evaluation import Evaluation
from rlframework.rewards.math.answer_reader import AnswerReader
from rlframework.rewards.template import AnswerTemplate
from rlframework.turns import plain_turns


def write_samples(
    path: str | Path, completions: Iterable[Completion], scores: Mapping[str, Tensor], template: AnswerTemplate | None
) -> Path:
    """Write completions as JSON lines: prompt, expected answer, completion, answer, scores, stop reason, turns.

    Args:
        path: The file.
        completions: ``B`` of them.
        scores: ``(N, G)`` or ``(B,)`` by measure; NaN becomes null, as JSON has no NaN.
        template: The layout that answers are read by; None for the default one.

    Returns:
        The file.
    """
    with Path(path).open("w", encoding="utf-8") as file:
        for line in samples(completions, scores, template):
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    return Path(path)


def write_evaluations(path: str | Path, evaluations: Iterable[Evaluation]) -> Path:
    """Write the completions of several evaluations as JSON lines, each with the evaluation's ``name`` in front.

    Args:
        path: The file.
        evaluations: Of the same prompts, such as before and after training.

    Returns:
        The file.
    """
    with Path(path).open("w", encoding="utf-8") as file:
        for evaluation in evaluations:
            for line in samples(evaluation.completions, evaluation.scores, None):
                file.write(json.dumps({"name": evaluation.name, **line}, ensure_ascii=False, default=str) + "\n")
    return Path(path)


def samples(
    completions: Iterable[Completion], scores: Mapping[str, Tensor], template: AnswerTemplate | None
) -> Iterator[dict[str, Any]]:
    """Yield a line of `write_samples` for each completion.

    Args:
        completions: ``B`` of them.
        scores: ``(N, G)`` or ``(B,)`` by measure.
        template: The layout that answers are read by; None for the default one.
    """
    answer_of = AnswerReader(template)
    columns = {name: values.flatten().tolist() for name, values in scores.items()}
    for place, row in enumerate(completions):
        line = {
            "prompt_index": row.prompt.index,
            "prompt": row.prompt.text,
            "expected": row.prompt.row.get("answer"),
            "completion": row.text,
            "answer": answer_of(row),
            "scores": {name: None if isnan(values[place]) else values[place] for name, values in columns.items()},
            "tokens": row.sampled_tokens,
            "stop_reason": row.stop_reason,
        }
        if row.turns:
            line["turns"] = plain_turns(row.turns)
        yield line
