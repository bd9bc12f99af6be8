"""Abstention from rows whose expected answer is missing or makes no sense."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.testing.report import Violation
from rlframework.testing.rewards.subject import Subject, first_difference, same_scores
from rlframework.utilities.errors import described

MISSING = object()
SPOILED = {"missing": MISSING, "None": None, "empty": "", "blank": " \n", "nan": float("nan")}


def abstention(subject: Subject) -> str:
    """Where the expected answer is missing or blank it abstains or says so, and other rows keep their scores."""
    completions = subject.batch()
    found: list[str] = []
    # Component by component: in a sum one abstention hides what the others did.
    for name, weight, reward, required in subject.reward.components():
        part = replace(subject, source=reward)
        plain = part.scores(copy.deepcopy(completions))
        for column in (name for name in completions.rows[0].prompt.row if name != "prompt"):
            if _matters(part, completions, plain, column):
                deeds = {_spoil(part, completions, plain, column, what, value) for what, value in SPOILED.items()}
                counted = ", which counts as 0 in the sum" if weight and not required and "abstains" in deeds else ""
                found.append(f"{name} {' or '.join(sorted(deeds))} without {column!r}{counted}")
    rest = "" if completions.num_groups == 1 else "; other groups keep their scores"
    return "; ".join(found) + rest if found else "no column of the rows changes a score"


def _spoil(subject: Subject, completions: Completions, plain: Tensor, column: str, what: str, value: Any) -> str:
    """Spoil the column of every other group, and return what the reward did."""
    spoiled = torch.arange(completions.num_groups) % 2 == 0
    changed = _with_column(completions, lambda group, old: value if spoiled[group] else old, column)
    try:
        scores = subject.scores(changed)
    except Exception as error:
        if isinstance(error, KeyError) or column in str(error) or (value is not MISSING and repr(value) in str(error)):
            return "raises"
        raise Violation(
            f"where {column!r} is {what} it raised {described(error)}, which names neither the column nor its value",
            "look at the expected answer before all else; abstain, or raise a ValueError that names the column",
        ) from error
    numbers = ~scores[spoiled].isnan()
    if numbers.any():
        score = scores[spoiled][numbers][0].item()
        raise Violation(
            f"where {column!r} is {what} it gives {score:g}, as if the policy had been right or wrong",
            "return None (or NaN) where the expected answer cannot be used; a number would teach the policy nonsense",
        )
    apart = first_difference(
        plain[~spoiled], scores[~spoiled], Completions([row for row, bad in _marked(changed, spoiled) if not bad], 1)
    )
    if apart:
        raise Violation(
            f"where {column!r} of another group is {what}, {apart}",
            "leave a row that abstains out of sums, means and ranks, and judge the others as if it were not there",
        )
    return "abstains"


def _matters(subject: Subject, completions: Completions, plain: Tensor, column: str) -> bool:
    """Return whether some other value of a column changes some score, or makes the reward abstain or raise."""
    values = [group[0].prompt.row.get(column) for group in completions.groups()]
    others: list[Callable[[int, Any], Any]] = [
        lambda group, old: values[(group + 1) % len(values)],
        lambda group, old: f"{old}7" if isinstance(old, str) else old + 7 if isinstance(old, (int, float)) else old,
        lambda group, old: completions.rows[group * completions.group_size].text,
    ]
    for other in others:
        try:
            scores = subject.scores(_with_column(completions, other, column))
        except Exception:
            return True
        if not same_scores(plain, scores).all():
            return True
    return False


def _with_column(completions: Completions, value: Callable[[int, Any], Any], column: str) -> Completions:
    """Return a copy with other values in a column; those that are ``MISSING`` leave it out."""
    rows: list[Completion] = []
    for number, group in enumerate(copy.deepcopy(list(completions.groups()))):
        row = dict(group[0].prompt.row)
        row[column] = value(number, row.get(column))
        prompt = replace(group[0].prompt, row={name: kept for name, kept in row.items() if kept is not MISSING})
        rows += [replace(completion, prompt=prompt) for completion in group]
    return Completions(rows, completions.group_size)


def _marked(completions: Completions, groups: Tensor) -> list[tuple[Completion, bool]]:
    return [(row, bool(groups[i // completions.group_size])) for i, row in enumerate(completions.rows)]
