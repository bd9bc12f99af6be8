"""`rlframework watch` on real runs: one that is killed, one that ends, a disk that hangs, a terminal and a pipe."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rlframework.cli import watch
from rlframework.cli.commands import main as rlframework
from rlframework.cli.watch import Looker, main
from rlframework.watch.run import Look, WatchedRun
from tests import forked

# A real run on a tiny model; its steps are short, and there are more of them than anybody waits for.
PROGRAM = """
import os
import sys
from pathlib import Path
import pytorch_lightning as pl
from rlframework import GRPO, BatchedSampler, PromptDataModule, RolloutWriter
from rlframework.callbacks import RunWriter
from rlframework.loggers import AppendingCSVLogger
from rlframework.testing import letter_rows, tiny_policy
from tests.conftest import FirstLetter, Vowels

algorithm = GRPO(
    tiny_policy(), reward=FirstLetter() + Vowels(), sampler=BatchedSampler(group_size=4, max_tokens=4),
    prompts_per_rollout=4, validation={"accuracy": FirstLetter()},
)
trainer = pl.Trainer(
    max_steps=int(sys.argv[2]), max_epochs=-1, accelerator="cpu", log_every_n_steps=1, val_check_interval=4,
    logger=AppendingCSVLogger(sys.argv[1], "mine"), callbacks=[RunWriter(), RolloutWriter()],
    enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, num_sanity_val_steps=0,
)
Path(sys.argv[1], "pid").write_text(str(os.getpid()))
trainer.fit(algorithm, PromptDataModule(letter_rows(16), letter_rows(4)))
"""


def trained(folder, steps):
    (folder / "program.py").write_text(PROGRAM)
    return forked.run(folder / "program.py", folder, steps)


def watched(folder, *arguments):
    return forked.run("-m", "rlframework.cli.commands", "watch", folder, *arguments)


def wait_for(what, running=None, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        assert running is None or not running.done(), running.result()
        time.sleep(0.05)
    raise AssertionError(f"it did not come within {seconds} s")


def test_a_run_that_is_killed_is_said_to_have_died(tmp_path):
    folder = tmp_path / "mine" / "version_0"
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(trained, tmp_path, 10**6)
        wait_for(folder.is_dir, running)
        process = int((tmp_path / "pid").read_text())
        try:
            run = WatchedRun(folder)
            wait_for(lambda: run.look().step >= 6, running)
            before = run.look()
            assert before.pulse.state == "running"
            assert before.pulse.evidence.endswith("its process is there")
            assert {"train/reward/total", "val/accuracy"} <= set(before.figures)
            assert before.source.startswith("rollout ")
            os.kill(process, signal.SIGSTOP)
            assert run.look().pulse.state in ("running", "silent")  # it hangs, but it is there
        finally:
            os.kill(process, signal.SIGKILL)
    assert running.result().returncode == -signal.SIGKILL
    after = run.look()
    assert after.pulse.state == "died"
    assert "its process is no longer on this machine" in after.pulse.evidence
    assert "no `end` in events.jsonl" in after.pulse.evidence
    shown = watched(tmp_path / "mine", "--once")
    assert shown.returncode == 1, shown.stderr
    for words in (" died ", "no longer on this machine", "train/reward/total", "sentinels", "completions of rollout"):
        assert words in shown.stdout


def test_a_run_that_ends_is_said_to_have_ended(tmp_path):
    done = trained(tmp_path, 6)
    assert done.returncode == 0, done.stderr
    shown = watched(tmp_path, "--once")
    assert shown.returncode == 0, shown.stderr
    assert " ended " in shown.stdout
    assert "after 6 optimizer steps" in shown.stdout
    assert "step 6 of 6" in shown.stdout


def test_a_disk_that_hangs_keeps_no_screen_and_its_age_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "_SLOW_S", 0.5)
    run, slow = WatchedRun(tmp_path), [0.0]

    def look():
        time.sleep(slow[0])
        return run.look()

    looker = Looker(look, every=0.05)
    wait_for(lambda: looker.latest)
    slow[0] = 60.0
    time.sleep(1.2)
    begun = time.monotonic()
    said = looker.waiting()
    assert time.monotonic() - begun < 0.1
    assert said.startswith("slow disk: reading for 1.")
    assert "shown is what was there 1." in said


def test_a_disk_that_fails_is_said_and_tried_again(tmp_path):
    broken = [True]

    def look():
        if broken[0]:
            raise OSError(116, "Stale file handle")
        return Look(tmp_path, 0.0, 0.0)

    looker = Looker(look, every=0.05)
    wait_for(looker.waiting)
    assert "Stale file handle" in looker.waiting()
    assert looker.waiting().endswith("nothing was read yet")
    broken[0] = False
    wait_for(lambda: looker.latest and not looker.waiting())


def test_in_a_terminal_it_draws_until_it_is_stopped(tmp_path):
    (tmp_path / "metrics.csv").write_text("train/reward/total,step\n0.25,0\n")
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "rlframework.cli.commands", "watch", str(tmp_path), "--every", "0.1"]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment) as process:
        os.close(its)
        seen = read_until(ours, b"0.25")
        assert b"\x1b[?1049h" in seen  # the alternate screen: what was in the terminal comes back afterwards
        with (tmp_path / "metrics.csv").open("a") as file:
            file.write("0.75,1\n")
        read_until(ours, b"0.75")
        process.send_signal(signal.SIGINT)
        seen = read_until(ours, b"step 2; last sign")
        assert b"\x1b[?1049l" in seen
        assert process.wait(timeout=30) == 0
    os.close(ours)


def read_until(terminal, words, seconds=60):
    seen, end = b"", time.monotonic() + seconds
    while words not in seen:
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 0.5)[0]:
            seen += os.read(terminal, 65536)
    return seen


def test_a_pipe_needs_once(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path)])
    assert end.value.code == 2
    assert "--once prints one frame" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "inf", "nan", "soon"])
@pytest.mark.parametrize("option", ["watch --every", "plan --memory", "serve --wait", "serve --grace"])
def test_a_number_that_is_none_is_refused(option, number, capsys):
    command, flag = option.split()
    with pytest.raises(SystemExit) as end:
        rlframework([command, f"{flag}={number}"])
    assert end.value.code == 2
    assert f"argument {flag}: " in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path / "none"), "--once"])
    assert end.value.code == 2
    assert "there is no folder" in capsys.readouterr().err


def test_it_starts_without_torch(tmp_path):
    program = (
        "import sys; from rlframework.cli.watch import main; main([sys.argv[1], '--once']);"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, capture_output=True, timeout=60)
