"""A reward for some of the rows: it asks only them, and hands on what failed there."""

from __future__ import annotations

from typing import Any

import torch

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import FunctionReward, RightEquation, Where
from rlframework.testing import check_reward

NAN = float("nan")


def mixed(tasks: str) -> Completions:
    """A group of two for each letter; the first row of a group is right."""
    rows = []
    for index, task in enumerate(tasks):
        prompt = Prompt([1], "?", {"answer": "4", "task": task}, index)
        rows += [Completion(prompt, [2], text, "stop") for text in ("2 + 2 = 4", "2 + 2 = 5")]
    return Completions(rows, 2)


def test_other_rows_have_no_score_and_are_no_failure() -> None:
    scores = Where(RightEquation(), "task", "a").evaluate(mixed("abca"))
    expected = torch.tensor([[1, 0], [NAN, NAN], [NAN, NAN], [1, 0]])
    assert torch.equal(scores.total.nan_to_num(-1), expected.nan_to_num(-1))
    assert not scores.judgements["right_a"].unverifiable_flags.any()


def test_no_row_at_all() -> None:
    assert Where(RightEquation(), "task", "a").evaluate(mixed("bb")).total.isnan().all()


def test_the_reward_inside_is_not_asked_about_other_rows() -> None:
    asked = []

    def noted(task: str) -> float:
        asked.append(task)
        return 1.0

    Where(FunctionReward(noted), "task", "a").evaluate(mixed("aba"))
    assert asked == ["a"] * 4


def test_failures_are_handed_on_where_they_were() -> None:
    def raises(completion: str) -> float:
        if completion.endswith("5"):
            raise ZeroDivisionError("five")
        return 1.0

    judged = Where(FunctionReward(raises), "task", "a").evaluate(mixed("ba")).judgements["raises_a"]
    assert judged.error_flags.tolist() == [[False, False], [False, True]]
    assert "five" in judged.detail


def test_the_kit_finds_nothing_to_say() -> None:
    rows: list[dict[str, Any]] = [{"prompt": "2 + 2?", "answer": "4", "task": task} for task in ("sums", "poems")]
    cases = [("2 + 2 = 4", rows[0], 1.0), ("2 + 2 = 5", rows[0], 0.0), ("2 + 2 = 4", rows[1], "abstain")]
    assert check_reward(Where(RightEquation(), "task", "sums"), cases).ok
