from __future__ import annotations

import json
import math
import resource
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.strategies import SingleDeviceStrategy

from rlframework.algorithms import GRPO
from rlframework.callbacks import RolloutWriter, read_rollouts, read_run, rollout_writer
from rlframework.completions import Completion
from rlframework.data import PromptDataModule
from rlframework.rewards.base import RowReward
from rlframework.samplers import BatchedSampler
from rlframework.testing import letter_rows

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
                "attempt": 1,
                "step": 2 * number,
                "prompt_index": completion.prompt.index,
                "row": completion.prompt.row,
                "prompt": completion.prompt.text,
                "completion": completion.text,
                "completion_ids": completion.ids,
                "stop_reason": completion.stop_reason,
                "reward": collected.scores.total[group, place].item(),
                "rewards": scores,
                "details": {},
                "advantage": collected.rollout.advantages[row].item(),
                # The second step compares with them; a number of float32 is told by nine digits.
                "logprobs": pytest.approx(completion.logprobs, rel=1e-8),
            }
    assert len({record["advantage"] for record in records}) > 8
    assert all(record["row"]["answer"] in "abcdefgh" for record in records)
    assert read_rollouts(tmp_path / "new" / "records" / "rollouts.jsonl") == records


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
    assert {path.name for path in Path(trainer.log_dir).iterdir()} == {"hparams.yaml", "metrics.csv", "rollouts.jsonl"}


def test_without_a_logger_it_writes_to_the_root_folder(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    fit(grpo(), max_steps=1, callbacks=[RolloutWriter()])
    assert len(lines(tmp_path / "rollouts.jsonl")) == 16


def test_another_run_appends(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    for _ in range(2):
        fit(grpo(), max_steps=1, callbacks=[RolloutWriter(tmp_path)])
    assert [record["attempt"] for record in lines(tmp_path / "rollouts.jsonl")] == [1] * 16 + [2] * 16
    assert [record["attempt"] for record in read_rollouts(tmp_path / "rollouts.jsonl")] == [2] * 16


@pytest.fixture
def stopped(grpo: Make, fit: Fit, tmp_path: Path) -> Callable[[int], bytes]:
    """Return a run of 4 rollouts that leaves its file and the checkpoint of each step; it returns the file."""

    def run() -> bytes:
        saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
        fit(grpo(), callbacks=[saver, RolloutWriter(tmp_path)], enable_checkpointing=True)
        return (tmp_path / "rollouts.jsonl").read_bytes()

    return run


@pytest.mark.parametrize("lost", [1, 700, 10_000])
def test_a_resumed_run_does_not_repeat_what_is_there(
    stopped: Callable[[], bytes], lost: int, grpo: Make, fit: Fit, tmp_path: Path
) -> None:
    whole, path = stopped(), tmp_path / "rollouts.jsonl"
    assert len(whole) > 15_000  # so that all of `lost` is of rollouts that the resumed run makes again
    path.write_bytes(whole[: len(whole) - lost])
    with pytest.warns(UserWarning, match="half a line of") if lost > 1 else nullcontext():
        fit(grpo(), ckpt_path=str(tmp_path / "step=1.ckpt"), callbacks=[RolloutWriter(tmp_path)])
    assert path.read_bytes() == whole


def test_what_a_resumed_run_makes_otherwise_is_the_next_attempt(
    stopped: Callable[[], bytes], grpo: Make, fit: Fit, tmp_path: Path
) -> None:
    whole, path = stopped(), tmp_path / "rollouts.jsonl"
    other = grpo(sampler=BatchedSampler(group_size=4, max_tokens=4, seed=5))
    fit(other, ckpt_path=str(tmp_path / "step=1.ckpt"), callbacks=[RolloutWriter(tmp_path)], max_steps=3)
    assert path.read_bytes().startswith(whole)
    made = [(record["rollout"], record["attempt"]) for record in lines(path)]
    assert made == [(0, 1)] * 16 + [(1, 1)] * 16 + [(2, 1)] * 16 + [(3, 1)] * 16 + [(1, 2)] * 16 + [(2, 2)] * 16
    # Rollout 3 was of the run that is not gone on with.
    learned = [(record["rollout"], record["attempt"]) for record in read_rollouts(path)]
    assert learned == [(0, 1)] * 16 + [(1, 2)] * 16 + [(2, 2)] * 16


def test_each_rollout_is_of_the_ranks_that_learned_from_it_last(
    stopped: Callable[[], bytes], grpo: Make, fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resumed(after: int, ranks: int, until: int) -> None:
        for rank in range(ranks):
            writer = RolloutWriter(tmp_path)
            with monkeypatch.context() as patch:
                patch.setattr(rollout_writer, "replica", lambda trainer, rank=rank: (rank, ranks))
                # A rank knows of the others what rank 0 has seen before any of them wrote.
                patch.setattr(SingleDeviceStrategy, "broadcast", lambda self, seen, src=0: history or seen)
                fit(grpo(), ckpt_path=str(tmp_path / f"step={after}.ckpt"), callbacks=[writer], max_steps=until)
            history[:] = writer._ranks

    def learned() -> list[list[int]]:
        return [[len(rank) for rank in ranks] for ranks in read_run(tmp_path).values()]

    history: list[int] = []
    stopped()
    assert learned() == [[16], [16], [16], [16]]
    (tmp_path / "rollouts-x.jsonl").write_text("no file of a rank\n")
    resumed(after=1, ranks=2, until=3)
    assert learned() == [[16], [16, 16], [16, 16]]
    resumed(after=2, ranks=1, until=3)
    assert learned() == [[16], [16, 16], [16]]
    # On as many ranks as before, what comes out the same is not repeated.
    before = (tmp_path / "rollouts.jsonl").read_bytes()
    resumed(after=2, ranks=1, until=4)
    assert (tmp_path / "rollouts.jsonl").read_bytes().startswith(before)
    assert learned() == [[16], [16, 16], [16], [16]]
    assert [row.get("ranks") for row in lines(tmp_path / "rollouts.jsonl")] == [None] * 64 + [[1, 2, 1]] * 32
    assert [row["ranks"] for row in lines(tmp_path / "rollouts-1.jsonl")] == [[1, 2]] * 32


def test_half_a_line_is_left_out_by_readers_who_say_so(stopped: Callable[[], bytes], tmp_path: Path) -> None:
    whole, path = stopped(), tmp_path / "rollouts.jsonl"
    path.write_bytes(whole[:-100])
    with pytest.warns(UserWarning, match=r"of 64 lines 1 cannot be read: 64 \(the last is half a line\); left out"):
        assert len(read_rollouts(path)) == 63


def test_a_full_disk_costs_a_rollout_and_no_half_line_stays(
    grpo: Make, fit: Fit, recorder: Any, tmp_path: Path
) -> None:
    path, before = tmp_path / "rollouts.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, before[1]))
    try:
        with pytest.warns(UserWarning, match=r"rollout 3 could not be .*File too large.* 16 completions .*goes on"):
            fit(grpo(), callbacks=[RolloutWriter(tmp_path), recorder])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(recorder.collected) == 4
    written = lines(path)
    assert path.read_bytes().endswith(b"\n")
    assert 0 < len(written) < 64
    assert len(written) % 16 == 0


def test_whatever_a_row_holds_becomes_json(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    odd = {
        "nan": math.nan,
        "inf": math.inf,
        "array": np.arange(2),
        "tensor": torch.ones(1),
        "set": {1},
        "object": Path("x"),
    }
    row = {**letter_rows(1)[0], "odd": odd, "half": "\ud800"}
    data = PromptDataModule([row] * 4)
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False, callbacks=[RolloutWriter(tmp_path)]
    )
    trainer.fit(grpo(), data)
    [read] = {json.dumps(record["row"]) for record in lines(tmp_path / "rollouts.jsonl")}
    plain = {"nan": None, "inf": "inf", "array": [0, 1], "tensor": [1.0], "set": [1], "object": "x"}
    assert json.loads(read) == {**letter_rows(1)[0], "odd": plain, "half": "\ud800"}


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
