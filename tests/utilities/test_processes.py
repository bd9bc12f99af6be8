"""A process that wrote its name down is found, and is known to have gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from rlframework.utilities.processes import process_state, this_process

PROGRAM = """
import json, sys
from rlframework.utilities.processes import this_process
print(json.dumps(this_process()), flush=True)
sys.stdin.read()
"""


def test_a_process_is_there_until_it_is_killed():
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        named = json.loads(process.stdout.readline())
        assert named["pid"] == process.pid
        assert process_state(named) == "there"
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie: nobody has asked for its status
        assert process_state(named) == "gone"
    assert process_state(named) == "gone"


def test_another_process_of_the_same_number_is_another():
    assert process_state(this_process() | {"started": 0.0}) == "gone"


def test_a_process_of_another_machine_is_not_looked_for():
    assert process_state(this_process() | {"machine": "another"}) is None
    assert process_state({}) is None
