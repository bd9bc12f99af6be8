"""``rlframework doctor``: each check fails where it should, and says the way out."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rlframework.cli import doctor
from rlframework.serving.receiver import PORT_OFFSET
from tests import forked
from tests.distributed import two_ranks


@pytest.fixture
def old_server():
    """A server that is healthy, and whose clock is an hour late."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def date_time_string(self, timestamp=None):
            return super().date_time_string(time.time() - 3600)

        def log_message(self, *_):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_machine_that_is_fit(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert doctor.main(["--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "one step of GRPO on a tiny model" in said
    assert "can be written" in said
    assert "FAILS" not in said


def test_what_fails_makes_the_exit_status_and_says_the_way_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(doctor, "step", lambda: [])
    (tmp_path / "file").write_text("")
    output = ["--output", str(tmp_path / "file" / "below")]
    assert doctor.main([*output, "--servers", "http://127.0.0.1:1"]) == 1
    said = capsys.readouterr().out
    assert said.count("FAILS") == 2
    assert "Name another (--output)" in said
    assert "Connection refused" in said
    assert "Start it (rlframework serve)" in said


def test_servers_are_reached_and_their_clocks_compared(old_server, tmp_path):
    listed = tmp_path / "servers.txt"
    listed.write_text(f"{old_server}\nhttp://127.0.0.1:1\n")
    server, receiver, gone = doctor.servers(str(listed), PORT_OFFSET)
    assert server.verdict == "lacks"
    assert "from ours: set both by NTP" in server.text
    assert "-3600 s" in server.text or "-3601 s" in server.text
    assert (receiver.verdict, gone.verdict) == ("lacks", "fails")
    listed.write_text("")
    (empty,) = doctor.servers(str(listed), PORT_OFFSET)
    assert empty.text.startswith("0 addresses; `rlframework serve --register")


@pytest.mark.parametrize(
    ("environment", "verdicts"),
    [
        ({}, []),
        ({"SLURM_NTASKS": "8"}, ["fails"]),
        ({"SLURM_NTASKS_PER_NODE": "8", "SLURM_GPUS_ON_NODE": "8"}, ["well"]),
        ({"SLURM_NTASKS_PER_NODE": "1", "SLURM_GPUS_ON_NODE": "8"}, ["fails"]),
    ],
)
def test_slurm(environment, verdicts):
    assert [line.verdict for line in doctor.slurm(environment)] == verdicts


def test_a_check_that_hangs_or_raises_is_a_line():
    (line,) = doctor.within("x", lambda: time.sleep(60), seconds=0.1)
    assert (line.verdict, line.text[:19]) == ("fails", "no end within 0.1 s")
    (line,) = doctor.within("x", lambda: [][0])
    assert line == ("x", "fails", "IndexError: list index out of range")


def test_versions_outside_of_the_ranges():
    lines = list(doctor.versions(["numpy<1", "no-such-package>=1", 'torch<1; extra == "vllm"', 'x; extra == "cli"']))
    assert {line.name: line.verdict for line in lines if line.verdict != "well"} == {
        "numpy": "fails",
        "versions": "fails",
        "torch": "lacks",
        "extra cli": "lacks",
    }
    assert next(line.text for line in lines if line.name == "extra cli") == "x: pip install 'rlframework[cli]'"


@pytest.mark.distributed
def test_two_ranks_meet(tmp_path):
    ranks = [{**one, "TORCHELASTIC_RUN_ID": "x", "COLUMNS": "200"} for one in two_ranks.environments()]
    for done in forked.run_together(("-m", "rlframework.cli", "doctor", "--output", tmp_path), ranks):
        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 of 2 met at 127.0.0.1" in done.stdout


@pytest.mark.parametrize(("rank", "said"), [(0, "1/2 clients joined"), (1, "within 1 s")])
def test_a_rank_that_is_alone_says_so_in_time(monkeypatch, rank, said):
    environment = {**two_ranks.environments()[rank], "TORCHELASTIC_RUN_ID": "x"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    (line,) = doctor.ranks(seconds=1.0)
    assert line.verdict == "fails"
    assert line.text.startswith(f"no meeting at 127.0.0.1:{environment['MASTER_PORT']} within 1 s")
    assert said in line.text
    assert "GLOO_SOCKET_IFNAME" in line.text
    assert time.monotonic() - began < 30


ROOT = Path(__file__).parents[2]


def torchrun(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "300"}
    return subprocess.run(
        [*command, *map(str, words)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.distributed
def test_torchrun_starts_two_that_meet(tmp_path):
    done = torchrun("-m", "rlframework.cli", "doctor", "--output", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("2 of 2 met at") == 2


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.parametrize(
    ("what", "said"),
    [("away", "within 30 s: rank 1; see that each"), ("hangs", "Ranks 1 failed to pass")],
)
def test_torchrun_starts_one_that_cannot_be_met(tmp_path, what, said):
    done = torchrun(Path(__file__).with_name("doctor_ranks.py"), what, tmp_path)
    assert done.returncode != 0
    assert said in done.stdout, done.stdout
    # What comes after the meeting is tried all the same.
    assert "one step of GRPO" in done.stdout
