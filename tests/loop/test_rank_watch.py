"""Whatever one of two ranks does, both end within a stated time, and rank 0 says what the other did."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy

from rlframework.callbacks import RankWatch
from tests import forked
from tests.distributed.two_ranks import launch

pytestmark = pytest.mark.distributed

SCRIPT = Path(__file__).parents[1] / "distributed" / "ending_runs.py"
PAGE = Path(__file__).parents[2] / "docs" / "many_ranks.md"
BEGIN, END = "<!-- endings -->\n", "<!-- /endings -->\n"
# hang_s and grace_s of the runs, the watch's own seconds, and what a busy machine adds.
SECONDS = 5 + 4 + 12 + 20

RAISED = ["KeyError: 'planted'", 'raise KeyError("planted")']
GONE = ["rank 1 has gone: its process"]
# What rank 1 does and where, what rank 0 then shows, and whether a checkpoint was saved on the exception.
ROWS: dict[tuple[str, str], tuple[list[str], bool]] = {
    ("reward", "error"): ([*RAISED, "rank 1 failed"], True),
    ("reward", "memory"): (["MemoryError: planted", "rank 1 failed"], True),
    ("reward", "sleep"): (["rank 1 hangs", "kept the others waiting for 5 s", "time.sleep(1000.0)"], True),
    ("reward", "lock"): (["rank 1 hangs", "kept the others waiting for 5 s", "lock.acquire()"], True),
    ("reward", "regex"): (["rank 1 hangs", "its interpreter does not turn", "in fullmatch"], False),
    ("reward", "SIGTERM"): ([], True),
    ("reward", "SIGINT"): (["rank 1 failed: KeyboardInterrupt"], True),
    ("reward", "SIGUSR1"): (GONE, False),
    ("reward", "SIGKILL"): (GONE, False),
    ("sampler", "error"): ([*RAISED, "rank 1 failed"], True),
    ("sampler", "sleep"): (["rank 1 hangs", "time.sleep(1000.0)"], True),
    ("sampler", "SIGTERM"): ([], True),
    ("callback", "error"): ([*RAISED, "rank 1 failed"], False),
    ("callback", "sleep"): (["rank 1 hangs", "time.sleep(1000.0)"], False),
    ("callback", "SIGTERM"): ([], True),
    ("backward", "error"): ([*RAISED, "rank 1 failed"], False),
    ("backward", "sleep"): (["rank 1 hangs", "time.sleep(1000.0)"], False),
    ("backward", "SIGTERM"): ([], True),
    ("backward", "SIGINT"): (["rank 1 failed: KeyboardInterrupt"], False),
    ("backward", "SIGKILL"): (GONE, False),
    ("data", "error"): ([*RAISED, "rank 1 failed"], False),
    ("end", "error"): ([*RAISED, "rank 1 failed"], False),
}
QUICK = [("reward", "error"), ("reward", "lock"), ("callback", "SIGTERM")]


class Ending(NamedTuple):
    """How a run of two ranks ended: exit statuses, what rank 0 said, seconds after the fault, whether it saved."""

    codes: list[int]
    said: str
    seconds: float
    saved: bool


def run(folder: Path, where: str, what: str, rank: int = 1) -> Ending:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [{**common, "RANK": number, "LOCAL_RANK": number} for number in "01"]
    done = forked.run_together((SCRIPT, folder, where, what, rank), ranks, seconds=120, end_others=False)
    began = folder / "begun"
    seconds = time.time() - float(began.read_text()) if began.exists() else 0.0
    said = done[0].stdout + done[0].stderr
    return Ending([one.returncode for one in done], said, seconds, (folder / "on_exception.ckpt").exists())


def check(folder: Path, where: str, what: str) -> Ending:
    """Run a row of the table, and go on from what a stopped run saved."""
    shown, saved = ROWS[where, what]
    ended = run(folder, where, what)
    assert (folder / "begun").exists(), ended.said
    assert ended.seconds < SECONDS, ended
    for text in shown:
        assert text in ended.said, ended.said
    assert ended.saved is saved, ended.said
    if what == "SIGTERM":
        assert ended.codes == [128 + signal.SIGTERM] * 2, ended.said
        again = run(folder, "nowhere", "none")
        assert again.codes == [0, 0], again.said
    else:
        assert 0 not in ended.codes, ended.said
    return ended


@pytest.mark.parametrize(("where", "what"), QUICK)
def test_both_ranks_end_and_rank_0_says_why(tmp_path: Path, where: str, what: str) -> None:
    check(tmp_path, where, what)


@pytest.mark.slow
def test_every_ending_and_the_table_of_the_docs(tmp_path: Path) -> None:
    assert run(tmp_path / "whole", "nowhere", "none").codes == [0, 0]
    whole = (tmp_path / "whole" / "done1").read_text()
    lines = ["| rank 1 | ended after (s) | saved on the exception |", "| --- | --- | --- |"]
    for where, what in ROWS:
        folder = tmp_path / f"{where}_{what}"
        folder.mkdir()
        ended = check(folder, where, what)
        if what == "SIGTERM":
            assert (folder / "done0").read_text() == (folder / "done1").read_text() == whole
        name = f"`{what}`" if what.startswith("SIG") else SAID[what]
        lines.append(f"| {name} {PLACES[where]} | {ended.seconds:.0f} | {'yes' if ended.saved else 'no'} |")
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    table, end, after = rest.partition(END)
    if os.environ.get("RLFRAMEWORK_WRITE_TABLE"):
        table = "\n".join(lines) + "\n"
        PAGE.write_text(before + begin + table + end + after)
    cells = [[line.split(" | ")[0], line.split(" | ")[-1]] for line in table.splitlines()]
    assert cells == [[line.split(" | ")[0], line.split(" | ")[-1]] for line in lines], "write it with `make tables`"


SAID = {
    "error": "raises",
    "memory": "has no memory (`MemoryError`)",
    "sleep": "sleeps",
    "lock": "waits for a lock that nobody releases",
    "regex": "is stuck in one call of C (a regular expression)",
}
PLACES = {
    "reward": "in its reward",
    "sampler": "while it samples",
    "callback": "in a callback",
    "backward": "after a backward pass",
    "data": "while its data load",
    "end": "in a callback when training ends",
}


@pytest.mark.slow
@pytest.mark.parametrize(("where", "what"), [("reward", "regex"), ("reward", "SIGKILL"), ("callback", "SIGTERM")])
def test_rank_0_is_no_exception(tmp_path: Path, where: str, what: str) -> None:
    ended = run(tmp_path, where, what, rank=0)
    assert ended.seconds < SECONDS
    assert ended.saved is (what == "SIGTERM")


@pytest.mark.slow
def test_slurms_signal_to_one_rank_saves_on_both_and_requeues(tmp_path: Path) -> None:
    """The signal comes in the middle of an update, where the other rank is somewhere else."""
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/requeued\n')
    scontrol.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    job = {"SLURM_NTASKS": "2", "SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "run", "SLURM_NTASKS_PER_NODE": "2"}
    nodes = {"SLURM_NODELIST": "127.0.0.1", "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NODEID": "0"}
    common = {**job, **nodes, "MASTER_PORT": port, "PATH": f"{scontrol.parent}:{os.environ['PATH']}"}
    tasks = [{**common, "SLURM_PROCID": number, "SLURM_LOCALID": number} for number in "01"]
    whole = forked.run_together((SCRIPT, tmp_path, "backward", "SIGUSR1"), tasks, seconds=60, end_others=False)
    assert [one.returncode for one in whole] == [0, 0], whole[0].stderr
    assert (tmp_path / "requeued").read_text() == "requeue 77\n"
    ended = [(tmp_path / f"done{rank}").read_text() for rank in range(2)]
    assert ended[0] == ended[1]
    # The job that was requeued goes on from there by itself.
    saved = tmp_path / "hpc_ckpt_1.ckpt"
    assert torch.load(saved, weights_only=False)["global_step"] == 2
    again = forked.run_together((SCRIPT, tmp_path, "nowhere", "none"), tasks, seconds=60, end_others=False)
    assert [one.returncode for one in again] == [0, 0], again[0].stderr
    assert "hpc_ckpt_1.ckpt" in again[0].stderr
    assert [(tmp_path / f"done{rank}").read_text() for rank in range(2)] == ended


LAUNCHERS = {
    "Lightning's": ([], {"STRATEGY": "ddp"}),
    "spawn": ([], {"STRATEGY": "ddp_spawn"}),
    "fork": ([], {"STRATEGY": "ddp_fork"}),
    "torchrun": (["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"], {"STRATEGY": "ddp"}),
}
FAULTS = [
    ("reward", "error"),
    ("reward", "lock"),
    ("reward", "regex"),
    ("backward", "SIGKILL"),
    ("backward", "SIGINT"),
    ("callback", "SIGTERM"),
]


def processes_of(folder: Path) -> list[int]:
    """Return the processes that have the folder among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if str(folder).encode() in words:
            found.append(int(path.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(("where", "what"), FAULTS)
def test_under_every_launcher(tmp_path: Path, launcher: str, where: str, what: str) -> None:
    before, environment = LAUNCHERS[launcher]
    command = [sys.executable, *before, str(SCRIPT), str(tmp_path), where, what]
    given = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    with (tmp_path / "said").open("w") as said:
        main = subprocess.Popen(command, env=given, stdout=said, stderr=said, cwd=SCRIPT.parents[2])
        code = main.wait(600)
    # torchrun gives the other ranks 30 s of its own.
    until = float((tmp_path / "begun").read_text()) + SECONDS + 40
    while (left := processes_of(tmp_path)) and time.time() < until:
        time.sleep(0.2)
    assert not left
    text = (tmp_path / "said").read_text()
    # Only a rank that is the script itself can end it as SIGTERM does; the others' parent says what they ended with.
    assert code != 0, text
    if what == "SIGTERM":
        assert (code == 128 + signal.SIGTERM) is (launcher == "Lightning's"), text
    if what == "SIGTERM" and launcher in ("spawn", "fork"):
        assert f"terminated with exit code {128 + signal.SIGTERM}" in text, text
    # Ranks that were spawned or forked have one parent, which shows the error of the one that ended first.
    by_parent = launcher in ("spawn", "fork") and "Process 1 terminated with the following error" in text
    for shown in ROWS[where, what][0]:
        assert shown in text or (by_parent and shown == "rank 1 failed"), text
    assert (tmp_path / "on_exception.ckpt").exists() is ROWS[where, what][1]


SLOW = SCRIPT.with_name("slow_runs.py")


@pytest.mark.slow
def test_a_rollout_of_one_rank_may_take_nearly_as_long_as_the_process_group_waits(tmp_path: Path) -> None:
    for rank in launch(tmp_path, SLOW, tmp_path, 30, 12):
        assert rank == {"error": "", "steps": 3}


@pytest.mark.slow
def test_one_that_takes_longer_is_named_before_the_others_give_up(tmp_path: Path) -> None:
    """And not as a socket that has timed out, by a rank that has done nothing wrong."""
    first, second = launch(tmp_path, SLOW, tmp_path, 15, 60)
    assert first["steps"] == second["steps"] == 1
    assert first["error"].startswith("rank 1 failed: RuntimeError: it has kept the others waiting for 10 s")
    for rank in (first, second):
        assert "give the strategy a timeout of more, as in DDPStrategy(timeout=timedelta(seconds=...))" in rank["error"]
        assert "time.sleep(self.sleeps)" in rank["error"]
        assert "Timed out waiting" not in rank["error"]


@pytest.mark.parametrize(("timeout", "hang_s"), [(None, 1790.0), (3600.0, 3590.0), (12.0, 8.0)])
def test_by_default_a_rank_hangs_before_the_process_group_gives_up(timeout: float | None, hang_s: float) -> None:
    strategy = DDPStrategy() if timeout is None else DDPStrategy(timeout=timedelta(seconds=timeout))
    trainer = pl.Trainer(accelerator="cpu", strategy=strategy, logger=False, enable_checkpointing=False)
    assert RankWatch()._patience(trainer) == hang_s
    assert RankWatch(hang_s=5.0)._patience(trainer) == 5.0
    with pytest.warns(UserWarning, match=r"hang_s=4000\) is not below the process group's timeout.*seconds=4010"):
        assert RankWatch(hang_s=4000.0)._patience(trainer) == 4000.0


def test_times_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="hang_s=0"):
        RankWatch(hang_s=0)
