"""The supervisor with real processes: health, signals, exit statuses, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlframework.serving.supervisor import NotHealthyError, Supervisor

# A server with a worker of its own, as vLLM's engine: it outlives what started it.
SERVER = """
import http.server, os, signal, subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[2], "w").write(f"{os.getpid()} {worker.pid}")
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: (worker.kill(), os._exit(5)))
signal.signal(signal.SIGUSR1, lambda *_: os._exit(6))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
# What rlframework serve does with it, in a process of its own.
RUN = """
import os, sys
from rlframework.serving.supervisor import Supervisor
command = [sys.executable, "-c", sys.argv[1], *sys.argv[2:]]
grace = 0.5 if "stubborn" in sys.argv else 15.0
made = Supervisor(command, os.environ, f"http://127.0.0.1:{sys.argv[2]}/", patience=60, grace=grace)
sys.exit(made.run(lambda: print("came", flush=True), lambda: print("went", flush=True)))
"""


@pytest.fixture
def supervised(free_port, tmp_path):
    started = []

    def start(*options, ignored=()):
        def as_a_shell_does():  # whatever this process was started with
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1):
                signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

        command = [sys.executable, "-c", RUN, SERVER, str(free_port), str(tmp_path / "pids"), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=as_a_shell_does)
        started.append(process)
        assert process.stdout.readline() == "came\n"
        return process, [int(pid) for pid in (tmp_path / "pids").read_text().split()]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def living(pids, within=5.0):
    """Return those that live; one that was killed a moment ago takes a while to go."""
    ends = time.monotonic() + within
    while (found := [pid for pid in pids if "Z" not in state(pid)]) and time.monotonic() < ends:
        time.sleep(0.01)
    return found


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_passed_on_and_the_server_leaves_first(number, supervised):
    process, pids = supervised()
    process.send_signal(number)
    assert process.stdout.read() == "went\n"
    # Of SIGTERM its own status; it knows nothing of the others.
    assert process.wait(20) == (5 if number == signal.SIGTERM else 128 + number)
    assert not living(pids)


def test_signals_that_are_ignored_stay_ignored(supervised):
    """As under nohup, whose terminal goes away."""
    process, pids = supervised(ignored=(signal.SIGHUP, signal.SIGUSR1))
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGUSR1)
    time.sleep(0.5)
    assert process.poll() is None
    assert living(pids, within=0) == pids
    process.terminate()
    assert process.wait(20) == 5


def test_a_server_that_does_not_end_is_killed(supervised):
    process, pids = supervised("stubborn")
    process.terminate()
    assert process.wait(20) == 128 + signal.SIGKILL
    assert not living(pids)


def test_other_signals_end_nothing_by_themselves(supervised):
    process, pids = supervised()
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.read() == "went\n"
    assert process.wait(20) == 6
    assert not living(pids)


def test_a_server_that_dies_is_removed(supervised):
    process, pids = supervised()
    os.kill(pids[0], signal.SIGKILL)
    assert process.stdout.read() == "went\n"
    assert process.wait(20) == 128 + signal.SIGKILL
    assert not living(pids)


def test_it_does_not_outlive_a_supervisor_that_is_killed(supervised):
    process, pids = supervised()
    process.kill()
    process.wait()
    assert not living(pids, within=20)


def test_one_that_never_gets_healthy_is_killed():
    made = Supervisor([sys.executable, "-c", "import time; time.sleep(60)"], os.environ, "http://127.0.0.1:1/", 0.2)
    with pytest.raises(NotHealthyError, match=r"within 0.2 s.*--wait"):
        made.run()
    assert made._process.returncode == -signal.SIGKILL


def test_one_that_ends_before_is_never_entered():
    entered = []
    made = Supervisor([sys.executable, "-c", "raise SystemExit(7)"], os.environ, "http://127.0.0.1:1/")
    assert made.run(lambda: entered.append(1), lambda: entered.append(2)) == 7
    assert not entered


def test_a_command_that_is_none():
    with pytest.raises(FileNotFoundError):
        Supervisor(["/no/such/python"], os.environ, "http://127.0.0.1:1/").run()
