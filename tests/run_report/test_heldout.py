"""Held-out answers read again give the figures of the evaluation that wrote them, and paired differences."""

from __future__ import annotations

import pytest
import torch

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.report.evaluation import Evaluation
from rlframework.report.samples import samples
from rlframework.rewards.math.answer_reader import AnswerReader
from rlframework.run_report.heldout import changes_of, evaluations_of, measures_of, pages_of

RIGHT = {"before": [[1, 0], [0, 0], [0, 1]], "after": [[1, 1], [1, 1], [0, float("nan")]]}


def evaluation(name: str) -> Evaluation:
    scores = torch.tensor(RIGHT[name], dtype=torch.float32)
    rows = [
        Completion(Prompt([1], f"{place}?", {"answer": "7"}, place), [1, 2], "7" if score == 1 else "8", "stop")
        for place, group in enumerate(RIGHT[name])
        for score in group
    ]
    return Evaluation(name, Completions(rows, 2), {"accuracy": scores})


def lines(name: str) -> list[dict[str, object]]:
    one = evaluation(name)
    return list(samples(one.completions, one.scores, None))


def test_what_was_written_down_gives_the_same_figures() -> None:
    for name, read in zip(RIGHT, evaluations_of({name: lines(name) for name in RIGHT}), strict=True):
        assert read.name == name
        assert measures_of(read) == evaluation(name).figures(AnswerReader())
        assert (read.n, read.length) == (6, 2)


def test_a_problem_that_was_cut_short_is_left_out() -> None:
    (read,) = evaluations_of({"before": lines("before")[:-1]})
    assert read.n == 4
    assert evaluations_of({"before": []}) == []


def test_differences_are_paired_by_problem_in_any_order() -> None:
    read = evaluations_of({"before": lines("before"), "after": lines("after")[::-1]})
    (change,) = changes_of(read, [(0, 1)])
    # 0.5 to 1, 0 to 1, and 0.5 to 0, as the other answer has no score.
    assert change.mean == pytest.approx((0.5 + 1 - 0.5) / 3)
    assert (change.problems, change.gained, change.lost) == (3, 2, 1)
    assert change.interval[0] < change.mean < change.interval[1]
    assert changes_of(evaluations_of({"a": lines("before")[:2], "b": lines("after")[4:]}), [(0, 1)]) == []


def test_the_page_has_every_problem_once_with_the_answers_of_all_rows() -> None:
    page = pages_of({"before": lines("before"), "after": lines("after")[:4]})
    assert page is not None
    assert [problem["prompt"] for problem in page["problems"]] == ["0?", "1?", "2?"]
    before, after = page["rows"]
    assert [answer["scores"] for answer in before["answers"][0]] == [[1.0], [0.0]]
    assert after["answers"][2] == []
    assert pages_of({}) is None
