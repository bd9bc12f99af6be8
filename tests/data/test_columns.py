"""Rows of any layout become rows with a prompt and an answer."""

from __future__ import annotations

from typing import Any

import pytest

from rlframework.data import ColumnMap, after_hashes

ROW = {"question": "3 + 4?", "answer": "It is 7.\n#### 7", "level": 2, "url": "-"}


def test_the_gold_is_split_off_and_the_rest_left_out() -> None:
    assert ColumnMap("question", "answer", after_hashes)(ROW) == {"prompt": "3 + 4?", "answer": "7"}


def test_columns_are_kept_as_asked() -> None:
    columns = ColumnMap("question", "answer", after_hashes, keep=("level",))
    assert columns(ROW) == {"prompt": "3 + 4?", "answer": "7", "level": 2}
    everything = ColumnMap("question", "answer", after_hashes, keep=None)
    assert everything(ROW) == {"prompt": "3 + 4?", "answer": "7", "level": 2, "url": "-"}


def test_a_column_in_the_place_of_the_gold_does_not_win() -> None:
    row = {"prompt": "3 + 4?", "solution": "7", "answer": "a worked one"}
    assert ColumnMap("prompt", "solution", keep=None)(row) == {"prompt": "3 + 4?", "answer": "7"}
    assert ColumnMap("prompt", "solution", keep=("answer",))(row) == {"prompt": "3 + 4?", "answer": "7"}


@pytest.mark.parametrize(
    ("value", "gold"),
    [
        ("  1,250 ", "1,250"),
        (34, "34"),
        (34.0, "34"),
        (-0.5, "-0.5"),
        (" ", None),
        (None, None),
        (float("nan"), None),
        ([1, 2], [1, 2]),
        (True, True),
    ],
)
def test_a_gold_is_text_or_what_it_was(value: Any, gold: Any) -> None:
    assert ColumnMap("q", "a")({"q": "?", "a": value})["answer"] == gold


def test_a_splitter_that_finds_nothing_gives_none() -> None:
    assert ColumnMap("q", "a", after_hashes)({"q": "?", "a": "It is 7."})["answer"] is None


def test_a_missing_column_names_those_there_are() -> None:
    with pytest.raises(KeyError, match="no column 'problem', 'level'; its columns are: question, answer"):
        ColumnMap("problem", "answer", keep=("level",)).check(["question", "answer"])
    ColumnMap("question", "answer", keep=None).check(["question", "answer"])


def test_it_reads_no_more_than_it_needs() -> None:
    there = ["problem", "generations", "answer", "level"]
    assert ColumnMap("problem", "answer", keep=("level",)).columns(there) == ["problem", "answer", "level"]
    assert ColumnMap("problem", "answer", keep=None).columns(there) == there
