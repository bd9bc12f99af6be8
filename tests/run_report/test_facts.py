"""Facts of a run: how it ended, what it took, and what is said where something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlframework.run_report.facts import RunFacts
from rlframework.runs import RunFolder
from tests.run_report.made_runs import made_run, write_lines


def facts(folder: Path) -> RunFacts:
    return RunFacts(RunFolder(folder))


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        (["start", "end"], ("finished", "good")),
        (["start", "warning"], ("still going on, or was killed", "warn")),
        (["start", "exception"], ("ended by KeyboardInterrupt", "bad")),
        (["start", "exception", "resume", "end"], ("finished", "good")),
        ([], ("no record of how it ended", "")),
    ],
)
def test_the_status_is_that_of_the_last_start(tmp_path: Path, kinds: list[str], status: tuple[str, str]) -> None:
    folder = made_run(tmp_path / "run")
    sources = {"exception": "KeyboardInterrupt"}
    write_lines(
        folder / "events.jsonl",
        ({"kind": kind, "source": sources.get(kind, "Trainer"), "message": ""} for kind in kinds),
    )
    assert facts(folder).status == status


def test_time_is_split_and_the_rest_is_named(tmp_path: Path) -> None:
    run = facts(made_run(tmp_path / "run"))
    split = run.time_split
    assert sum(split.values()) == pytest.approx(run.seconds) == pytest.approx(130)
    assert split["rollouts"] == pytest.approx(sum(run.figures["train/rollout_seconds"][1]))
    assert "validation and the rest" in split


def test_without_a_summary_time_is_that_of_the_events(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    (folder / "summary.json").unlink()
    assert facts(folder).seconds == 180


def test_without_a_table_the_cards_are_of_the_validations(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    (folder / "evaluations.jsonl").unlink()
    card = facts(folder).cards[0]
    assert (card.label, card.figure) == ("held-out accuracy", "0.2 → 0.95")


def test_a_worse_policy_is_no_good_news(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    lines = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]
    write_lines(folder / "evaluations.jsonl", lines[40:] + lines[:40])
    card = facts(folder).cards[0]
    assert (card.figure, card.mood) == ("0.800 → 0.250", "bad")
