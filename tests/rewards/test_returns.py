"""What rewards may return and what functions are given: numbers as scores, of a size that can be learned from."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import BatchFunctionReward, FunctionReward, RewardModel, RowReward, TRLReward
from rlframework.rewards.base import LARGEST


def completions(size: int = 2) -> Completions:
    rows = [Completion(Prompt([1], "?", {"answer": "4", "hint": "2+2"}), [2], str(n), "stop") for n in range(size)]
    return Completions(rows, group_size=size)


def scored(reward: RewardModel) -> list[float]:
    return reward.evaluate(completions()).total[0].tolist()


def returning(value: Any) -> Callable[..., Any]:
    def judge(completions: Any, **kwargs: Any) -> Any:
        return value() if callable(value) else value

    return judge


LISTS = {
    "a list": [1.0, 0.0],
    "a tuple of counts": (1, 0),
    "truth values": [True, False],
    "an array": np.array([1.0, 0.0]),
    "an array of objects": np.array([1, 0], dtype=object),
    "a tensor": torch.tensor([1.0, 0.0]),
    "tensors": [torch.tensor(1.0), torch.tensor(0)],
    "a generator": lambda: (float(number) for number in (1, 0)),
    "fractions": [Fraction(1), Decimal(0)],
    "numbers of numpy": [np.float16(1), np.int64(0)],
}


@pytest.mark.parametrize("kind", [TRLReward, BatchFunctionReward])
@pytest.mark.parametrize("form", LISTS)
def test_scores_in_any_form_that_has_an_order_are_taken(kind: Any, form: str) -> None:
    assert scored(kind(returning(LISTS[form]))) == [1.0, 0.0]


@pytest.mark.parametrize("kind", [TRLReward, BatchFunctionReward])
def test_none_abstains_among_scores(kind: Any) -> None:
    assert scored(kind(returning([1.0, None])))[0] == 1.0
    assert kind(returning(np.array([1.0, None]))).evaluate(completions()).total.isnan().tolist() == [[False, True]]


@pytest.mark.parametrize("kind", [TRLReward, BatchFunctionReward])
@pytest.mark.parametrize(
    "value", [{1: "a", 2: "b"}, {1.0, 0.0}, "10", b"10", None, 1.0, {0: 1.0}.keys()], ids=lambda value: repr(value)
)
def test_what_has_no_order_or_is_no_list_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(TypeError, match=r"reward 'judge' returned .* must return a list with one number .* for each"):
        scored(kind(returning(value)))


NO_SCORES = ["yes", "1.0", b"1", [1.0], {"score": 1.0}, 1j, object(), np.array([1.0, 2.0])]


@pytest.mark.parametrize("value", NO_SCORES, ids=lambda value: type(value).__name__ + str(value)[:5])
def test_what_is_no_number_is_refused_with_the_name_of_the_reward(value: Any) -> None:
    class Judge(RowReward):
        def score_row(self, completion: Completion) -> Any:
            return value

    def judge(completion: str) -> Any:
        return value

    for reward in (Judge(), FunctionReward(judge), TRLReward(returning([0.0, value]), name="judge")):
        with pytest.raises(TypeError, match=r"reward 'judge' returned .* a score is a number, such as 1.0"):
            scored(reward)


@pytest.mark.parametrize("value", [1e30, -1e30, 1e20, 1.1e16, 1e39, 1e300, np.float64(-1e200)])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_scores_whose_spread_would_overflow_are_refused_with_their_number(value: float, as_tensor: bool) -> None:
    values = [value, 0.0]
    result = torch.tensor(values, dtype=torch.float64) if as_tensor else values
    with pytest.raises(
        ValueError, match=re.escape(f"reward 'judge' is {value:g} for 1 of 2 completions: beyond 1e+16")
    ):
        scored(TRLReward(returning(result), name="judge"))


def test_a_total_is_held_to_the_same_size_as_its_terms() -> None:
    big = TRLReward(returning([LARGEST, 0.0]), name="judge")
    assert scored(big) == [torch.tensor(LARGEST).item(), 0.0]
    with pytest.raises(ValueError, match="the total of reward 'weighted_sum' is"):
        (1e9 * big).evaluate(completions())
    with pytest.raises(ValueError, match="is 1e\\+32"):
        (big * TRLReward(returning([LARGEST, 0.0]), name="other")).evaluate(completions())


@pytest.mark.parametrize("value", [1e-30, 1e-40, 5e-324, -1e-45])
def test_scores_that_are_almost_nothing_are_taken(value: float) -> None:
    assert scored(TRLReward(returning([value, 0.0]))) == torch.tensor([value, 0.0]).tolist()


def keeps_all(completion: str, **kwargs: Any) -> float:
    return float(kwargs["answer"] == "4" and kwargs["hint"] == "2+2" and kwargs["prompt"] == "?")


def keeps_names(completion: str, *, answer: str) -> float:
    return float(answer == "4")


def keeps_default(completion: str, answer: str, strict: bool = True) -> float:
    return float(answer == "4" and strict)


def keeps_places(completion: str, answer: str, /) -> float:
    return float(answer == "4")


def keeps_more(completion: str, *rest: Any, hint: str = "none") -> float:
    return float(not rest and hint == "2+2")


class Judge:
    def __call__(self, completion: str, **columns: Any) -> float:
        return float(columns["answer"] == "4")


SIGNATURES = [keeps_all, keeps_names, keeps_default, keeps_places, keeps_more]


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__name__)
@pytest.mark.parametrize("where", ["here", "loop"])
def test_a_function_gets_what_its_parameters_say(function: Any, where: str) -> None:
    if where == "loop":
        sync = function

        @functools.wraps(sync)
        async def function(*args: Any, **kwargs: Any) -> float:
            return sync(*args, **kwargs)

    assert scored(FunctionReward(function)) == [1.0, 1.0]


def test_a_function_in_another_process_gets_columns_by_name() -> None:
    reward = FunctionReward(keeps_all, workers=1)
    assert scored(reward) == [1.0, 1.0]
    assert reward.pool is not None
    reward.pool.close()


@pytest.mark.parametrize("function", [Judge(), functools.partial(keeps_names, answer="4")], ids=["object", "partial"])
def test_what_can_be_called_without_a_name_is_called_by_its_class(function: Any) -> None:
    reward = FunctionReward(function)
    assert scored(reward) == [1.0, 1.0]
    assert reward.name in ("Judge", "partial")


def test_a_batch_function_gets_all_columns_too() -> None:
    def judge(completions: list[str], **columns: Any) -> list[float]:
        return [float(answer == "4") for answer in columns["answer"]]

    assert scored(BatchFunctionReward(judge)) == [1.0, 1.0]


@pytest.mark.parametrize("kind", [FunctionReward, TRLReward, BatchFunctionReward])
def test_a_column_that_there_is_not_is_said_with_those_there_are(kind: Any) -> None:
    def judge(solution: Any) -> Any:
        return 1.0

    with pytest.raises(KeyError, match="no column 'solution'; its columns are: answer, hint"):
        scored(kind(judge))
