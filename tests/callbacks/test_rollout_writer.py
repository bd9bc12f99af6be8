from __future__ import annotations

import json
import math
import resource
import time
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
                patch.setattr(rollout_writer, "replica_rank", lambda trainer, rank=rank: (rank, ranks))
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


def test_after_what_came_out_otherwise_all_is_written_again(
    stopped: Callable[[], bytes], grpo: Make, fit: Fit, tmp_path: Path
) -> None:
    # Rollouts 2 and 3 come out as before; but they stand before the new rollout 1, where they are of the old run.
    whole, path = stopped(), tmp_path / "rollouts.jsonl"
    path.write_bytes(whole.replace(b'"rollout": 1, "attempt": 1, "step": 1', b'"rollout": 1, "attempt": 1, "step": 0'))
    fit(grpo(), ckpt_path=str(tmp_path / "step=1.ckpt"), callbacks=[RolloutWriter(tmp_path)])
    learned = [(record["rollout"], record["attempt"]) for record in read_rollouts(path)]
    assert learned == [(0, 1)] * 16 + [(1, 2)] * 16 + [(2, 2)] * 16 + [(3, 2)] * 16
    # Resumed once more, all is there.
    before = path.read_bytes()
    fit(grpo(), ckpt_path=str(tmp_path / "step=1.ckpt"), callbacks=[RolloutWriter(tmp_path)])
    assert path.read_bytes() == before


def test_a_writer_begins_anew_in_another_folder(
    stopped: Callable[[], bytes], grpo: Make, fit: Fit, tmp_path: Path
) -> None:
    stopped()
    writer = RolloutWriter(tmp_path)
    fit(grpo(), max_steps=1, callbacks=[writer])
    writer.folder = tmp_path / "other"
    fit(grpo(), ckpt_path=str(tmp_path / "step=1.ckpt"), callbacks=[writer])
    assert [record["attempt"] for record in lines(tmp_path / "other" / "rollouts.jsonl")] == [1] * 48


def told(folder: Path) -> dict[int, list[list[str]]]:
    return {number: [[row["text"] for row in rank] for rank in ranks] for number, ranks in read_run(folder).items()}


def write(folder: Path, name: str, text: str, *rollouts: int, ranks: Any = None) -> None:
    heads = ({"rollout": rollout, "attempt": 1} | ({"ranks": ranks} if ranks else {}) for rollout in rollouts)
    with (folder / name).open("a") as file:
        file.writelines(json.dumps(head | {"text": text}) + "\n" for head in heads)


@pytest.mark.parametrize("begun", ["", '{"rollout": 1, "att', '{"rollout": 1, "attempt": 1, "ranks": [2, 1], "st'])
def test_a_resume_that_was_killed_in_its_first_line_changes_nothing(
    begun: str, grpo: Make, fit: Fit, tmp_path: Path
) -> None:
    for rank in (0, 1):
        write(tmp_path, f"rollouts-{rank}.jsonl", "two", 0, 1, ranks=[2])
    (tmp_path / "rollouts.jsonl").write_text(begun)
    with pytest.warns(UserWarning, match="half a line") if begun else nullcontext():
        fit(grpo(), max_steps=1, callbacks=[RolloutWriter(tmp_path)])
    assert {tuple(row["ranks"]) for row in lines(tmp_path / "rollouts.jsonl")} == {(2, 1)}


def test_a_machine_that_sees_one_file_of_two_ranks_knows_of_both(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    write(tmp_path, "rollouts-0.jsonl", "two", 0, 1, ranks=[2])
    fit(grpo(), max_steps=1, callbacks=[RolloutWriter(tmp_path)])
    assert {tuple(row["ranks"]) for row in lines(tmp_path / "rollouts.jsonl")} == {(2, 1)}
    assert [len(rank) for ranks in read_run(tmp_path).values() for rank in ranks] == [16]


def test_files_of_earlier_versions_say_nothing_of_ranks(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    for rank in (0, 1):
        write(tmp_path, f"rollouts-{rank}.jsonl", "two", 0, 1, 2)
    assert told(tmp_path) == {number: [["two"], ["two"]] for number in range(3)}
    # Of both kinds that of one rank counts, from its first rollout on.
    write(tmp_path, "rollouts.jsonl", "one", 1)
    assert told(tmp_path) == {0: [["two"], ["two"]], 1: [["one"]]}
    fit(grpo(), max_steps=1, callbacks=[RolloutWriter(tmp_path)])
    assert [row.get("ranks") for row in lines(tmp_path / "rollouts.jsonl")] == [None] + [[2, 1]] * 16
    assert [len(rank) for ranks in read_run(tmp_path).values() for rank in ranks] == [16]


def test_only_files_of_ranks_are_read(tmp_path: Path) -> None:
    write(tmp_path, "rollouts-1.jsonl", "rank", 0, ranks=[2])
    for name in ("rollouts-01.jsonl", "rollouts-1 (copy).jsonl", "rollouts-.jsonl", "rollouts-\u0661.jsonl"):
        write(tmp_path, name, "a copy", 0, ranks=[2])
    (tmp_path / "rollouts-0.jsonl").mkdir()
    assert told(tmp_path) == {0: [["rank"]]}


@pytest.mark.parametrize(
    "odd",
    [
        *('{"rollout": "1"}', '{"rollout": null}', '{"rollout": NaN}', '{"rollout": [1]}', '{"attempt": 1}', "[1]"),
        *(f'{{"rollout": 1, "attempt": 1, "ranks": {ranks}}}' for ranks in ("2", "null", '"2, 1"', "[null]", "[2 1]")),
        '{"rollout": 1, "attempt": "2"}',
        "",
    ],
)
def test_a_line_that_is_no_completion_is_left_out(odd: str, tmp_path: Path) -> None:
    write(tmp_path, "rollouts.jsonl", "a", 0)
    with (tmp_path / "rollouts.jsonl").open("a") as file:
        file.write(odd + "\n")
    write(tmp_path, "rollouts.jsonl", "b", 1)
    with pytest.warns(UserWarning, match=r"of 3 lines 1 cannot be read: 2; left out"):
        assert told(tmp_path) == {0: [["a"]], 1: [["b"]]}
    assert rollout_writer._ranks(tmp_path) == [1]  # nor does it stop the run that writes on


def test_a_folder_without_rollouts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no rollouts\.jsonl in .*/none"):
        read_run(tmp_path / "none")


def test_a_run_that_was_resumed_at_every_rollout_is_read_in_one_pass(tmp_path: Path) -> None:
    path = tmp_path / "rollouts.jsonl"
    made = [(number, 1) for number in range(20_000)] + [(19_999, attempt) for attempt in range(2, 20_000)]
    path.write_text("".join(f'{{"rollout": {number}, "attempt": {attempt}}}\n' for number, attempt in made))
    begun = time.process_time()
    assert [row["attempt"] for row in read_rollouts(path)] == [1] * 19_999 + [19_999]
    assert time.process_time() - begun < 3  # a pass for each attempt takes far longer


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
