"""What a column may hold, and what it is compared as; what holds nothing is unverifiable in every reward."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import (
    AnswerCheck,
    CorrectAnswer,
    EquationLayout,
    EquationSetup,
    LenientMathCheck,
    MathCheck,
    NumberCheck,
    RewardModel,
    RightEquation,
)
from rlframework.rewards.code import CodeTests, PlainSandbox
from rlframework.rewards.gold import gold_text
from rlframework.rewards.logic import Entailment, EntailmentQuestion, KnightsKnaves, TruthTable, TruthValue

SPELLED: list[tuple[Any, str]] = [
    (" x^2 \n", "x^2"),
    (34, "34"),
    (-34.0, "-34"),
    (0.1, "0.1"),
    (1e-05, "0.00001"),
    (1.5e-07, "0.00000015"),
    (1e22, "1" + "0" * 22),
    (1e300, "1" + "0" * 300),
    (True, "True"),
    (Decimal("2.50"), "2.50"),
    (Decimal("1E+3"), "1000"),
    (Decimal("1E-7"), "0.0000001"),
    (Fraction(-3, 4), "-3/4"),
    (Fraction(6, 3), "2"),
    (b" 34", "34"),
    (memoryview(b"34"), "34"),
    ("Nan", "Nan"),  # her name
    (["34"], "34"),
    ([[34.0]], "34"),
    (["2", "-3"], "2, -3"),
    (["1,250", 3], "1250, 3"),
    (["1e-05", 3], "0.00001, 3"),
    (["(1,2)", "(2,1)"], "(1,2), (2,1)"),
    ([(1, 2), (2, 1)], "(1, 2), (2, 1)"),
    ((2, -3), "(2, -3)"),
    ((1e-05,), "0.00001"),
    ({2, -3}, r"\{-3, 2\}"),
    (np.float64(1e-05), "0.00001"),
    (np.float32(0.1), "0.1"),
    (np.int64(7), "7"),
    (np.array(["2", "-3"]), "2, -3"),
    (np.array([0.5, 2.0], dtype=np.float32), "0.5, 2"),
    (torch.tensor(0.1), "0.1"),
    (torch.tensor([0.1, 1e-05], dtype=torch.bfloat16), "0.1, 0.00001"),
    (torch.tensor(1232, dtype=torch.bfloat16), "1232"),
    (torch.tensor(0.1, requires_grad=True), "0.1"),
    (np.float16(65504), "65504"),
    (np.float16(0.1), "0.1"),
    (np.ma.array([0.1, 2], mask=[False, True], dtype=np.float32), None),
    (torch.tensor(3), "3"),
    (torch.tensor([1, 2]), "1, 2"),
    (torch.tensor(True), "True"),
]
MISSING: list[Any] = [
    None,
    float("nan"),
    float("-inf"),
    "",
    " \n",
    "\ufeff",
    "\u200b \u200b",
    b"\xff",
    b" ",
    float("inf"),
    Decimal("sNaN"),
    {1, None},
    [{1, 2}, {3}],
    1j,
    np.datetime64("NaT"),
    [],
    (),
    [None],
    [1, float("nan")],
    {1, None},
    {"2", "nan"},
    [[1, 2], [3, 4]],
    ["x=1, y=2", "x=2, y=1"],
    *map(str, (float("nan"), pd.NA, pd.NaT)),
    json.dumps(float("nan")),
    ["2", "nan"],
    {"x": 2},
    Decimal("NaN"),
    np.nan,
    np.array([[1, 2], [3, 4]]),
    torch.tensor(float("nan")),
    torch.zeros(0),
    object(),
    pd.NA,
    pd.NaT,
]
REWARDS: list[RewardModel] = [
    *(AnswerCheck(), CorrectAnswer(), NumberCheck(), MathCheck(), LenientMathCheck()),
    *(RightEquation(), EquationSetup(), EquationLayout()),
]
# What takes something else than an answer to judge by.
OF_OTHER_COLUMNS: dict[str, Callable[[], RewardModel]] = {
    "people": KnightsKnaves,
    "tables": TruthTable,
    "values": TruthValue,
    "entailment": Entailment,
    "questions": EntailmentQuestion,
    "code": lambda: CodeTests(isolation=PlainSandbox()),
}
COLUMNS = ("people", "statements", "formula", "assignment", "premises", "conclusion", "cases")


NAMES = [repr(value).partition(" at 0x")[0][:40] for value, _ in SPELLED]


@pytest.mark.parametrize(("value", "text"), SPELLED, ids=NAMES)
def test_a_value_is_spelled_out(value: Any, text: str) -> None:
    assert gold_text(value) == text


@pytest.mark.parametrize(
    "value", MISSING, ids=[f"{type(value).__name__}-{place}" for place, value in enumerate(MISSING)]
)
def test_what_nothing_can_be_compared_with_is_none(value: Any) -> None:
    assert gold_text(value) is None


def rows(answer: str, *golds: Any) -> Completions:
    text = f"<end_working_out><SOLUTION>{answer}</SOLUTION>"
    return Completions([Completion(Prompt([1], "?", {"answer": gold}), [2], text, "stop") for gold in golds], 1)


@pytest.mark.parametrize("reward", REWARDS, ids=[reward.name for reward in REWARDS])
def test_a_missing_gold_is_unverifiable_in_every_reward_whatever_is_answered(reward: RewardModel) -> None:
    for answer in ("nan", "None", "34", ""):
        judgement = reward.evaluate(rows(answer, *MISSING, 34)).judgements[reward.name]
        assert judgement.unverifiable.flatten().tolist() == [True] * len(MISSING) + [False]
        assert judgement.scores.isnan().flatten().tolist() == [True] * len(MISSING) + [False]
        assert not judgement.error_flags.any()


@pytest.mark.parametrize("reward", REWARDS, ids=[reward.name for reward in REWARDS])
def test_a_reward_tells_before_a_run_which_rows_it_can_judge(reward: RewardModel) -> None:
    prompts = [Prompt([1], "?", {"answer": gold}) for gold in (*MISSING, 34)]
    assert [reward.can_judge(prompt) for prompt in prompts] == [False] * len(MISSING) + [True]


@pytest.mark.filterwarnings("ignore:isolation='none'")
@pytest.mark.parametrize("make", OF_OTHER_COLUMNS.values(), ids=OF_OTHER_COLUMNS)
@pytest.mark.parametrize("value", [None, "", " \n", float("nan"), pd.NA, pd.NaT, []], ids=repr)
def test_missing_formulas_people_and_cases_are_unverifiable_too(make: Callable[[], RewardModel], value: Any) -> None:
    reward = make()
    for answer in ("nan", "None", "34", ""):
        text = f"<end_working_out><SOLUTION>{answer}</SOLUTION>"
        prompt = Prompt([1], "?", dict.fromkeys(COLUMNS, value))
        judgement = reward.evaluate(Completions([Completion(prompt, [2], text, "stop")], 1)).judgements[reward.name]
        assert judgement.unverifiable.all()
        assert judgement.scores.isnan().all()


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        (1e-05, ("0.00001", "10^{-5}", r"1 \times 10^{-5}", "1e-05"), ("e-5", "-2.28", "0.0001")),
        (2.5e-07, ("2.5e-07", "2.5e-7", "0.00000025"), ("2.5e - 7",)),
        (["2", "-3"], ("2, -3", "-3, 2", "x = 2 or x = -3"), ("2", "(2, -3)", "2, 3", "['2', '-3']")),
        ([Fraction(1, 2)], ("0.5", r"\frac12"), ("2",)),
        ((1, 2.0), ("(1, 2)", "(1.0,2)"), ("(2, 1)", "1, 2")),
        ({1, 2}, (r"\{2, 1\}",), ("(1, 2)", r"\{1\}")),
        (torch.tensor(0.1), ("0.1", r"\frac{1}{10}"), ("0.10000000149011612",)),
        (Decimal("1E+3"), ("1000", "1,000"), ("1",)),
    ],
    ids=repr,
)
def test_mathematics_is_checked_against_what_the_value_means(gold: Any, right: tuple[str, ...], wrong: tuple[str, ...]):
    for answers, score in ((right, 1.0), (wrong, 0.0)):
        for answer in answers:
            assert MathCheck().evaluate(rows(answer, gold)).total.tolist() == [[score]], answer


@pytest.mark.parametrize("gold", [42, 42.0, [42.0], Decimal("4.2E+1"), b"42", torch.tensor(42.0)], ids=repr)
def test_equations_are_checked_against_what_the_value_means(gold: Any) -> None:
    completions = [Completion(Prompt([1], "?", {"answer": gold}), [2], f"17 + 25 = {n}", "stop") for n in (42, 43)]
    assert [RightEquation().evaluate(Completions([one], 1)).total.item() for one in completions] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (datetime.datetime(2020, 1, 2), "2020-01-02"),
        (datetime.datetime(2020, 1, 2, 3, 4), "2020-01-02T03:04:00"),
    ],
)
def test_what_a_reader_of_json_takes_for_a_moment_is_text_again(value: datetime.date, text: str) -> None:
    assert gold_text(value) == text
