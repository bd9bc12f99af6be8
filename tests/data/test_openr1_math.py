"""OpenR1-Math-220k, on rows of its schema."""

from __future__ import annotations

from typing import Any

import pytest

from rlframework.data import OpenR1Math
from rlframework.testing import letter_tokenizer


def row(i: int, answer: str | None, question_type: str = "math-word-problem", **columns: Any) -> dict[str, Any]:
    return {
        "problem": f"What is {i} + 1?",
        "solution": "A solution that is not read.",
        "answer": answer,
        "problem_type": "Algebra",
        "question_type": question_type,
        "source": "olympiads",
        "uuid": f"u{i}",
        "is_reasoning_complete": [True, False],
        "generations": ["<think>long", "<think>longer"],
        "correctness_math_verify": [True, False],
        "correctness_llama": None,
        "finish_reasons": ["stop", "length"],
        "correctness_count": 1,
        "messages": [{"role": "user", "content": "What?"}],
        **columns,
    }


ROWS = [row(0, "1"), row(1, "proof", "proof"), row(2, "B", "MCQ"), row(3, r"\frac{1}{2}"), row(4, "notfound")]


def test_word_problems_with_their_answers(hub_folder) -> None:
    path = hub_folder({"default": {"train": ROWS}, "extended": {"train": [row(9, "10")]}})
    rows = OpenR1Math(path, heldout_share=0).rows("train")
    assert rows[0] == {
        "prompt": "What is 0 + 1?",
        "answer": "1",
        "problem_type": "Algebra",
        "question_type": "math-word-problem",
        "source": "olympiads",
        "uuid": "u0",
    }
    assert [row["answer"] for row in rows] == ["1", r"\frac{1}{2}", None]
    assert OpenR1Math(path, "extended", heldout_share=0).rows("train")[0]["uuid"] == "u9"


@pytest.mark.parametrize(
    ("types", "answers"), [(["MCQ"], ["B"]), (["proof"], [None]), (None, ["1", None, "B", r"\frac{1}{2}", None])]
)
def test_question_types_are_kept_as_asked(hub_folder, types: list[str] | None, answers: list[str | None]) -> None:
    path = hub_folder({"default": {"train": ROWS}})
    rows = OpenR1Math(path, question_types=types, heldout_share=0).rows("train")
    assert [row["answer"] for row in rows] == answers


def test_a_type_that_does_not_occur_is_no_silent_empty_run(hub_folder) -> None:
    with pytest.raises(ValueError, match="no train rows are left"):
        OpenR1Math(hub_folder({"default": {"train": ROWS}}), question_types=["riddle"], heldout_share=0).rows("train")


def test_an_answer_that_was_not_found_is_reported_and_not_scored(hub_folder) -> None:
    data = OpenR1Math(hub_folder({"default": {"train": ROWS}}), heldout_share=0, structured=False)
    with pytest.warns(UserWarning, match=r"1 of 3 train rows \(33.3%\).*row 2: None"):
        prompts = data.tokenize("train", letter_tokenizer())
    assert [prompt.column("answer") for prompt in prompts] == ["1", r"\frac{1}{2}"]
