"""Programs that try to break out of the jail, to wear the machine down or to stay behind."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rlframework.rewards.code import BubblewrapSandbox, Limits
from tests.rewards.code import attacks

IS_ROOT = os.geteuid() == 0


class World:
    """What is there to be attacked: a secret, listeners, and a process of this user."""

    def __init__(self, folder):
        self.canary = secrets.token_hex(16)
        self.secret = folder / "secret"
        self.secret.write_text("treasure")
        self.secret.chmod(0o644)
        self.hits = Counter()
        self.sockets = [
            socket.create_server(("127.0.0.1", 0)),
            socket.socket(socket.AF_UNIX),
            socket.socket(socket.AF_UNIX),
        ]
        self.port = self.sockets[0].getsockname()[1]
        self.sockets[1].bind(f"{self.secret}-socket")
        self.sockets[2].bind("\0" + self.canary)
        for listener in self.sockets[1:]:
            listener.listen()
        os.chmod(f"{self.secret}-socket", 0o777)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        threading.Thread(target=self.answer, daemon=True).start()
        # Reversed, so that the text of a program that looks for it does not hold it.
        hidden = self.canary[::-1]
        self.victim = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(300)", hidden], env={"TOKEN": hidden}
        )

    def answer(self):
        while True:
            try:
                _, sender = self.udp.recvfrom(99)
                self.udp.sendto(b"it is", sender)
            except OSError:
                return

    def program(self, attack):
        names = {"SECRET": str(self.secret), "CANARY": self.canary, "PORT": self.port, "VICTIM": self.victim.pid}
        assignments = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        return attacks.PREFIX + assignments + attack

    def close(self):
        self.victim.kill()
        self.victim.wait()
        for listener in (*self.sockets, self.udp):
            listener.close()


@pytest.fixture(scope="module")
def world():
    # Not below pytest's own folder, which only this user can enter: the secret has to be one for others too.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        world = World(Path(folder))
        yield world
        world.close()


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


def soon(condition, limit_s=5.0):
    """The kernel takes a namespace apart a moment after its first process has ended."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def processes_with(text):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


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


def test_two_hundred_runs_leave_no_process_file_or_descriptor(jail, monkeypatch, tmp_path):
    # A folder of its own: other tests that run at the same time have theirs in the shared one.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    programs = ["print(1)", "raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)", "open('x', 'w').write('x')"]
    output_of(jail, "print(1)")
    before = len(os.listdir("/proc/self/fd"))
    with ThreadPoolExecutor(4) as threads:
        outputs = list(threads.map(lambda number: output_of(jail, programs[number % 4]), range(200)))
    assert sum(output.output == b"1\n" for output in outputs) == 50
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(tempfile.gettempdir()) == []
    if IS_ROOT:
        assert soon(lambda: not jailed_processes(jail.uid))
