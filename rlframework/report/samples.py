"""Samples on disk: every completion with its scores as a line of JSON, and the answer that a text gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from math import isnan
from pathlib import Path

from torch import Tensor

from rlframework.completions import Completion
from rlframework.rewards.math.boxed import last_boxed
from rlframework.rewards.numerals import each_number, parse_number
from rlframework.rewards.template import AnswerTemplate


def write_samples(
    path: str | Path, completions: Iterable[Completion], scores: Mapping[str, Tensor], template: AnswerTemplate | None
) -> Path:
    """Write completions as JSON lines: prompt, expected answer, completion, the answer in it, scores, stop reason.

    Args:
        path: The file.
        completions: ``B`` of them.
        scores: ``(N, G)`` or ``(B,)`` by measure; NaN becomes null, as JSON has no NaN.
        template: The layout that answers are read by; None for the default one.

    Returns:
        The file.
    """
    answer_of = answer_reader(template)
    columns = {name: values.flatten().tolist() for name, values in scores.items()}
    with Path(path).open("w", encoding="utf-8") as file:
        for place, row in enumerate(completions):
            line = {
                "prompt_index": row.prompt.index,
                "prompt": row.prompt.text,
                "expected": row.prompt.row.get("answer"),
                "completion": row.text,
                "answer": answer_of(row.text),
                "scores": {name: None if isnan(values[place]) else values[place] for name, values in columns.items()},
                "tokens": len(row.ids),
                "stop_reason": row.stop_reason,
            }
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    return Path(path)


def answer_reader(template: AnswerTemplate | None = None) -> Callable[[str], str | None]:
    r"""Return what takes the answer out of a text: of the layout, else the last ``\boxed{}``, else the last number.

    Numbers are brought into one writing, so that 7, 7.0 and 07 are one answer; None where there is none.

    Args:
        template: The layout; None for the default one.

    Example:
        >>> read = answer_reader()
        >>> read(r"So \boxed{7}."), read("3 + 4 is 7.0"), read("5 - 5 = 0"), read("Many.")
        ('7', '7', '0', None)
    """
    layout = template or AnswerTemplate()

    def answer_of(text: str) -> str | None:
        answer = layout.parse(text) or last_boxed(text)
        numbers = [] if answer else [one for one in each_number(text) if one is not None]
        number = parse_number(answer) if answer else numbers[-1] if numbers else None
        return f"{number.normalize():f}" if number is not None else answer and " ".join(answer.split())

    return answer_of
