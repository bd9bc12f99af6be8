"""One writing for each answer, whoever counts votes."""

from __future__ import annotations

import pytest

from rlframework.completions import Completion
from rlframework.prompt import Prompt
from rlframework.rewards import AnswerTemplate
from rlframework.rewards.math import AnswerReader


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<end_working_out><SOLUTION> 7.50 </SOLUTION>", "7.5"),
        (r"3 and \boxed{x + 1}, not 4", "x + 1"),
        ("first 3, then 1,200", "1200"),
        ("100 of them", "100"),
        ("2 to the 100 is 1,267,650,600,228,229,401,496,703,205,376", "1267650600228229401496703205376"),
        ("-0.0", "0"),
        ("none", None),
    ],
)
def test_the_answer_of_a_text(text: str, answer: str | None) -> None:
    assert AnswerReader().read(text) == answer


def test_a_layout_of_ones_own_is_read() -> None:
    template = AnswerTemplate("<think>", "</think>", "<answer>", "</answer>")
    assert AnswerReader(template).read("9 apples</think><answer>B</answer>") == "B"


def test_what_was_cut_has_no_answer() -> None:
    answers = [AnswerReader()(Completion(Prompt([1], "?"), [5], "It is 7", reason)) for reason in ("stop", "length")]
    assert answers == ["7", None]
