from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger

from rlframework.algorithms import GRPO
from rlframework.callbacks import RolloutWriter
from rlframework.completions import Completion
from rlframework.rewards.base import RowReward

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_one_line_per_completion(grpo: Make, fit: Fit, recorder: Any, tmp_path: Path) -> None:
    fit(grpo(minibatches_per_rollout=2), prompts=8, callbacks=[recorder, RolloutWriter(tmp_path / "new" / "records")])
    records = lines(tmp_path / "new" / "records" / "rollouts.jsonl")
    assert len(records) == 2 * 16
    for number, collected in enumerate(recorder.collected):
        for row, completion in enumerate(collected.completions):
            group, place = divmod(row, 4)
            scores = {name: values[group, place].item() for name, values in collected.scores.components.items()}
            assert records[16 * number + row] == {
                "rollout": number,
                "prompt_index": completion.prompt.index,
                "prompt": completion.prompt.text,
                "completion": completion.text,
                "completion_ids": completion.ids,
                "stop_reason": completion.stop_reason,
                "reward": collected.scores.total[group, place].item(),
                "rewards": scores,
                "details": {},
                "advantage": collected.rollout.advantages[row].item(),
            }
    assert len({record["advantage"] for record in records}) > 8


def test_an_abstention_is_null(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    class Sometimes(RowReward):
        def score_row(self, completion: Completion) -> float | None:
            return None if completion.ids[0] % 2 else 1.0

    fit(grpo(reward=Sometimes()), max_steps=1, callbacks=[RolloutWriter(tmp_path)])
    records = lines(tmp_path / "rollouts.jsonl")
    expected = [None if record["completion_ids"][0] % 2 else 1.0 for record in records]
    assert set(expected) == {None, 1.0}
    assert [record["reward"] for record in records] == expected
    assert [record["rewards"]["sometimes"] for record in records] == expected


def test_it_writes_beside_the_log(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    trainer = fit(grpo(), max_steps=1, logger=CSVLogger(tmp_path), callbacks=[RolloutWriter()])
    assert {path.name for path in Path(trainer.log_dir).iterdir()} == {"metrics.csv", "rollouts.jsonl"}


def test_without_a_logger_it_writes_to_the_root_folder(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    fit(grpo(), max_steps=1, callbacks=[RolloutWriter()])
    assert len(lines(tmp_path / "rollouts.jsonl")) == 16


def test_another_run_appends(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    for _ in range(2):
        fit(grpo(), max_steps=1, callbacks=[RolloutWriter(tmp_path)])
    assert len(lines(tmp_path / "rollouts.jsonl")) == 32


def test_a_fast_dev_run_leaves_no_file(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    fit(grpo(), fast_dev_run=True, callbacks=[RolloutWriter()])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_stops_the_run_before_it_starts(
    grpo: Make, fit: Fit, recorder: Any, tmp_path: Path
) -> None:
    # Below a file and not below a folder without permission: root may write anywhere.
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError, match=r"cannot write to .*file/records.*choose another"):
        fit(grpo(), callbacks=[recorder, RolloutWriter(tmp_path / "file" / "records")])
    assert recorder.events == []
