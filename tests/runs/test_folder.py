"""RunFolder: a run is read whole, half written, resumed, from several ranks, or from the folder above it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from rlframework.runs import RunFolder


def test_the_newest_run_below_a_folder_is_taken_and_a_folder_without_one_is_refused(tmp_path: Path) -> None:
    for number, age in ((0, 100), (1, 50), (2, 70)):
        metrics = tmp_path / "mine" / f"version_{number}" / "metrics.csv"
        metrics.parent.mkdir(parents=True)
        metrics.write_text("step,loss\n0,1\n")
        os.utime(metrics, (1e9 - age, 1e9 - age))
    for above in (tmp_path, tmp_path / "mine"):
        assert RunFolder(above).path.name == "version_1"
    assert RunFolder(tmp_path / "mine" / "version_0").path.name == "version_0"
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"metrics\.csv"):
        RunFolder(tmp_path / "empty")
    assert RunFolder(tmp_path / "mine" / "version_0").rollouts() == []


def test_half_lines_and_missing_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,val/accuracy\r\n0,0.25\r\n1,0.5\r\n1,0.75\r\n12,0.")
    (tmp_path / "events.jsonl").write_text('{"kind": "start"}\n[1]\n{"kind": "wa')
    (tmp_path / "run.json").write_text('{"sta')
    rows = [json.dumps({"rollout": number, "attempt": 1}) for number in (0, 1)]
    (tmp_path / "rollouts-0.jsonl").write_text("\n".join([*rows, rows[1][:9]]))
    (tmp_path / "rollouts-1.jsonl").write_text(rows[0] + "\n")
    run = RunFolder(tmp_path)
    assert run.figures() == {"val/accuracy": ([1, 2], [0.25, 0.75])}
    assert run.events() == [{"kind": "start"}]
    assert [row["rollout"] for row in run.rollouts()] == [0, 0, 1]
    assert run.settings == run.summary == run.evaluations() == {}


def test_checkpoints_are_known_by_their_names_or_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "summary.json").write_text('{"n": 1}')
    torch.save({"global_step": 7}, tmp_path / "last.ckpt")
    torch.save({"global_step": 9}, tmp_path / "checkpoints" / "epoch=0-step=5.ckpt")
    (tmp_path / "checkpoints" / "broken.ckpt").write_bytes(b"nothing")
    (tmp_path / "checkpoints" / "shards.ckpt").mkdir()
    torch.save({"global_step": 6}, tmp_path / "checkpoints" / "shards.ckpt" / "meta.pt")
    found = [(step, path.name) for step, path in RunFolder(tmp_path).checkpoints()]
    assert found == [(5, "epoch=0-step=5.ckpt"), (6, "shards.ckpt"), (7, "last.ckpt")]


def test_held_out_completions_are_kept_apart_by_the_name_of_their_row(tmp_path: Path) -> None:
    lines = [{"name": "base", "prompt_index": 0}, {"name": "+ GRPO", "prompt_index": 0}, {"name": "base"}]
    (tmp_path / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "summary.json").write_text("{}")
    assert {name: len(rows) for name, rows in RunFolder(tmp_path).evaluations().items()} == {"base": 2, "+ GRPO": 1}
