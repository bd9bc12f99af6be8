"""Programs that try to break out of the jail, to wear the machine down or to stay behind."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rlframework.rewards.code import BubblewrapSandbox, Limits
from tests.rewards.code import attacks
from tests.rewards.code.world import IS_ROOT, processes_with, soon


def output_of(sandbox, program, stdin=""):
    return next(sandbox.run(program, [{"stdin": stdin}]))


def all_at_once(sandbox, world, programs):
    """Run many attacks together: most of them wait."""
    with ThreadPoolExecutor(4) as threads:
        outputs = threads.map(lambda attack: output_of(sandbox, world.program(attack)), programs.values())
        return dict(zip(programs, outputs, strict=True))


INSIDE = attacks.PROVEN | attacks.PROVEN_AS_ROOT | attacks.JAILED
OUTSIDE = attacks.PROVEN | (attacks.PROVEN_AS_ROOT if IS_ROOT else {})


@pytest.fixture(scope="module")
def inside(jail, world):
    return all_at_once(jail, world, INSIDE)


@pytest.fixture(scope="module")
def outside(plain, world):
    return all_at_once(plain, world, OUTSIDE)


@pytest.fixture(scope="module")
def limited(jail, world):
    short = BubblewrapSandbox(Limits(case_s=0.5, memory_mb=128, output_kb=64))
    return all_at_once(short, world, attacks.ENDLESS | attacks.LOUD)


@pytest.mark.parametrize("attack", INSIDE)
def test_the_jail_holds(attack, inside, world):
    output = inside[attack]
    assert b"breach" not in output.output, output
    assert "SyntaxError" not in output.stderr, output.stderr
    assert "NameError" not in output.stderr, output.stderr
    assert world.victim.poll() is None


@pytest.mark.parametrize("attack", OUTSIDE)
def test_the_attack_works_where_there_is_no_jail(attack, outside):
    assert outside[attack].output.startswith(b"breach"), outside[attack]


def test_nothing_was_written_from_inside(jail, world):
    planted = Path(f"{world.secret}-planted")
    planted.unlink(missing_ok=True)
    output_of(jail, world.program(attacks.PROVEN["write beside it"]))
    assert not planted.exists()


@pytest.mark.parametrize("attack", attacks.ENDLESS)
def test_time_runs_out(attack, limited):
    assert limited[attack].failure == "time", limited[attack]


@pytest.mark.parametrize("attack", attacks.LOUD)
def test_output_is_cut(attack, limited):
    assert limited[attack].failure == "output"
    assert len(limited[attack].output) <= 64 * 1024
    assert len(limited[attack].stderr) <= 64 * 1024


DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for handle in (0, 1, 2):
            os.close(handle)
        os.execv(sys.executable, [sys.executable, '-I', '-S', '-c', 'import time; time.sleep(30)', CANARY + '-daemon'])
    os._exit(0)
time.sleep(0.5)
print('gone')
"""


def test_no_daemon_stays(jail, plain, world):
    marker = world.canary + "-daemon"
    assert output_of(plain, world.program(DAEMON)).output == b"gone\n"
    stayed = processes_with(marker)
    assert len(stayed) == 1, "without a jail it stays"
    os.kill(stayed[0], 9)
    assert output_of(jail, world.program(DAEMON)).output == b"gone\n"
    assert soon(lambda: not set(processes_with(marker)) - set(stayed))


def test_a_case_leaves_nothing_to_the_next(jail):
    program = """
import os, sys
print(sorted(os.listdir('.')), input())
for name in ('sitecustomize.py', 'conftest.py', 'json.py', 'os.py'):
    open(name, 'w').write('print(1)')
"""
    outputs = list(jail.run(program, [{"stdin": "a"}, {"stdin": "b"}]))
    assert [output.output for output in outputs] == [b"[] a\n", b"[] b\n"]


def test_a_large_stdin_may_be_ignored(jail):
    assert output_of(jail, "print('done')", "x" * 4_000_000).output == b"done\n"


def jailed_processes(uid):
    return [path for path in Path("/proc").glob("[0-9]*") if path.exists() and path.stat().st_uid == uid]


def test_a_hundred_runs_leave_no_process_file_or_descriptor(jail, monkeypatch, tmp_path):
    # A folder of its own: other tests that run at the same time have theirs in the shared one.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    programs = ["print(1)", "raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)", "open('x', 'w').write('x')"]
    output_of(jail, "print(1)")
    before = len(os.listdir("/proc/self/fd"))
    with ThreadPoolExecutor(4) as threads:
        outputs = list(threads.map(lambda number: output_of(jail, programs[number % 4]), range(100)))
    assert sum(output.output == b"1\n" for output in outputs) == 25
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(tempfile.gettempdir()) == []
    if IS_ROOT:
        assert soon(lambda: not jailed_processes(jail.uid))
