"""Sentinels and metrics come to on two processes what they come to on one."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.distributed import two_ranks

pytestmark = pytest.mark.distributed

SCRIPT = Path(__file__).with_name("measure_runs.py")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))["run"](tmp_path_factory.mktemp("one"), 1)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("two")
    return two_ranks.launch(folder, SCRIPT, folder)


def test_a_sentinel_sees_the_same_and_stops_both_ranks(one: dict[str, Any], two: list[dict[str, Any]]) -> None:
    expected = one["watch"]
    assert len(expected["lines"]) == 1
    for rank in two:
        assert rank["watch"]["steps"] == expected["steps"] == 3
        assert rank["watch"]["memory"] == expected["memory"]
        assert torch.equal(rank["watch"]["weights"], two[0]["watch"]["weights"])
    assert [len(rank["watch"]["lines"]) for rank in two] == [1, 0]


def test_metrics_of_a_validation_are_over_all_ranks(one: dict[str, Any], two: list[dict[str, Any]]) -> None:
    expected = one["hold"]
    assert expected["val/accuracy"] < expected["val/pass@2"] < 1
    assert 0 < expected["val/low"] < expected["val/accuracy"]
    assert expected["val/maj@4"] > 0
    for rank in two:
        assert rank["hold"] == pytest.approx(expected)


def test_a_paired_difference_is_of_the_prompts_of_all_ranks(one: dict[str, Any], two: list[dict[str, Any]]) -> None:
    for rank in two:
        assert rank["pairs"][:4] == one["pairs"][:4]
        assert rank["pairs"][4] == 0.5
