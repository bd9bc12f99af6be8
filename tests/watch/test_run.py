"""A run as its folder tells it: several ranks, attempts, files half written, replaced, missing or very large."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from rlframework.utilities.processes import this_process
from rlframework.watch.run import LATEST, WatchedRun


def write(path, *rows, mode="a"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open(mode) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def rollout(number, attempt=1, rank=0, rows=2, **more):
    head = {"rollout": number, "attempt": attempt, "step": number}
    return [head | {"completion": f"{rank}.{number}.{row}", "reward": row, **more} for row in range(rows)]


def texts(look):
    return [row["completion"] for row in look.rows]


def test_an_empty_folder_is_waited_for(tmp_path):
    look = WatchedRun(tmp_path).look()
    assert look.pulse.state == "waiting"
    assert not look.figures
    assert not look.rows


def test_of_a_folder_above_the_newest_run_is_taken_once_it_has_begun(tmp_path):
    run = WatchedRun(tmp_path)
    assert run.look().folder == tmp_path
    write(tmp_path / "mine" / "version_0" / "rollouts.jsonl", *rollout(0))
    look = run.look()
    assert (look.folder.name, look.source) == ("version_0", "rollout 0")
    write(tmp_path / "mine" / "version_1" / "rollouts.jsonl", *rollout(5))
    assert run.look().source == "rollout 0"


def test_a_newer_run_is_taken_once_the_one_that_was_watched_is_over(tmp_path):
    first, second = (tmp_path / f"version_{number}" for number in range(2))
    write(first / "rollouts.jsonl", *rollout(0))
    write(first / "events.jsonl", {"kind": "start", "time": time.time()}, {"kind": "end", "time": time.time()})
    run = WatchedRun(tmp_path)
    assert (run.look().folder, run.look().pulse.state) == (first, "ended")
    write(second / "rollouts.jsonl", *rollout(5))
    later = time.time() + 1
    os.utime(second / "rollouts.jsonl", (later, later))
    look = run.look()
    assert (look.folder, look.source, look.pulse.state) == (second, "rollout 5", "running")
    assert not look.events
    assert WatchedRun(first).look().folder == first


def test_completions_are_those_of_the_newest_rollout(tmp_path):
    run = WatchedRun(tmp_path)
    write(tmp_path / "rollouts.jsonl", *rollout(0), *rollout(1, completion_ids=[1, 2, 3]))
    assert texts(look := run.look()) == ["0.1.0", "0.1.1"]
    assert look.source == "rollout 1"
    assert "completion_ids" not in look.rows[0]
    assert texts(run.look()) == ["0.1.0", "0.1.1"]
    # A rollout that is read in two parts is one.
    first, second = rollout(2)
    write(tmp_path / "rollouts.jsonl", first)
    assert texts(run.look()) == ["0.2.0"]
    write(tmp_path / "rollouts.jsonl", second)
    assert texts(run.look()) == ["0.2.0", "0.2.1"]


def test_a_resumed_run_shows_its_own_attempt(tmp_path):
    run = WatchedRun(tmp_path)
    write(tmp_path / "rollouts.jsonl", *rollout(7))
    run.look()
    write(tmp_path / "rollouts.jsonl", *rollout(5, attempt=2))
    assert run.look().source == "rollout 5"
    write(tmp_path / "events.jsonl", {"kind": "start", "time": time.time() - 99, "step": 0})
    write(tmp_path / "events.jsonl", {"kind": "resume", "time": time.time() - 20, "step": 4})
    (tmp_path / "metrics.csv").write_text("step,a\n0,1\n3,1\n8,1\n4,2\n7,3\n")
    look = run.look()
    assert look.figures["a"] == {1: 1.0, 4: 1.0, 5: 2.0, 8: 3.0}
    assert look.step == 8
    assert look.pace == pytest.approx(5, rel=0.1)  # 20 s for the steps 5 to 8


def test_ranks_from_before_a_resume_on_another_number_are_left_out(tmp_path):
    for rank in range(2):
        write(tmp_path / f"rollouts-{rank}.jsonl", *rollout(3, rank=rank, ranks=[2]))
    run = WatchedRun(tmp_path)
    assert run.look().source == "rollout 3, 2 ranks"
    write(tmp_path / "rollouts.jsonl", *rollout(3, rank="after", ranks=[2, 1]))
    later = time.time() + 1
    os.utime(tmp_path / "rollouts.jsonl", (later, later))
    look = run.look()
    assert (look.source, texts(look)) == ("rollout 3", ["after.3.0", "after.3.1"])


def test_completions_of_several_ranks_are_shown_together(tmp_path):
    write(tmp_path / "rollouts.jsonl", *rollout(9, rank="before"))  # of the time when it had one rank
    for rank in range(3):
        write(tmp_path / f"rollouts-{rank}.jsonl", *rollout(3, rank=rank))
    run = WatchedRun(tmp_path)
    look = run.look()
    assert texts(look) == [f"{rank}.3.{row}" for rank in range(3) for row in range(2)]
    assert look.source == "rollout 3, 3 ranks"
    write(tmp_path / "rollouts-1.jsonl", *rollout(4, rank=1))
    assert texts(run.look()) == ["1.4.0", "1.4.1"]


def test_samples_stand_in_for_rollouts(tmp_path):
    write(tmp_path / "samples" / "heldout.jsonl", {"step": 2, "completion": "a"}, {"step": 5, "completion": "b"})
    look = WatchedRun(tmp_path).look()
    assert (texts(look), look.source) == (["b"], "heldout samples")


def test_lines_that_cannot_be_read_are_counted_and_half_ones_waited_for(tmp_path):
    run = WatchedRun(tmp_path)
    (tmp_path / "events.jsonl").write_text('{"kind": "start", "step": 0}\nno json\n[1]\n{"kind": "sent')
    assert run.look().unreadable == {"events.jsonl": 2}
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('inel", "message": "spoke"}\n')
    assert run.look().events[-1] == {"kind": "sentinel", "message": "spoke"}
    assert run.look().unreadable == {"events.jsonl": 2}


def test_figures_that_are_written_again_for_a_new_column_are_read_again(tmp_path):
    run = WatchedRun(tmp_path)
    (tmp_path / "metrics.csv").write_text("a,step\n1,0\n")
    run.look()
    (tmp_path / "metrics.csv").write_text("a,b,step\n1,,0\n1,2,1\n")
    assert run.look().figures == {"a": {1: 1.0, 2: 1.0}, "b": {2: 2.0}}


def test_a_folder_that_has_gone_is_an_error(tmp_path):
    run = WatchedRun(tmp_path / "run")
    with pytest.raises(FileNotFoundError):
        run.look()


def test_a_change_is_dated_by_the_clock_of_this_machine(tmp_path):
    # The disk's clock is an hour ahead: its files are of the future.
    run = WatchedRun(tmp_path)
    for value in range(2):
        (tmp_path / "metrics.csv").write_text("a,step\n" + "1,0\n" * (value + 1))
        os.utime(tmp_path / "metrics.csv", times=(time.time() + 3600 + value,) * 2)
        assert run.look().pulse.evidence.startswith("last sign 0.0")
    time.sleep(0.2)
    assert "last sign 0.0" not in run.look().pulse.evidence


def test_a_process_that_has_gone_is_found_out(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        named = this_process() | {"pid": process.pid}
    (tmp_path / "run.json").write_text(json.dumps({"process": named}))
    write(tmp_path / "events.jsonl", {"kind": "start", "time": time.time(), "step": 0})
    assert WatchedRun(tmp_path).look().pulse.state == "died"
    (tmp_path / "run.json").write_text(json.dumps({"process": this_process()}))
    assert WatchedRun(tmp_path).look().pulse.state == "running"


MEASURED = """
import resource, sys, time
from rlframework.watch.run import WatchedRun
from rlframework.watch.screen import screen
run = WatchedRun(sys.argv[1])
begun = time.process_time()
look = run.look()
lines = screen(look, 80, 24)
seconds = time.process_time() - begun
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(look.rows))
"""


def test_two_hundred_megabytes_of_rollouts_take_neither_memory_nor_time(tmp_path):
    measured = {}
    for name, copies in (("small", 1), ("large", 100)):
        folder = tmp_path / name
        folder.mkdir()
        block = b"".join(json.dumps(row).encode() + b"\n" for row in rollout(0, rows=2, prompt="x" * 1_048_000))
        with (folder / "rollouts.jsonl").open("wb") as file:
            for _ in range(copies):
                file.write(block)
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, str(folder)], capture_output=True, text=True, check=True, timeout=120
        )
        measured[name] = tuple(map(float, done.stdout.split()))
    assert (tmp_path / "large" / "rollouts.jsonl").stat().st_size > 200e6
    seconds, megabytes, rows = measured["large"]
    assert seconds < 1.0
    assert megabytes < measured["small"][1] + 4 * LATEST / 2**20
    assert rows >= 1
