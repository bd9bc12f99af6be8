"""MATH and MATH-500, on rows of their schemas."""

from __future__ import annotations

from typing import Any

from rlframework.data import MATH


def boxed(i: int, kind: str = "Algebra") -> dict[str, Any]:
    return {
        "problem": f"Half of {i}?",
        "level": "Level 1",
        "type": kind,
        "solution": rf"It is $\boxed{{1}}$, or rather $\boxed{{\frac{{{i}}}{{2}}}}$.",
    }


def answered(i: int) -> dict[str, Any]:
    return {
        "problem": f"Half of {i}?",
        "solution": r"Not this: $\boxed{0}$.",
        "answer": rf"\frac{{{i}}}{{2}}",
        "subject": "Algebra",
        "level": 1,
        "unique_id": f"test/algebra/{i}.json",
    }


def test_boxes_for_training_and_answers_for_validation(hub_folder) -> None:
    train = hub_folder({"algebra": {"train": [boxed(3)]}, "geometry": {"train": [boxed(5, "Geometry")]}}, name="math")
    held_out = hub_folder({"default": {"test": [answered(7)]}}, name="math500")
    data = MATH(train, ["algebra", "geometry"], held_out)
    assert data.rows("train") == [
        {"prompt": "Half of 3?", "answer": r"\frac{3}{2}", "level": "Level 1", "type": "Algebra"},
        {"prompt": "Half of 5?", "answer": r"\frac{5}{2}", "level": "Level 1", "type": "Geometry"},
    ]
    assert data.rows("validation") == [
        {
            "prompt": "Half of 7?",
            "answer": r"\frac{7}{2}",
            "subject": "Algebra",
            "level": 1,
            "unique_id": "test/algebra/7.json",
        }
    ]


def test_a_problem_of_math_500_is_not_trained_on(hub_folder) -> None:
    train = hub_folder({"algebra": {"train": [boxed(3), boxed(7)]}}, name="math")
    held_out = hub_folder({"default": {"test": [answered(7)]}}, name="math500", ending=".jsonl")
    assert [row["prompt"] for row in MATH(train, ["algebra"], held_out).rows("train")] == ["Half of 3?"]


def test_a_single_set_holds_out_a_share_of_its_own(hub_folder) -> None:
    path = hub_folder({"default": {"train": [boxed(i) for i in range(100)]}})
    data = MATH(path, configs=(), validation_path=None, heldout_share=0.2)
    assert len(data.rows("train")) + len(data.rows("validation")) == 100
    assert data.rows("validation")
