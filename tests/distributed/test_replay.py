"""A run on two processes is replayed on one."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlframework.callbacks import read_run
from rlframework.replay import replay, rescore
from rlframework.rewards import FunctionReward
from tests.distributed import two_ranks
from tests.distributed.replay_runs import parts, vowels

pytestmark = pytest.mark.distributed

SCRIPT = Path(__file__).with_name("replay_runs.py")


def test_steps_of_two_ranks_equal_the_log(tmp_path: Path) -> None:
    two_ranks.launch(tmp_path, SCRIPT, tmp_path, "2")
    run = tmp_path / "mine" / "version_0"
    assert {path.name for path in run.glob("rollouts*")} == {"rollouts-0.jsonl", "rollouts-1.jsonl"}
    # A rollout is four steps; a checkpoint from inside one holds the shares of two ranks.
    for step in (0, 3, 4, 11):
        found = replay(*parts(tmp_path / "again", 1), run, step)
        assert found.same, (step, found.differing)
        assert found.logged >= 5
        assert ("step=8.ckpt" in found.weights) == (step == 11)
        assert len(found.completions) == 16
    assert sum(row.terms["clip_fraction_low"] != [0.0] * len(row.pieces) for row in found.completions) > 0
    again = rescore(run, FunctionReward(vowels))
    assert len(again.rows) == 3 * 32
    assert not again.most_changed(1)

    # It goes on as one process, which makes the last rollout again; what two ranks made of it is not counted.
    (checkpoint,) = run.glob("checkpoints/*step=8.ckpt")
    for file in run.glob("checkpoints/*step=1[02].ckpt"):
        file.unlink()
    two_ranks.launch(tmp_path, SCRIPT, tmp_path, "1", str(checkpoint), ranks=1)
    assert [[len(rank) for rank in ranks] for ranks in read_run(run).values()] == [[16, 16], [16, 16], [32]]
    for step in (7, 11):
        found = replay(*parts(tmp_path / "again", 1), run, step)
        assert found.same, (step, found.differing)
        assert len(found.completions) == 16
    assert len(rescore(run, FunctionReward(vowels)).rows) == 3 * 32
