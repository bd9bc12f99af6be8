"""OpenR1-Math: which rows are kept, and what they become."""

import pytest

from rlframework.data import OpenR1Math
from rlframework.testing import letter_tokenizer


def row(problem, answer, kind="math-word-problem", **more):
    return {
        "problem": problem,
        "solution": "long",
        "answer": answer,
        "problem_type": "Algebra",
        "question_type": kind,
        "source": "olympiads",
        "uuid": f"id-{problem}",
        "is_reasoning_complete": [True],
        "generations": ["<think>long</think>"],
        "correctness_math_verify": [True],
        **more,
    }


ROWS = [row(f"problem {n}", str(n)) for n in range(60)]
ODD = [
    row("which", "C", "MCQ"),
    row("prove", "proof", "proof"),
    row("lost", "NotFound"),
    row("what", "?"),
    row("half", r"\frac{1}{2}"),
]


def test_only_word_problems_with_their_gold_unless_asked_for_more(hub_folder):
    path = hub_folder({"default": {"train": ODD}})
    rows = OpenR1Math(path, heldout_share=0).rows("train")
    assert [(found["prompt"], found["answer"]) for found in rows] == [
        ("lost", None),
        ("what", "?"),
        ("half", r"\frac{1}{2}"),
    ]
    assert rows[0].keys() == {"prompt", "answer", "problem_type", "question_type", "source", "uuid"}
    more = OpenR1Math(path, question_types=["MCQ", "proof"], heldout_share=0).rows("train")
    assert [(found["prompt"], found["answer"]) for found in more] == [("which", "C"), ("prove", None)]
    assert len(OpenR1Math(path, question_types=None, heldout_share=0).rows("train")) == 5


def test_golds_that_cannot_be_checked_are_named_and_never_reach_a_prompt(hub_folder):
    path = hub_folder({"default": {"train": ODD}})
    data = OpenR1Math(path, heldout_share=0, template=None)
    with pytest.warns(UserWarning, match=r"2 of 3 train rows \(66.7%\).*row 0: None; row 1: '\?'"):
        prompts = data.tokenize("train", letter_tokenizer())
    assert [prompt.row["answer"] for prompt in prompts] == [r"\frac{1}{2}"]


def test_a_share_of_the_problems_is_held_out_whatever_else_there_is(hub_folder):
    half = OpenR1Math(hub_folder({"default": {"train": ROWS[:30]}}, name="half"), heldout_share=0.3)
    whole = OpenR1Math(hub_folder({"default": {"train": ROWS}}, name="whole"), heldout_share=0.3)
    sides = {split: {found["prompt"] for found in whole.rows(split)} for split in ("train", "validation")}
    assert not sides["train"] & sides["validation"]
    assert len(sides["train"] | sides["validation"]) == 60
    assert 8 <= len(sides["validation"]) <= 28
    assert {found["prompt"] for found in half.rows("validation")} == {
        name for name in sides["validation"] if int(name.split()[1]) < 30
    }


def test_configurations_are_those_of_the_set(hub_folder):
    path = hub_folder({"default": {"train": ROWS[:3]}, "extended": {"train": ROWS[3:5]}})
    assert len(OpenR1Math(path, config="extended", heldout_share=0).rows("train")) == 2
