"""Worked solutions of OpenR1-Math, on rows of its schema."""

from __future__ import annotations

import pytest

from rlframework.data import OpenR1Demonstrations, OpenR1Math
from rlframework.data.openr1_demonstrations import shortest_right
from rlframework.rewards import AnswerTemplate
from tests.data.test_openr1_math import row


def worked(i: int, answer: str = "7", **columns) -> dict:
    generations = [f"<think>\nStep {i}.\n</think>\nSo {answer}.", f"<think>Many more steps {i}.</think> {answer}"]
    return row(i, answer, **{"generations": generations, **columns})


def test_the_working_is_the_shortest_thought_that_was_checked(hub_folder) -> None:
    rows = [
        worked(0),
        worked(1, correctness_math_verify=[False, True]),
        worked(2, correctness_math_verify=[False, False]),
        worked(3, generations=["<think>endless", "<think>endless, too"]),
        worked(4, generations=None, correctness_math_verify=None),
        worked(5, generations=["<think>I write </SOLUTION>.</think>", "<think>I do not.</think>"]),
    ]
    path = hub_folder({"default": {"train": rows}})
    found = OpenR1Demonstrations(path, heldout_share=0.0).rows("train")
    assert [one["completion"] for one in found] == [
        "Step 0.<end_working_out><SOLUTION>7</SOLUTION>",
        "Many more steps 1.<end_working_out><SOLUTION>7</SOLUTION>",
    ]
    assert not {"generations", "correctness_math_verify", "solution"} & found[0].keys()


def test_every_demonstration_is_read_back_by_the_template(hub_folder) -> None:
    template = AnswerTemplate(working_opened_by_prompt=False)
    path = hub_folder({"default": {"train": [worked(i, answer=str(i)) for i in range(20)]}})
    found = OpenR1Demonstrations(path, heldout_share=0.0, template=template).rows("train")
    assert [template.parse(one["completion"]) for one in found] == [str(i) for i in range(20)]


def test_held_out_problems_are_those_of_the_prompts_and_never_shown(hub_folder) -> None:
    path = hub_folder({"default": {"train": [worked(i) for i in range(60)]}})
    options = {"heldout_share": 0.3, "seed": 5}
    asked, shown = OpenR1Math(path, **options), OpenR1Demonstrations(path, **options)
    held_out = {one["prompt"] for one in asked.rows("validation")}
    assert held_out == {one["prompt"] for one in shown.rows("validation")}
    assert 5 < len(held_out) < 30
    assert not held_out & {one["prompt"] for one in shown.rows("train")}


def test_a_folder_without_any_is_an_error(hub_folder) -> None:
    path = hub_folder({"default": {"train": [row(0, "1")]}})
    with pytest.raises(ValueError, match="no train rows are left"):
        OpenR1Demonstrations(path, heldout_share=0.0).rows("train")


def test_thoughts_and_checks_belong_together() -> None:
    with pytest.raises(ValueError, match="zip"):
        shortest_right(["<think>a</think>"], [True, False])
