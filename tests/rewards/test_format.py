"""The format rewards, and the totals of the four rewards together."""

from __future__ import annotations

import pytest

from rlframework.completions import Completion, Completions, StopReason
from rlframework.prompt import Prompt
from rlframework.rewards import AnswerCheck, AnswerTemplate, ApproximateFormat, ExactFormat, NumberCheck

END, OPEN, CLOSE, START = "<end_working_out>", "<SOLUTION>", "</SOLUTION>", "<start_working_out>"
GOOD = f"work{END}{OPEN}34{CLOSE}"


def completion(text: str, stop_reason: StopReason = "stop", answer: str = "34") -> Completion:
    return Completion(Prompt([1], "?", row={"answer": answer}), [2], text, stop_reason)


@pytest.mark.parametrize(
    ("text", "stop_reason", "score"),
    [
        (GOOD, "stop", 3.0),
        (GOOD + "\n", "stop", 3.0),
        (GOOD, "length", 0.0),
        (START + GOOD, "stop", 0.0),
        (f"\n{START}{GOOD}", "stop", 0.0),
        (GOOD + "\nAnd another thing.", "stop", 0.0),
        (GOOD + GOOD, "stop", 0.0),
        ("", "stop", 0.0),
    ],
)
def test_exact_format(text: str, stop_reason: StopReason, score: float) -> None:
    assert ExactFormat().score_row(completion(text, stop_reason)) == score


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (GOOD, 1.5),
        (f"{CLOSE}{OPEN}{END}", 1.5),
        (f"work{END}{OPEN}34", 0.0),
        (f"work{END}34", -1.5),
        ("34", -3.0),
        (GOOD + OPEN, 0.0),
        (GOOD + GOOD, -3.0),
        (START + GOOD, 1.5),
    ],
)
def test_approximate_format(text: str, score: float) -> None:
    assert ApproximateFormat().score_row(completion(text)) == score


def test_approximate_format_pays_a_cut_completion_for_the_tags_it_holds() -> None:
    assert ApproximateFormat().score_row(completion(f"work{END}{OPEN}3", "length")) == 0.0


def test_the_opening_tag_counts_where_the_policy_writes_it() -> None:
    template = AnswerTemplate(working_opened_by_prompt=False)
    assert ApproximateFormat(template).score_row(completion(START + GOOD)) == 2.0
    assert ApproximateFormat(template).score_row(completion(GOOD)) == 0.5
    assert ExactFormat(template).score_row(completion(START + GOOD)) == 3.0
    assert ExactFormat(template).score_row(completion(GOOD)) == 0.0


def test_scores_and_names_are_arguments() -> None:
    exact = ExactFormat(score=1.0, otherwise=-0.25, name="layout")
    assert [exact.score_row(completion(text)) for text in (GOOD, "")] == [1.0, -0.25]
    approximate = ApproximateFormat(present=1.0, otherwise=0.0)
    assert approximate.score_row(completion(f"work{END}{OPEN}34")) == 2.0
    assert [term.name for term in (exact + approximate).components()] == ["layout", "approximate_format"]


# (completion, stop reason, expected answer, total of the four)
TOTALS = [
    ("best", GOOD, "stop", "34", 13.0),
    ("worst", "no tags at all", "stop", "34", -7.5),
    ("right behind a copied opening", START + GOOD, "stop", "34", 10.0),
    ("two answers", GOOD + GOOD.replace("34", "35"), "stop", "34", -1.5),
    ("cut before the tags", "work, work, work", "length", "34", -7.5),
    ("cut at its very end", GOOD, "length", "34", -3.0),
    ("trailing text on a new line", GOOD + "\nDone.", "stop", "34", 3.0),
    ("right with a unit", f"{END}{OPEN}$34{CLOSE}", "stop", "34", 3.5),
    ("hedged", f"{END}{OPEN}34 or 35{CLOSE}", "stop", "34", -1.5),
    ("comma removed", f"{END}{OPEN}2125{CLOSE}", "stop", "2,125", 11.5),
    ("within 10 percent", f"{END}{OPEN}35{CLOSE}", "stop", "34", 5.0),
    ("a lone full stop", f"{END}{OPEN}.{CLOSE}", "stop", "34", -2.5),
]


@pytest.mark.parametrize(("case", "text", "stop_reason", "answer", "total"), TOTALS, ids=[case[0] for case in TOTALS])
def test_totals_of_the_four(case: str, text: str, stop_reason: StopReason, answer: str, total: float) -> None:
    reward = ExactFormat() + ApproximateFormat() + AnswerCheck() + NumberCheck()
    scores = reward.evaluate(Completions([completion(text, stop_reason, answer)], group_size=1))
    assert list(scores.components) == ["exact_format", "approximate_format", "answer_check", "number_check"]
    assert scores.total.tolist() == [[total]]
