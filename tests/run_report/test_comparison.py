"""Several runs: names that tell them apart, settings that differ, and differences on common problems."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlframework.run_report.comparison import answers_of_runs, different_settings, distinct_names, final_changes
from rlframework.run_report.facts import RunFacts
from rlframework.runs import RunFolder
from tests.run_report.made_runs import made_run


@pytest.fixture
def runs(tmp_path: Path) -> list[RunFacts]:
    folders = [made_run(tmp_path / name, learning_rate=rate) for name, rate in (("a", 1e-3), ("b", 2e-3))]
    return [RunFacts(RunFolder(folder), folder.name) for folder in folders]


def test_settings_that_differ_and_no_others(runs: list[RunFacts]) -> None:
    assert different_settings(runs) == [("algorithm.learning_rate", ["0.001", "0.002"])]


def test_a_setting_that_one_run_has_not_differs(runs: list[RunFacts]) -> None:
    del runs[1].settings["algorithm"]["init_args"]["seed"]
    assert ("algorithm.seed", ["3", None]) in different_settings(runs)


def test_ends_are_compared_with_that_of_the_first_run(runs: list[RunFacts]) -> None:
    (accuracy, layout) = final_changes(runs)
    assert (accuracy.before, accuracy.after, accuracy.mean, accuracy.problems) == ("a", "b", 0.0, 40)
    assert layout.measure == "format"


def test_the_last_rows_of_the_runs_come_last(runs: list[RunFacts]) -> None:
    assert list(answers_of_runs(runs)) == ["a: base", "b: base", "a: + GRPO", "b: + GRPO"]


def test_names_are_as_long_as_they_have_to_be() -> None:
    assert distinct_names([("r", "a", "v0"), ("r", "a", "v1")]) == ["a/v0", "a/v1"]
    assert distinct_names([("x", "a", "v0"), ("y", "a", "v0")]) == ["x/a/v0", "y/a/v0"]
    with pytest.raises(ValueError, match="given twice"):
        distinct_names([("r", "a"), ("r", "a")])
