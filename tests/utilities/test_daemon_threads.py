"""Threads that wait for something do not keep a process from ending."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from rlframework.utilities.daemon_threads import DaemonExecutor

WAITS = """
import time
from rlframework.utilities.daemon_threads import DaemonExecutor
DaemonExecutor().submit(time.sleep, 60)
"""


def test_a_process_ends_while_one_waits() -> None:
    subprocess.run([sys.executable, "-c", WAITS], check=True, timeout=50)


def test_so_many_at_once_and_no_more() -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def call(place: int) -> int:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.02)
        with lock:
            inside -= 1
        return place

    assert list(DaemonExecutor(at_once=2).map(call, range(6))) == list(range(6))
    assert most == 2
    assert list(DaemonExecutor().map(call, range(6))) == list(range(6))
    assert most > 2


def test_one_that_is_cancelled_before_its_turn_is_not_called() -> None:
    called, go = [], threading.Event()
    executor = DaemonExecutor(at_once=1)
    first = executor.submit(go.wait, 20)
    while not first.running():
        time.sleep(0.001)
    second = executor.submit(called.append, 2)
    assert second.cancel()
    go.set()
    assert executor.submit(len, called).result(20) == 0


def test_what_it_raises_is_the_callers() -> None:
    assert isinstance(DaemonExecutor().submit(int, "x").exception(), ValueError)
