"""Held-out answers of a run: shares with intervals, pass@k, maj@k, paired differences, and every answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.functional.confidence import paired_bootstrap
from rlframework.prompt import Prompt
from rlframework.report.evaluation import Evaluation
from rlframework.rewards.math.answer_reader import AnswerReader

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """The difference of two policies on the same held-out problems, by one measure.

    Args:
        measure: Name of the measure.
        before: Name of the first.
        after: Name of the second.
        problems: Problems that both have a score on.
        mean: Second less first.
        interval: At 95 %, by a paired bootstrap over the problems.
        p_value: Two-sided.
        gained: Problems on which the second is better.
        lost: Problems on which it is worse.
    """

    measure: str
    before: str
    after: str
    problems: int
    mean: float
    interval: tuple[float, float]
    p_value: float
    gained: int
    lost: int


def evaluations_of(answers: Mapping[str, Sequence[Line]]) -> list[Evaluation]:
    """Return what `Comparison.save` wrote down as evaluations again, texts and scores.

    Args:
        answers: Lines of ``evaluations.jsonl`` by name of the row. Problems with fewer answers than others have, as of
            a file that was cut short, are left out.
    """
    return [_evaluation(name, lines) for name, lines in answers.items() if lines]


def measures_of(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Return the figures of one evaluation by measure, as `Evaluation.figures` does, with maj@k by the read answers."""
    return evaluation.figures(AnswerReader() if evaluation.completions.group_size > 1 else None)


def changes_of(evaluations: Sequence[Evaluation], pairs: Sequence[tuple[int, int]]) -> list[Change]:
    """Return the paired differences of some pairs of evaluations, for every measure that both have.

    Args:
        evaluations: All of them.
        pairs: Places of first and second.
    """
    return [
        change
        for first, second in pairs
        for measure in evaluations[first].scores
        if measure in evaluations[second].scores
        and (change := _change(measure, evaluations[first], evaluations[second])) is not None
    ]


def pages_of(answers: Mapping[str, Sequence[Line]]) -> dict[str, Any] | None:
    """Return every held-out problem with its answers, for the page: texts by row, scores by measure.

    Args:
        answers: Lines of ``evaluations.jsonl`` by name of the row.
    """
    problems: dict[tuple[int, str], dict[str, Any]] = {}
    measures: dict[str, None] = {}
    for lines in answers.values():
        for line in lines:
            problem = {name: line.get(name) for name in ("prompt_index", "expected")} | {
                "prompt": line.get("prompt") or ""
            }
            problems.setdefault(_problem(line), problem)
            measures |= dict.fromkeys(line.get("scores") or {})
    place = {key: number for number, key in enumerate(problems)}
    rows = []
    for name, lines in answers.items():
        said: list[list[dict[str, Any]]] = [[] for _ in problems]
        for line in lines:
            scores = line.get("scores") or {}
            answer = {
                "text": line.get("completion") or "",
                "tokens": line.get("tokens"),
                "stop": line.get("stop_reason"),
                "scores": [scores.get(measure) for measure in measures],
            }
            said[place[_problem(line)]].append(answer | ({"turns": line["turns"]} if line.get("turns") else {}))
        rows.append({"name": name, "answers": said})
    return {"measures": list(measures), "problems": list(problems.values()), "rows": rows} if problems else None


def _problem(line: Line) -> tuple[int, str]:
    """Return what one problem is known by, however it was asked: place in the data, and the expected answer."""
    return int(line.get("prompt_index") or 0), str(line.get("expected"))


def _evaluation(name: str, lines: Sequence[Line]) -> Evaluation:
    groups: dict[tuple[int, str], list[Line]] = {}
    for line in lines:
        groups.setdefault(_problem(line), []).append(line)
    size = max(map(len, groups.values()))
    whole = [group for group in groups.values() if len(group) == size]
    completions = [_completion(line) for group in whole for line in group]
    measures = dict.fromkeys(measure for line in lines for measure in line.get("scores") or {})
    scores = {
        measure: torch.tensor([[_score(line, measure) for line in group] for group in whole]) for measure in measures
    }
    return Evaluation(name, Completions(completions, size), scores)


def _completion(line: Line) -> Completion:
    # Its ids were not written down: as many as there were, which nobody decodes.
    ids = [0] * int(line.get("tokens") or 0)
    row = {"answer": line.get("expected")}
    prompt = Prompt([], line.get("prompt") or "", row, int(line.get("prompt_index") or 0))
    return Completion(prompt, ids, line.get("completion") or "", line.get("stop_reason") or "stop")


def _score(line: Line, measure: str) -> float:
    score = (line.get("scores") or {}).get(measure)
    return nan if score is None else float(score)


def _by_problem(evaluation: Evaluation, measure: str) -> dict[tuple[int, str], Tensor]:
    means = evaluation.scores[measure].nanmean(1)
    firsts = [group[0].prompt for group in evaluation.completions.groups()]
    keys = [(prompt.index, str(prompt.row["answer"])) for prompt in firsts]
    return {key: mean for key, mean in zip(keys, means, strict=True) if not mean.isnan()}


def _change(measure: str, before: Evaluation, after: Evaluation) -> Change | None:
    first, second = _by_problem(before, measure), _by_problem(after, measure)
    both = [key for key in first if key in second]
    if not both:
        return None
    differences = torch.stack([second[key] - first[key] for key in both])
    found = paired_bootstrap(differences)
    return Change(
        measure,
        before.name,
        after.name,
        len(both),
        found.mean.item(),
        (found.low.item(), found.high.item()),
        found.p_value.item(),
        int((differences > 0).sum()),
        int((differences < 0).sum()),
    )
