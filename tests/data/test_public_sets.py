"""The public sets, read by the code that reads them, from small folders of the same columns, configs and splits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from rlframework.data import GSM8K, MATH, DAPOMath, OpenR1Math
from rlframework.data.competition_math import SUBJECTS
from rlframework.tasks.tiny_tokenizer import tiny_tokenizer

Folder = Callable[..., str]


def gsm8k(i: int) -> dict[str, Any]:
    return {
        "question": f"Ann has {i} pens and buys {i} more. How many?",
        "answer": f"{i} + {i} = <<{i}+{i}={2 * i}>>{2 * i}\n#### {2 * i:,}",
    }


def test_gsm8k(hub_folder: Folder) -> None:
    train, test = [gsm8k(i) for i in range(1, 9)], [gsm8k(i) for i in (900, 901, 902)]
    path = hub_folder({config: {"train": train, "test": test} for config in ("main", "socratic")})
    data = GSM8K(path, validation_rows=2)
    assert data.rows("train")[0] == {"prompt": "Ann has 1 pens and buys 1 more. How many?", "answer": "2"}
    assert len(data.rows("train")) == 8
    golds = [row["answer"] for row in data.rows("validation")]
    assert len(golds) == 2
    assert set(golds) < {"1,800", "1,802", "1,804"}
    assert GSM8K(path, "socratic").rows("train") == data.rows("train")


def competition(i: int, subject: str) -> dict[str, Any]:
    return {
        "problem": f"In {subject}, what is $\\frac{{{i}}}{{7}}$ of 1?",
        "level": f"Level {1 + i % 5}",
        "type": subject.title(),
        "solution": f"It is $\\boxed{{\\frac{{{i}}}{{7}}}}$ of it.",
    }


def math500(i: int) -> dict[str, Any]:
    return {
        "problem": f"What is ${i}^2$?",
        "solution": f"\\boxed{{wrong on purpose: the column counts}} {i * i}",
        "answer": str(i * i),
        "subject": "Algebra",
        "level": 3,
        "unique_id": f"test/algebra/{i}.json",
    }


def test_math(hub_folder: Folder) -> None:
    train = {subject: {"train": [competition(i, subject) for i in (1, 2)], "test": []} for subject in SUBJECTS}
    path = hub_folder({subject: {"train": splits["train"]} for subject, splits in train.items()}, name="math")
    validation = hub_folder({"default": {"test": [math500(i) for i in range(2, 6)]}}, "math500", ".jsonl")
    data = MATH(path, validation_path=validation)
    assert len(data.rows("train")) == 14
    assert data.rows("train")[1] == {
        "prompt": "In algebra, what is $\\frac{2}{7}$ of 1?",
        "answer": "\\frac{2}{7}",
        "level": "Level 3",
        "type": "Algebra",
    }
    assert data.rows("validation")[0] == {
        "prompt": "What is $2^2$?",
        "answer": "4",
        "subject": "Algebra",
        "level": 3,
        "unique_id": "test/algebra/2.json",
    }
    assert len(MATH(path, ["geometry"], None, heldout_share=0).rows("train")) == 2


def dapo(i: int) -> dict[str, Any]:
    text = f"Find the integer {i}."
    return {
        "prompt": text,
        "solution": str(i),
        "data_source": "math_dapo",
        "source_prompt": [{"content": f"Solve ...\n\n{text}\n\nRemember ...", "role": "user"}],
        "ability": "MATH",
        "reward_model": {"ground_truth": str(i), "style": "rule-lighteval/MATH_v2"},
        "extra_info": {"index": f"id-{i}"},
    }


def test_dapo_math(hub_folder: Folder) -> None:
    rows = [dapo(i) for i in range(60)]
    path = hub_folder({"all": {"train": rows}, "cn": {"train": rows[:5]}, "en": {"train": rows[5:]}})
    data = DAPOMath(path, heldout_share=0.2)
    everything = data.rows("train") + data.rows("validation")
    assert len(everything) == 55
    expected = {"prompt": "Find the integer 7.", "answer": "7", "data_source": "math_dapo"}
    assert expected in everything
    assert len(DAPOMath(path, "cn", heldout_share=0).rows("train")) == 5


def openr1(i: int, question_type: str = "math-word-problem", answer: str | None = None) -> dict[str, Any]:
    return {
        "problem": f"How many of {i} are there?",
        "solution": f"All of them, $\\boxed{{{i}}}$.",
        "answer": str(i) if answer is None else answer,
        "problem_type": "Algebra",
        "question_type": question_type,
        "source": "olympiads",
        "uuid": f"uuid-{i}",
        "is_reasoning_complete": [True, False],
        "generations": ["<think>...</think>", "<think>..."],
        "correctness_math_verify": [True, False],
        "correctness_llama": None,
        "finish_reasons": None,
        "correctness_count": 1,
        "messages": [{"content": "...", "role": "user"}],
    }


@pytest.fixture
def openr1_folder(hub_folder: Folder) -> str:
    rows = [openr1(i) for i in range(20)]
    rows += [openr1(20, "MCQ", "B"), openr1(21, "proof", "proof"), openr1(22, "math-word-problem", "notfound")]
    return hub_folder({config: {"train": rows} for config in ("default", "extended", "all")})


def test_openr1_math(openr1_folder: str, caplog) -> None:
    data = OpenR1Math(openr1_folder, heldout_share=0)
    with caplog.at_level(logging.INFO):
        rows = data.rows("train")
    assert "2 of 23 train rows" in caplog.text
    assert rows[4] == {
        "prompt": "How many of 4 are there?",
        "answer": "4",
        "problem_type": "Algebra",
        "question_type": "math-word-problem",
        "source": "olympiads",
        "uuid": "uuid-4",
    }
    with pytest.warns(UserWarning, match=r"1 of 21 train rows \(4.8%\).*row 20: None"):
        assert len(data.tokenize("train", tiny_tokenizer())) == 20


def test_openr1_math_of_other_question_types(openr1_folder: str) -> None:
    choice = OpenR1Math(openr1_folder, "all", ["MCQ"], heldout_share=0)
    assert [row["answer"] for row in choice.rows("train")] == ["B"]
    everything = OpenR1Math(openr1_folder, question_types=None, heldout_share=0).rows("train")
    assert [row["answer"] for row in everything[20:]] == ["B", None, None]
