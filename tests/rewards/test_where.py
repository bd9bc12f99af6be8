"""A reward for some of the rows: it asks only them, and hands on what failed there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import FunctionReward, Judgement, RewardModel, RightEquation, WeightedSum, Where, optional
from rlframework.rewards.failure_limits import Counts
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


def test_rewards_of_other_tasks_stand_beside_one_another() -> None:
    by_task = Where(RightEquation(), "task", "a") + Where(FunctionReward(tens), "task", "b")
    totals = (by_task + 0.5 * FunctionReward(one)).evaluate(mixed("abc")).total
    expected = torch.tensor([[1.5, 0.5], [10.5, NAN], [0.5, 0.5]])  # of the second task one row could not be judged
    assert torch.equal(totals.nan_to_num(-1), expected.nan_to_num(-1))


def tens(completion: str) -> float | None:
    return None if completion.endswith("5") else 10.0


def one(completion: str) -> float:
    return 1.0


def raises_on_five(completion: str) -> float:
    if completion.endswith("5"):
        raise ZeroDivisionError("five")
    return 1.0


@pytest.mark.parametrize(
    ("inside", "scores"),
    [
        (FunctionReward(raises_on_five), [1, NAN]),
        (FunctionReward(one) + FunctionReward(raises_on_five), [2, NAN]),
        (FunctionReward(one) + optional(FunctionReward(raises_on_five)), [2, 1]),
        (FunctionReward(one) + 0.0 * FunctionReward(raises_on_five), [1, 1]),
        (FunctionReward(one) * FunctionReward(raises_on_five), [1, NAN]),
        (Where(FunctionReward(raises_on_five), "answer", "4"), [1, NAN]),
    ],
    ids=["plain", "in a sum", "optional", "of no weight", "in a product", "in another one"],
)
@pytest.mark.parametrize("wrapped", [lambda reward: reward, lambda reward: reward * FunctionReward(one)])
def test_no_wrapper_hides_a_failed_check(
    inside: RewardModel, scores: list[float], wrapped: Callable[[RewardModel], RewardModel]
) -> None:
    found = wrapped(Where(inside, "task", "a", name="mine")).evaluate(mixed("ba"))
    [judgement] = found.judgements.values()
    assert judgement.error_flags.tolist() == [[False, False], [False, True]]
    assert "five" in judgement.detail
    assert torch.equal(judgement.scores.nan_to_num(-1), torch.tensor([[NAN, NAN], scores]).nan_to_num(-1))
    assert Counts.of(judgement)[:3] == (2, 1, 0)  # a share of its own rows, however rare they are


def test_an_optional_reward_inside_is_one_for_the_sum_outside() -> None:
    reward = Where(optional(FunctionReward(tens)), "task", "a") + FunctionReward(one)
    assert reward.evaluate(mixed("ab")).total.tolist() == [[11, 1], [1, 1]]


def test_a_term_of_no_weight_inside_makes_no_row_its_own() -> None:
    inner = Where(FunctionReward(tens), "task", "a") + 0.0 * FunctionReward(one)
    totals = WeightedSum(rewards={"inner": inner, "one": FunctionReward(one)}).evaluate(mixed("ab")).total
    assert torch.equal(totals.nan_to_num(-1), torch.tensor([[11.0, -1], [1, 1]]))


def test_columns_stay_with_their_rows() -> None:
    class Seen(RewardModel):
        def score(self, completions: Completions) -> Judgement:
            texts = [row.text[-1] for row in completions]
            return Judgement(torch.ones(len(texts)), columns={"last": texts}, metrics={"m": torch.ones(len(texts))})

    judgement = Where(Seen(), "task", "a").evaluate(mixed("ba")).judgements["seen_a"]
    assert judgement.columns == {"seen/last": [None, None, "4", "5"]}
    assert judgement.metrics["seen/m"].isnan().tolist() == [[True, True], [False, False]]


def test_the_kit_finds_nothing_to_say() -> None:
    rows: list[dict[str, Any]] = [{"prompt": "2 + 2?", "answer": "4", "task": task} for task in ("sums", "poems")]
    cases = [("2 + 2 = 4", rows[0], 1.0), ("2 + 2 = 5", rows[0], 0.0), ("2 + 2 = 4", rows[1], "abstain")]
    assert check_reward(Where(RightEquation(), "task", "sums"), cases).ok
