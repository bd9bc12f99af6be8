"""Ranks' processes are seen, looked into and ended from beside; the board itself is at work in test_rank_watch.py."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from rlframework.utilities.rank_board import LastWords, Neighbours, Peer, place

# Caught inside one call of C that keeps the interpreter's lock.
STUCK = """
import faulthandler, os, re, sys
from rlframework.utilities.rank_board import STACK
stack = os.memfd_create("stack")
faulthandler.register(STACK, file=stack, all_threads=False)
print(stack, flush=True)
def caught():
    re.fullmatch(r"(a|aa)+", "a" * 60 + "b")
caught()
"""


@pytest.fixture
def stuck() -> tuple[subprocess.Popen, Neighbours]:
    process = subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True)
    number = process.stdout.readline().strip()
    neighbours = Neighbours([Peer(1, place(), process.pid, f"/proc/{process.pid}/fd/{number}")], rank=0)
    yield process, neighbours
    process.kill()
    process.wait()
    neighbours.close()


def test_a_process_that_stands_still_shows_its_lines_and_can_be_ended(stuck: tuple) -> None:
    process, neighbours = stuck
    time.sleep(0.2)
    assert "in caught" in neighbours.stack(1)
    assert not neighbours.gone()
    neighbours.kill(1)
    assert process.wait(5) == -9
    assert [peer.rank for peer in neighbours.gone(wait_s=1.0)] == [1]
    assert neighbours.stack(1) == ""


def test_processes_of_another_machine_are_left_alone() -> None:
    other = Neighbours([Peer(1, "elsewhere", os.getpid(), "")], rank=0)
    assert other.gone() == []
    assert other.stack(1) == ""
    other.kill(1)


def test_last_words_name_the_rank_and_what_it_did() -> None:
    assert str(LastWords(3, "gone", "its process (7) was ended")) == "rank 3 has gone: its process (7) was ended"
    assert str(LastWords(1, "failed", "ValueError: no", "Traceback\n")) == "rank 1 failed: ValueError: no\nTraceback"
