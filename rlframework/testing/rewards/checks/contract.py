"""The contract of a reward: a finite score for each completion, and completions that stay as they are."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch

from rlframework.completions import Completion, Completions
from rlframework.rewards.judgement import Judgement
from rlframework.testing.report import Violation
from rlframework.testing.rewards.cases import Expectation, answered, in_groups, shortened
from rlframework.testing.rewards.subject import Subject
from rlframework.utilities.errors import described


def failures(subject: Subject) -> str:
    """No case makes it raise, or report that its check failed."""
    for case in subject.cases:
        alone = copy.deepcopy(Completions([case.completion], 1))
        try:
            failed = [why for _, why in subject.judge(alone).failures()]
        except Exception as error:
            failed = [described(error)]
        if failed:
            raise Violation(
                f"on {shortened(case.completion.text)} it failed: {failed[0]}",
                "score whatever text comes; return None (or NaN) where the row cannot be judged",
            )
    return f"none in {len(subject.cases)} cases"


def length(subject: Subject) -> str:
    """It returns one score for each completion, in groups of 1, 2 and 8, and for a single empty one."""
    empty = Completions([answered(subject.cases[0].completion.prompt, "")], 1)
    batches = [*(subject.batch(group_size) for group_size in (1, 2, 8)), empty]
    for completions in batches:
        rows, groups = len(completions), (completions.num_groups, completions.group_size)
        for name, _, part, _ in subject.reward.components():
            try:
                shape = tuple(_bare(part.score(copy.deepcopy(completions))).shape)
            except (TypeError, ValueError) as error:
                raise Violation(
                    f"{name} has no scores for {rows} completions in groups of {completions.group_size}: "
                    f"{described(error)}",
                    "return one number (or NaN) for each completion, in their order",
                ) from error
            if shape not in (groups, (rows,)):
                raise Violation(
                    f"{name} returned {math.prod(shape)} scores of shape {shape} for {rows} completions in groups of "
                    f"{completions.group_size}",
                    f"return one score for each completion, as (groups, group_size) = {groups} or ({rows},)",
                )
    return f"one for each of {len(batches[0])} completions in groups of 1, 2 and 8, and for an empty one"


def dtype(subject: Subject) -> str:
    """Scores are real and finite numbers; NaN abstains, and not on everything."""
    completions = subject.batch()
    for name, _, part, _ in subject.reward.components():
        scores = _bare(part.score(copy.deepcopy(completions)))
        if scores.dtype in (torch.complex64, torch.complex128):
            raise Violation(f"{name} returned {scores.dtype}", "return real numbers, such as torch.float32")
        narrow = scores.to(torch.float32).flatten()
        if narrow.isinf().any():
            row = int(narrow.isinf().nonzero()[0])
            raise Violation(
                f"{name} gives {scores.flatten()[row].item():g} to {shortened(completions.rows[row].text)}",
                "return a finite score that float32 can hold; NaN (or None) abstains",
            )
    abstained = int(subject.scores(completions).isnan().sum())
    if abstained == len(completions) and not all(case.expected == "abstain" for case in subject.cases):
        raise Violation(
            f"it abstains on all {abstained} completions, so that nothing could be learned from it",
            "look why: does the column that it reads hold what it expects?",
        )
    return f"finite on {len(completions) - abstained} completions, abstains on {abstained}"


def mutation(subject: Subject) -> str:
    """It leaves completions, prompts and rows of data as they are."""
    completions = subject.batch()
    before = copy.deepcopy(completions)
    subject.judge(completions)
    if len(completions.rows) != len(before.rows) or completions.group_size != before.group_size:
        raise Violation("it changed the number of completions, or of groups", "work on a copy of completions.rows")
    for now, then in zip(completions.rows, before.rows, strict=True):
        changed = [name for name, part in _parts(now).items() if repr(part) != repr(_parts(then)[name])]
        if changed:
            raise Violation(
                f"it changed {', '.join(changed)} of {shortened(then.text)}",
                "work on a copy: what is written into completions is trained on, recorded, and read by other rewards",
            )
    return f"{len(before)} completions are as before"


def _parts(completion: Completion) -> dict[str, Any]:
    prompt = completion.prompt
    own = {"text": completion.text, "ids": completion.ids, "stop_reason": completion.stop_reason}
    return {**own, "prompt.text": prompt.text, "prompt.ids": prompt.ids, "prompt.row": prompt.row}


def expectations(subject: Subject) -> str:
    """Every case gets what is expected of it."""
    # In groups, because a reward that compares rows has to see some.
    completions, places = in_groups(subject.cases, group_size=4)
    scores = subject.scores(completions).flatten()
    judged = [(case, scores[row].item()) for case, row in zip(subject.cases, places, strict=True)]
    judged = [(case, score) for case, score in judged if case.expected is not None]
    wrong = [(case, score) for case, score in judged if not _met(case.expected, score, subject.accept_above)]
    if wrong:
        case, score = wrong[0]
        raise Violation(
            f"{shortened(case.completion.text)} should get {_in_words(case.expected, subject.accept_above)} and gets "
            f"{score:g} ({len(wrong)} of {len(judged)} expectations are not met)",
            "correct the reward, or the expectation; accept_above says where accepting begins",
        )
    return f"all {len(judged)} are met" if judged else "no case has one; add 'accept', 'refuse' or a score to some"


def _met(expected: Expectation, score: float, accept_above: float) -> bool:
    if expected == "abstain":
        return math.isnan(score)
    if expected == "accept":
        return score > accept_above
    if expected == "refuse":
        return score <= accept_above
    return isinstance(expected, (int, float)) and math.isclose(score, expected, rel_tol=1e-5, abs_tol=1e-6)


def _in_words(expected: Expectation, accept_above: float) -> str:
    words = {
        "abstain": "none (abstain)",
        "accept": f"more than {accept_above:g}",
        "refuse": f"at most {accept_above:g}",
    }
    return words[expected] if isinstance(expected, str) else f"{expected:g}"


def _bare(result: Any) -> torch.Tensor:
    return torch.as_tensor(result.scores if isinstance(result, Judgement) else result)
