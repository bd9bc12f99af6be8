"""Strict numbers, and the reward for the first number of the answer."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from rlframework.completions import Completion, StopReason
from rlframework.prompt import Prompt
from rlframework.rewards import AnswerTemplate, NumberCheck
from rlframework.rewards.numerals import MAX_NUMBER_CHARACTERS, first_number, parse_number

NUMBERS = [
    ("0", "0"),
    ("34", "34"),
    (" 34\n", "34"),
    ("-34", "-34"),
    ("+34", "34"),
    ("007", "7"),
    ("3.50", "3.5"),
    (".5", "0.5"),
    ("18.", "18"),
    ("1,234", "1234"),
    ("-12,345,678.9", "-12345678.9"),
    ("9" * MAX_NUMBER_CHARACTERS, "9" * MAX_NUMBER_CHARACTERS),
    *((str(value), f"{Decimal(str(value)):f}") for value in (1e-05, -2.5e-07, 1e16, 1.5e300, 5e-324)),
    ("1.0E-5", "0.00001"),
    ("1e-7", "0.0000001"),
]

NOT_NUMBERS = [
    "", " ", ".", ",", "-", "+.", "--3", "- 3", "3-", "1.2.3", "3..4",
    "10,00", "1,23", "1,2345", ",123", "123,", "1234,567", "0,123", "1,,234", "1.234,5", "1,234,56",
    "1e3", "1E3", "2e-1", "3e+2", "52e-10", "e-05", "1e-0500", "1e-",
    "52_8", "0x10", "0b1", "nan", "NaN", "inf", "-Infinity", "sNaN", "3j", "1/2", "50%", "$34",
    "34 or 35", "3 4", "3\n4", "٣٤", "３４", "3٤", "²", "½", "\u22125",
    "9" * (MAX_NUMBER_CHARACTERS + 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_parse_number_reads(text: str, value: str) -> None:
    assert parse_number(text) == Decimal(value)


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_parse_number_refuses(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("34", "34"),
        ("The answer is 34.", "34"),
        ("34 or 35", "34"),
        ("34, 35", "34"),
        ("$1,234.50!", "1234.5"),
        ("x=-3", "-3"),
        ("(-3)", "-3"),
        ("34%", "34"),
        ("34euros", "34"),
        ("well... 34", "34"),
        ("10-5", "10"),
        ("x-5", "5"),
        ("covid-19", "19"),
        ("", None),
        (".", None),
        ("... , _", None),
        ("none", None),
        ("10,00", None),
        ("10,00 or 5", None),
        ("52_8", None),
        ("34e5", None),
        ("1.2.3", None),
        ("- 5", None),
        ("-$5", None),
        ("\u22125", None),
        ("٣٤", None),
        ("３4", None),
    ],
)
def test_first_number(text: str, value: str | None) -> None:
    assert first_number(text) == (None if value is None else Decimal(value))


EQUAL, DIFFERENT, HEDGED, MISSING = 3.5, -1.5, -1.5, -2.5


def completion(text: str, gold: Any, stop_reason: StopReason = "stop") -> Completion:
    return Completion(Prompt([1], "?", row={"answer": gold}), [2], text, stop_reason)


# (completion, expected answer, score)
CASES: list[tuple[str, Any, float | None]] = [
    ("<SOLUTION>34</SOLUTION>", "34", EQUAL),
    ("<SOLUTION>34</SOLUTION>", 34, EQUAL),
    ("<SOLUTION>34</SOLUTION>", 34.0, EQUAL),
    ("<SOLUTION>$34</SOLUTION>", "34", EQUAL),
    ("<SOLUTION>34 apples</SOLUTION>", "34", EQUAL),
    ("<SOLUTION>34 = 34.0</SOLUTION>", "34", EQUAL),
    ("<SOLUTION>34", "34", EQUAL),
    ("<SOLUTION>34</SOLUTION> and not 35", "34", EQUAL),
    ("about 12 <SOLUTION>34</SOLUTION>", "34", EQUAL),
    ("<SOLUTION>34</SOLUTION><SOLUTION>35</SOLUTION>", "34", EQUAL),
    ("<SOLUTION>2125</SOLUTION>", "2,125", EQUAL),
    ("<SOLUTION>2,125</SOLUTION>", "2125", EQUAL),
    ("<SOLUTION>2,125</SOLUTION>", "2,125", EQUAL),
    ("<SOLUTION>0</SOLUTION>", "0", EQUAL),
    ("<SOLUTION>0.3</SOLUTION>", 0.3, EQUAL),
    ("<SOLUTION>35</SOLUTION>", "34", DIFFERENT),
    ("<SOLUTION>33</SOLUTION><SOLUTION>34</SOLUTION>", "34", DIFFERENT),
    ("<SOLUTION>-34</SOLUTION>", "34", DIFFERENT),
    ("<SOLUTION>1</SOLUTION>", 0, DIFFERENT),
    ("<SOLUTION>9007199254740993</SOLUTION>", "9007199254740992", DIFFERENT),
    ("<SOLUTION>34 or 35</SOLUTION>", "34", HEDGED),
    ("<SOLUTION>34/2</SOLUTION>", "34", HEDGED),
    ("<SOLUTION>34 or 3_5</SOLUTION>", "34", HEDGED),
    ("34", "34", MISSING),
    ("<SOLUTION></SOLUTION>34", "34", MISSING),
    ("<SOLUTION>.</SOLUTION>", "34", MISSING),
    ("<SOLUTION>many</SOLUTION>", "34", MISSING),
    ("<SOLUTION>10,00</SOLUTION>", "1000", MISSING),
    ("<SOLUTION>52_8</SOLUTION>", "528", MISSING),
    ("<SOLUTION>nan</SOLUTION>", "34", MISSING),
    ("<SOLUTION>٣٤</SOLUTION>", "34", MISSING),
    ("<SOLUTION>34</SOLUTION>", "blue", None),
    ("<SOLUTION>34</SOLUTION>", "nan", None),
    ("no answer", "x + 1", None),
]


@pytest.mark.parametrize(("text", "gold", "score"), CASES)
def test_number_check(text: str, gold: Any, score: float | None) -> None:
    assert NumberCheck().score_row(completion(text, gold)) == score


def test_a_cut_completion_has_no_number_but_an_unusable_gold_still_abstains() -> None:
    assert NumberCheck().score_row(completion("<SOLUTION>34</SOLUTION>", "34", "length")) == MISSING
    assert NumberCheck().score_row(completion("<SOLUTION>34</SOLUTION>", "blue", "length")) is None


def test_scores_template_and_column_are_arguments() -> None:
    template = AnswerTemplate("<t>", "</t>", "<a>", "</a>")
    check = NumberCheck(template, "solution", equal=4.0, different=3.0, hedged=2.0, missing=1.0, name="number")
    texts = ["<a>34</a>", "<a>35</a>", "<a>34 or 35</a>", "34"]
    rows = [Completion(Prompt([1], "?", row={"solution": "34"}), [2], text, "stop") for text in texts]
    assert [check.score_row(row) for row in rows] == [4.0, 3.0, 2.0, 1.0]
    assert check.name == "number"


def seconds(body: str) -> float:
    """The fastest of three, so that a busy machine does not fail the test."""
    times, check, row = [], NumberCheck(), completion("<SOLUTION>34 " + body, "34")
    for _ in range(3):
        start = time.process_time()
        check.score_row(row)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("loop", ["<SOLUTION>", "9", ".", ",", "1,", "1e", "-", "- ", "-$", "+.", "1.", "_", "34 "])
def test_looping_answers_are_read_in_linear_time(loop: str) -> None:
    short = seconds(loop * (25_000 // len(loop)))
    assert short < 0.05
    long = seconds(loop * (200_000 // len(loop)))
    # 8 times the text: 8 times the time if linear, 64 if quadratic; the floor is for clocks and noise.
    assert long < 0.25
    assert long < 30 * max(short, 1e-4)
