"""Truth values and columns: every way to write the right ones, and no way to hedge."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards.logic import TruthTable, TruthValue
from rlframework.rewards.logic.truth import read_values
from tests.rewards.logic.rows import verdict, verdicts

ROW = {"formula": "p -> q"}  # 1101


@pytest.mark.parametrize(
    "answer",
    ["1101", " 1101\n", "TTFT", "ttft", "T T F T", "1 1 0 1", "1, 1, 0, 1", "[1,1,0,1]", "(true, True, FALSE, t)"],
)
def test_right_columns(answer: str) -> None:
    assert verdict(TruthTable(), ROW, answer) == "correct"


@pytest.mark.parametrize(
    "answer", ["1111", "1011", "110", "11011", "1", "TFTT", "0 0 0 0", "1101" * 2, "1 1 0 1 1 1 1 1", "0010"]
)
def test_wrong_columns(answer: str) -> None:
    assert verdict(TruthTable(), ROW, answer) == "incorrect"


@pytest.mark.parametrize(
    "answer",
    [
        "1101 or 1111",
        "1101, 1111",
        "1101/1111",
        "1101.",
        "110T",
        "1 1 F 1",
        "TtFT",
        "p -> q",
        "the column is 1101",
        "0b1101",
        "1_1_0_1",
        "１１０１",
        "[[1101]]",
        "[1101",
        "()",
        ",",
        "13",
        "1101" * 100,
        "__import__('os')",
    ],
)
def test_what_is_no_column(answer: str) -> None:
    assert verdict(TruthTable(), ROW, answer) == "malformed"


def test_leading_zeros_count() -> None:
    assert verdicts(TruthTable(), {"formula": "p & q"}, "0001", "1", "01", "001") == ["correct", *["incorrect"] * 3]


def test_the_order_of_rows_and_variables() -> None:
    row = {"formula": "b & ~a"}
    assert verdict(TruthTable(), row, "0100") == "correct"
    assert verdict(TruthTable(variables=("b", "a")), row, "0010") == "correct"
    assert verdict(TruthTable(true_first=True), row, "0010") == "correct"
    assert verdict(TruthTable(variables=("a", "b", "c")), row, "00110000") == "correct"


def test_layout_and_truncation() -> None:
    prompt = Prompt([1], "?", row=ROW)
    broken = Completion(prompt, [2], "<SOLUTION>1101</SOLUTION>", "stop")
    assert TruthTable().verdicts(Completions([broken], 1))[0] == ["malformed"]
    assert verdicts(TruthTable(), ROW, "1101", stop_reason="length") == ["malformed"]
    assert verdict(TruthTable(), ROW, " ") == "malformed"


@pytest.mark.parametrize(
    "formula", ["p ->", "", None, 5, "p" * 3000, "|".join(f"v{number}" for number in range(17)), ["p"], float("nan")]
)
def test_a_formula_that_is_none_abstains_with_its_reason(formula: Any) -> None:
    prompt = Prompt([1], "?", row={"formula": formula})
    rows = [Completion(prompt, [2], text, "stop") for text in ("<end_working_out><SOLUTION>1</SOLUTION>", "broken")]
    judgement = TruthTable().score(Completions(rows, 2))
    assert judgement.scores.isnan().all()
    assert torch.equal(judgement.unverifiable, torch.tensor([True, True]))
    assert "no formula" in judgement.detail


def test_an_order_without_the_formulas_variables_abstains() -> None:
    assert verdict(TruthTable(variables=("p",)), ROW, "1101") == "gold_unverifiable"


def test_a_missing_column_is_an_error() -> None:
    with pytest.raises(KeyError, match="no column 'formula'"):
        verdict(TruthTable(), {"expression": "p"}, "01")


def test_scores_of_verdicts() -> None:
    reward = TruthTable(correct=8.0, incorrect=-4.0, malformed=-5.0, name="column")
    prompt = Prompt([1], "?", row=ROW)
    texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in ("1101", "0000", "?")]
    scores = reward.evaluate(Completions([Completion(prompt, [2], text, "stop") for text in texts], 3))
    assert scores.total.tolist() == [[8.0, -4.0, -5.0]]
    assert list(scores.components) == ["column"]


def test_values_under_an_assignment() -> None:
    row = {"formula": "(p -> q) & ~r", "assignment": {"p": True, "q": True, "r": 0, "unused": "x"}}
    right = ["true", "True", "T", "1", " t ", "[1]"]
    assert verdicts(TruthValue(), row, *right) == ["correct"] * len(right)
    assert verdicts(TruthValue(), row, "false", "0", "F") == ["incorrect"] * 3
    junk = ["true or false", "10", "yes", "not false", "true true", "1.0", "True, False", "x" * 50]
    assert verdicts(TruthValue(), row, *junk) == ["malformed"] * len(junk)


@pytest.mark.parametrize(
    "assignment", [None, {}, {"p": True}, {"p": True, "q": None}, {"p": 1, "q": 2}, [1, 0], {"p": 1, "q": 1.0}]
)
def test_an_incomplete_assignment_abstains(assignment: Any) -> None:
    assert verdict(TruthValue(), {"formula": "p & q", "assignment": assignment}, "true") == "gold_unverifiable"


def test_reading_is_linear() -> None:
    assert read_values("1" * 100_000) == [True] * 100_000
    assert read_values(" " * 100_000 + "x") is None
    assert read_values(", " * 50_000) is None
