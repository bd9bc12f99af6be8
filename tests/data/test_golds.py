"""Golds that cannot be checked are found, shown and left out before anything is scored."""

from __future__ import annotations

from typing import Any

import pytest

from rlframework.data import math_gold
from rlframework.data.golds import with_readable_golds


def rows(*golds: Any) -> list[dict[str, Any]]:
    return [{"prompt": "?", "answer": gold} for gold in golds]


def test_they_are_left_out_with_a_count_a_share_and_three_examples() -> None:
    golds = ["1", None, "2", "", "3", "?", "see above " * 30, "4"]
    message = (
        r"4 of 8 train rows \(50.0%\) have a gold that the verifier cannot read: row 1: None; row 3: ''; "
        r"row 5: '\?'\. They were left out"
    )
    with pytest.warns(UserWarning, match=message):
        kept = with_readable_golds(rows(*golds), math_gold, "answer", "train")
    assert [row["answer"] for row in kept] == ["1", "2", "3", "4"]


def test_a_long_gold_is_shown_shortened() -> None:
    with pytest.warns(UserWarning, match="1 of 2 train rows") as warnings:
        with_readable_golds(rows("1", "see above " * 30), math_gold, "answer", "train")
    assert "see above" in str(warnings[0].message)
    assert len(str(warnings[0].message)) < 250


def test_if_none_can_be_read_nothing_starts() -> None:
    with pytest.raises(ValueError, match=r"2 of 2 validation rows \(100.0%\).*is 'answer' the column of the gold"):
        with_readable_golds(rows("?", None), math_gold, "answer", "validation")


def test_readable_golds_make_no_noise(recwarn: pytest.WarningsRecorder) -> None:
    assert with_readable_golds(rows("1", r"\frac{1}{2}"), math_gold, "answer", "train") == rows("1", r"\frac{1}{2}")
    assert not recwarn.list


def test_numbers_are_asked_about_as_text() -> None:
    asked = []

    def verifier(gold: str) -> bool:
        asked.append(gold)
        return True

    with_readable_golds(rows(7, 0.5, "x"), verifier, "answer", "train")
    assert asked == ["7", "0.5", "x"]


def test_every_missing_gold_is_counted_and_no_verifier_is_asked_about_it() -> None:
    golds = [None, float("nan"), " ", [], {"x": 1}, [[1], [2, 3]], b"\xff", float("inf")]
    asked: list[str] = []
    with pytest.warns(
        UserWarning, match=r"8 of 10 train rows \(80.0%\) have a gold .* row 0: None; row 1: nan; row 2: ' '"
    ):
        kept = with_readable_golds(
            rows(*golds, ["2", "-3"], 1e-05), lambda gold: asked.append(gold) is None, "answer", "train"
        )
    assert [row["answer"] for row in kept] == [["2", "-3"], 1e-05]
    assert asked == ["2, -3", "0.00001"]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(KeyError, match="row 0 has no column 'gold'; its columns are: answer, prompt"):
        with_readable_golds(rows("1"), math_gold, "gold", "train")
