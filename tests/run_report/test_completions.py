"""Completions as columns: whole groups are thinned, long texts cut, and the page is told of both."""

from __future__ import annotations

from random import Random

from rlframework.run_report.completions import completion_columns
from tests.run_report.made_runs import completion, episode


def test_every_completion_is_there_where_they_fit() -> None:
    rows = [completion(number, Random(number), 12) for number in range(64)]
    columns = completion_columns(rows)
    assert columns is not None
    assert (columns["of"], columns["every"], columns["cut"]) == (64, 1, None)
    assert columns["text"] == [row["completion"] for row in rows]
    assert columns["reward"] == [row["reward"] for row in rows]
    assert columns["rewards"][columns["terms"].index("right")] == [row["rewards"]["right"] for row in rows]
    assert [columns["prompts"][place]["index"] for place in columns["prompt"]] == [number // 8 for number in range(64)]
    assert columns["tokens"] == [12] * 64
    assert completion_columns([]) is None


def test_too_many_are_thinned_by_whole_groups() -> None:
    columns = completion_columns([completion(number, Random(0), 3) for number in range(64)], most=20)
    assert columns is not None
    assert (columns["of"], columns["every"]) == (64, 4)
    assert [prompt["index"] for prompt in columns["prompts"]] == [0, 4]
    assert len(columns["text"]) == 16


def test_long_texts_are_cut_in_their_middle_and_short_ones_stay() -> None:
    rows = [completion(number, Random(0), words) for number, words in ((40, 500), (41, 2), (42, 500))]
    columns = completion_columns(rows, characters=1000)
    assert columns is not None
    long, short, _ = (row["completion"] for row in rows)
    assert columns["text"][1] == short
    half = columns["cut"] // 2
    assert columns["text"][0].startswith(long[:half])
    assert columns["text"][0].endswith(long[-half:])
    assert f"{len(long) - 2 * half:,} characters left out" in columns["text"][0]
    assert 900 < sum(min(len(row["completion"]), columns["cut"]) for row in rows) <= 1000


def test_an_episode_keeps_who_said_what() -> None:
    columns = completion_columns([episode(40, Random(0))])
    assert columns is not None
    assert [turn["by"] for turn in columns["turns"][0]] == ["policy", "environment", "policy"]
    assert columns["tokens"] == [7]
