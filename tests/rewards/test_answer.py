"""The rewards that compare the answer with the expected one."""

from __future__ import annotations

from typing import Any

import pytest

from rlframework.completions import Completion, StopReason
from rlframework.prompt import Prompt
from rlframework.rewards import AnswerCheck, AnswerTemplate, CorrectAnswer

IDENTICAL, STRIPPED, WITHIN_10, WITHIN_20, WRONG, NOT_A_NUMBER, MISSING = 5.0, 3.5, 2.0, 1.5, -2.5, -4.5, -2.0


def completion(text: str, gold: Any, stop_reason: StopReason = "stop") -> Completion:
    return Completion(Prompt([1], "?", row={"answer": gold}, index=7), [2], text, stop_reason)


def answered(answer: str, gold: Any) -> Completion:
    return completion(f"work<end_working_out><SOLUTION>{answer}</SOLUTION>", gold)


# (answer, expected answer, score of AnswerCheck); CorrectAnswer pays the first two kinds and no other.
CASES: list[tuple[str, Any, float]] = [
    ("34", "34", IDENTICAL),
    ("34", 34, IDENTICAL),
    ("34", 34.0, IDENTICAL),
    ("0.1", 0.1, IDENTICAL),
    ("34", " 34\n", IDENTICAL),
    ("2,125", "2,125", IDENTICAL),
    ("blue", "blue", IDENTICAL),
    ("inf", "inf", IDENTICAL),
    (" 34 ", "34", STRIPPED),
    ("\n34\n", 34, STRIPPED),
    (" blue ", "blue", STRIPPED),
    ("2125", "2,125", STRIPPED),
    ("2,125", "2125", STRIPPED),
    ("2,125", 2125, STRIPPED),
    ("34.0", "34", STRIPPED),
    ("+34", "34", STRIPPED),
    ("0.0", "0", STRIPPED),
    ("-0", 0, STRIPPED),
    ("110", "100", WITHIN_10),
    ("90", "100", WITHIN_10),
    ("35", "34", WITHIN_10),
    ("-95", "-100", WITHIN_10),
    ("1.1", "1", WITHIN_10),
    ("110.001", "100", WITHIN_20),
    ("120", "100", WITHIN_20),
    ("80", "100", WITHIN_20),
    ("2,500", "2,125", WITHIN_20),
    ("120.001", "100", WRONG),
    ("-100", "100", WRONG),
    ("0", "100", WRONG),
    ("0.001", "0", WRONG),
    ("1", 0, WRONG),
    ("red", "blue", WRONG),
    ("5", "blue", WRONG),
    ("1" + "0" * 39 + "1", "1" + "0" * 40, WITHIN_10),
    ("11" + "0" * 38 + "1", "1" + "0" * 40, WITHIN_20),
    ("10,00", "1000", NOT_A_NUMBER),
    ("52_8", "528", NOT_A_NUMBER),
    ("34 or 35", "34", NOT_A_NUMBER),
    ("$34", "34", NOT_A_NUMBER),
    (".", "34", NOT_A_NUMBER),
    ("nan", "34", NOT_A_NUMBER),
    ("inf", "34", NOT_A_NUMBER),
    ("-Infinity", 0, NOT_A_NUMBER),
    ("3.4e1", "34", NOT_A_NUMBER),
    ("٣٤", "34", NOT_A_NUMBER),
    ("３４", 34, NOT_A_NUMBER),
    ("0" * 200 + "34", "34", NOT_A_NUMBER),
    ("__import__('os').getpid()", "34", NOT_A_NUMBER),
]


@pytest.mark.parametrize(("answer", "gold", "score"), CASES)
def test_answers_in_the_right_layout(answer: str, gold: Any, score: float) -> None:
    assert AnswerCheck().score_row(answered(answer, gold)) == score
    assert CorrectAnswer().score_row(answered(answer, gold)) == float(score in (IDENTICAL, STRIPPED))


@pytest.mark.parametrize(
    ("text", "stop_reason"),
    [
        ("34", "stop"),
        ("<SOLUTION>34</SOLUTION>", "stop"),
        ("<end_working_out><SOLUTION>34", "stop"),
        ("<end_working_out><SOLUTION></SOLUTION>", "stop"),
        ("<end_working_out><SOLUTION>34</SOLUTION>\nNo, 35.", "stop"),
        ("<end_working_out><SOLUTION>33</SOLUTION><SOLUTION>34</SOLUTION>", "stop"),
        ("<end_working_out><SOLUTION>34</SOLUTION>", "length"),
    ],
)
def test_no_answer_without_the_layout_or_after_a_cut(text: str, stop_reason: StopReason) -> None:
    assert AnswerCheck().score_row(completion(text, "34", stop_reason)) == MISSING
    assert CorrectAnswer().score_row(completion(text, "34", stop_reason)) == 0.0


def test_scores_template_and_column_are_arguments() -> None:
    template = AnswerTemplate("<t>", "</t>", "<a>", "</a>")
    scores = {
        "identical": 7.0, "stripped": 6.0, "within_10_percent": 5.0, "within_20_percent": 4.0,
        "wrong": 3.0, "not_a_number": 2.0,
    }  # fmt: skip
    check = AnswerCheck(template, "solution", missing=1.0, **scores, name="check")
    answers = ("100", "100.0", "101", "115", "200", "many")
    texts = [f"</t><a>{answer}</a>" for answer in answers] + ["100"]
    rows = [Completion(Prompt([1], "?", row={"solution": "100"}), [2], text, "stop") for text in texts]
    assert [check.score_row(row) for row in rows] == [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    assert [CorrectAnswer(template, "solution").score_row(row) for row in rows] == [1.0, 1.0, 0, 0, 0, 0, 0]
    assert check.name == "check"


def test_a_missing_column_is_an_error_that_lists_the_columns() -> None:
    with pytest.raises(KeyError, match="no column 'solution'; its columns are: answer"):
        CorrectAnswer(answer_column="solution").score_row(answered("34", "34"))
