"""Each wall of the jail by itself, as a program finds it, whether root or an ordinary user has built it.

Where two walls hold the same attack, each is tried with the other taken away: none may stand in name only.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rlframework.rewards.code import BubblewrapSandbox, CaseOutput, Limits
from rlframework.rewards.code.bubblewrap import _opened
from tests.rewards.code import as_ordinary_user, attacks
from tests.rewards.code.world import IS_ROOT, processes_with, soon

SIZES = {"case_s": 4.0, "memory_mb": 128, "processes": 4, "files_mb": 9, "open_files": 50, "output_kb": 64}
HELD = {
    "Max address space": 128 << 20,
    "Max cpu time": 5,
    "Max file size": 9 << 20,
    "Max open files": 50,
    "Max core file size": 0,
    "Max locked memory": 0,
    "Max processes": 5,
    "Max pending signals": 50,
}
NOBODY = 65534

# What it is like inside, beside a child, one that runs another program, and one whose parent has ended.
INSIDE = """
import json, os, subprocess, sys, time
if not os.fork():
    os.fork() or time.sleep(1)
    os._exit(0)
os.wait()
os.fork() or time.sleep(1) or os._exit(0)
subprocess.Popen(['/bin/sleep', '1'])
time.sleep(0.1)

def words(path, separator):
    pairs = (line.split(separator, 1) for line in open(path).read().splitlines() if separator in line)
    return {name.strip(): value.strip() for name, value in pairs}

def opens(path, mode):
    try:
        os.close(os.open(path, mode))
        return True
    except OSError:
        return False

def looks(call, path):
    try:
        call(path)
        return True
    except OSError:
        return False

processes = [int(name) for name in os.listdir('/proc') if name.isdigit()]
limits = {}
for process in processes:
    lines = open(f'/proc/{process}/limits').read().splitlines()[1:]
    limits[process] = {line[:26].strip(): line[26:].split()[:2] for line in lines}
mounts = []
for line in open('/proc/self/mountinfo'):
    _, _, _, _, point, options, *rest = line.split()
    mounts.append([point, options.split(','), rest[rest.index('-') + 1]])
print(json.dumps({
    'processes': processes,
    'first': open('/proc/1/cmdline').read(),
    'limits': limits,
    'status': {process: words(f'/proc/{process}/status', ':') for process in processes},
    'into the first': [
        *(f'{name} {mode}' for name in ('mem', 'environ', 'maps', 'clear_refs', 'oom_score_adj', 'comm')
          for mode in (os.O_RDONLY, os.O_WRONLY)
          if name in ('mem', 'environ', 'maps') or mode == os.O_WRONLY
          if opens(f'/proc/1/{name}', mode)),
        *(name for name in ('cwd', 'root', 'fd') if looks(os.listdir, f'/proc/1/{name}')),
        *(name for name in ('exe', 'cwd', 'root', 'fd/0') if looks(os.readlink, f'/proc/1/{name}')),
    ],
    'mounts': mounts,
    'namespaces': {name: os.readlink(f'/proc/self/ns/{name}') for name in os.listdir('/proc/self/ns')},
    'environment': dict(os.environ),
    'folder': [os.getcwd(), os.listdir('.')],
    'session': os.getsid(0),
    'interfaces': sorted(line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line),
    'devices': sorted(os.listdir('/dev')),
    'terminals': [os.listdir('/dev/pts'), opens('/dev/ptmx', os.O_RDWR), opens('/dev/tty', os.O_RDWR)],
    'empty': {name: os.listdir(name) for name in (
        '/dev/shm', '/usr/local', '/usr/share', '/usr/src', '/usr/games', '/usr/include') if os.path.isdir(name)},
    'room': os.statvfs('/tmp').f_blocks * os.statvfs('/tmp').f_frsize,
    'open': {name: os.readlink(f'/proc/self/fd/{name}').split(':')[0]
             for name in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{name}')},
    'identity': [os.getuid(), os.geteuid(), os.getgid()],
    'prefix': sys.prefix,
}))
"""


def by_an_ordinary_user(programs):
    """Run programs in the jail of a user without rights, which this process becomes one for."""
    shown = [str(Path(__file__).parents[3]), sys.prefix, sys.base_prefix]
    command = [sys.executable, "-m", as_ordinary_user.__name__]
    if IS_ROOT:
        identity = f"--reuid {NOBODY} --regid {NOBODY} --clear-groups --inh-caps=-all --bounding-set=-all".split()
        command = [*_opened(shown), "setpriv", *identity, "--", *command]
    done = subprocess.run(
        command,
        input=json.dumps({"limits": SIZES, "programs": programs}),
        capture_output=True,
        text=True,
        cwd=shown[0],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": shown[0], "TOKEN": "of the user"},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    if "unavailable" in answer:
        why = f"an ordinary user can have no jail here: {answer['unavailable']}"
        if os.environ.get("RLFRAMEWORK_REQUIRE_SANDBOX") == "1":
            raise AssertionError(why)
        pytest.skip(why)
    assert answer["uid"] == (NOBODY if IS_ROOT else os.geteuid())
    return [CaseOutput(output.pop("output").encode(), **output) for output in answer["outputs"]]


def run(jail, program):
    return next(jail.run(program, [{"stdin": ""}]))


ATTACKS = attacks.PROVEN | attacks.PROVEN_AS_ROOT | attacks.JAILED


@pytest.fixture(scope="module")
def of_an_ordinary_user(jail, world):
    programs = [INSIDE, *map(world.program, ATTACKS.values())]
    return dict(zip(["inside", *ATTACKS], by_an_ordinary_user(programs), strict=True))


@pytest.fixture(scope="module", params=["this user", "an ordinary user"])
def inside(request, jail):
    if request.param == "this user":
        output = run(BubblewrapSandbox(Limits(**SIZES)), INSIDE)
    else:
        output = request.getfixturevalue("of_an_ordinary_user")["inside"]
    assert output.exit_code == 0, output
    return json.loads(output.output)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_jail_of_an_ordinary_user_holds(of_an_ordinary_user, attack):
    output = of_an_ordinary_user[attack]
    assert b"breach" not in output.output, output
    assert "SyntaxError" not in output.stderr, output.stderr


def test_every_process_is_under_every_limit(inside):
    assert len(inside["processes"]) == 5
    for process, limits in inside["limits"].items():
        assert {name: limits[name] for name in HELD} == {name: [str(size)] * 2 for name, size in HELD.items()}, process


def test_no_process_has_more_rights_than_the_program(inside):
    for status in inside["status"].values():
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
        assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        uid = BubblewrapSandbox().uid if IS_ROOT else os.geteuid()
        assert set(status["Uid"].split() + status["Gid"].split()) <= {str(uid), str(NOBODY), str(os.getegid())}
    assert 0 not in inside["identity"]


def test_the_first_process_is_the_driver_and_shut(inside):
    assert inside["first"].split("\0")[1:3] == ["-I", "-S"]
    assert inside["into the first"] == []


def test_no_namespace_is_shared(inside):
    outside = {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}
    shared = {name for name, link in inside["namespaces"].items() if outside[name] == link}
    assert shared <= {"time", "time_for_children"}
    assert inside["interfaces"] == ["lo"]
    assert inside["session"] == 1


def test_only_tmp_can_be_written_and_has_its_size(inside):
    last = {point: (options, kind) for point, options, kind in inside["mounts"]}
    of_the_kernel = {point for point, (_, kind) in last.items() if kind in ("proc", "devtmpfs")}
    assert {point for point, (options, _) in last.items() if "rw" in options} - of_the_kernel == {"/tmp"}
    assert of_the_kernel <= {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty")} | {
        "/proc"
    }
    assert all("nosuid" in options for options, _ in last.values())
    assert last["/dev/pts"][1] == last["/tmp"][1] == "tmpfs"
    assert inside["room"] == 9 << 20
    assert inside["folder"] == ["/tmp", []]


def test_only_these_folders_are_shown(inside):
    points = {Path(point) for point, *_ in inside["mounts"]}
    system = {Path("/", *parts) for parts in [(), ("usr",), ("proc",), ("dev",), ("tmp",)]}
    system |= {Path("/", name) for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32")}
    prefix = Path(inside["prefix"])
    assert {point for point in points if point not in system and not point.is_relative_to("/dev")} - {prefix} == {
        point for point in points if point.is_relative_to("/usr/") or point.is_relative_to(prefix)
    } - {Path("/usr"), prefix}
    assert not any(inside["empty"].values())


def test_devices_and_terminals(inside):
    harmless = {"null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx", "shm", "fd", "core"}
    assert set(inside["devices"]) <= harmless | {"stdin", "stdout", "stderr"}
    assert inside["terminals"] == [[], False, False]


def test_the_environment_and_what_is_open(inside):
    assert inside["environment"] == {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PWD": "/tmp",
    }
    assert inside["open"] == {"0": "/tmp/.stdin (deleted)", "1": "pipe", "2": "pipe"}


def test_bubblewrap_clears_the_environment_by_itself(jail):
    with jail.launch() as launch:
        command = [*launch.arguments[: len(launch.arguments) - 7], "/usr/bin/env"]
        environment = {"PATH": os.environ["PATH"], "TOKEN": "of the trainer"}
        done = subprocess.run(command, env=environment, pass_fds=launch.pass_fds, capture_output=True, check=True)
    assert b"OMP_NUM_THREADS=1" in done.stdout
    assert b"TOKEN" not in done.stdout


def test_what_is_shown_cannot_be_written(jail):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        program = f"import os\nprint(os.access({folder!r}, os.R_OK))\nopen({folder!r} + '/x', 'w')"
        output = run(BubblewrapSandbox(Limits(**SIZES), [folder]), program)
        assert output.output == b"True\n"
        assert "Read-only file system" in output.stderr
        assert os.listdir(folder) == []


class WithoutFilter(BubblewrapSandbox):
    """All walls but the list of system calls."""

    @contextmanager
    def launch(self):
        with super().launch() as launch:
            arguments = list(launch.arguments)
            place = arguments.index("--seccomp")
            yield replace(launch, arguments=arguments[:place] + arguments[place + 2 :], pass_fds=[])


WITHOUT_A_FILTER = {
    name: ATTACKS[name]
    for name in (
        *("connect by socket", "connect by the C library", "ask a name server", "connect to a unix socket"),
        *("connect to an abstract unix socket", "signal another process", "trace another process"),
        *("a user namespace of its own", "clone into a user namespace", "mount", "remount"),
    )
} | {
    "write into the first process": "print('breach', open('/proc/1/mem', 'r+b'))",
    "attach to the first process": "print('breach' if libc.ptrace(0x4206, 1, None, None) == 0 else 'held')",
}


@pytest.mark.parametrize("attack", WITHOUT_A_FILTER)
def test_the_namespaces_hold_by_themselves(jail, world, attack):
    output = run(WithoutFilter(Limits(**SIZES)), world.program(WITHOUT_A_FILTER[attack]))
    assert b"breach" not in output.output, output
    assert "SyntaxError" not in output.stderr, output.stderr


def test_the_filter_is_what_refuses_the_rest(jail):
    """The same calls without it: they get further, so it is the filter that the other tests see."""
    program = "import os, socket\nos.memfd_create('x')\nsocket.socket()\nprint('further')"
    assert run(WithoutFilter(Limits(**SIZES)), program).output == b"further\n"
    assert b"PermissionError" in run(BubblewrapSandbox(Limits(**SIZES)), program).stderr.encode()


def test_no_signal_from_inside_reaches_the_first_process(jail):
    program = "import os, time\nfor number in [2] * 300 + [*range(1, 65)]: os.kill(1, number)\n"
    for _ in range(4):
        output = run(jail, program + "time.sleep(0.05)\nprint('on')")
        assert output.output == b"on\n", output


def test_an_interrupt_is_the_programs_own_as_ever(jail):
    program = "import signal\ntry: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: print('interrupted')"
    assert run(jail, program).output == b"interrupted\n"


@pytest.mark.skipif(not IS_ROOT, reason="only root gives rights up")
def test_root_gives_everything_up_before_bubblewrap_starts():
    """Were it installed with the set-user-id bit, it would have to find nothing that it could use."""
    jail = BubblewrapSandbox()
    with_more = ["setpriv", "--inh-caps=+chown", "--groups", "4,27", "--"]
    text = subprocess.check_output([*with_more, *jail._dropping([]), "cat", "/proc/self/status"], text=True)
    status = {name: value.strip() for name, value in (line.split(":", 1) for line in text.splitlines())}
    assert status["Uid"].split() == status["Gid"].split() == [str(jail.uid)] * 4
    assert status["Groups"] == ""
    assert status["NoNewPrivs"] == "1"
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}


@pytest.mark.parametrize("killed", ["bubblewrap", "run"])
def test_the_jail_ends_with_the_process_that_started_it(jail, killed):
    """Killed from outside, with nobody left to kill what is inside."""
    marker = f"alone-{time.time_ns()}"
    code = (
        "from rlframework.rewards.code import BubblewrapSandbox, Limits\n"
        f'program = \'import os, sys; os.execv(sys.executable, [sys.executable, "-c", '
        f'"import time; time.sleep(60)", "{marker}"])\'\n'
        "next(BubblewrapSandbox(Limits(case_s=60.0)).run(program, [{'stdin': ''}]))"
    )
    started = subprocess.Popen([sys.executable, "-c", code])
    try:
        assert soon(lambda: processes_with(marker), 20.0)
        [inner] = processes_with(marker)
        # bubblewrap's own process outside of the jail: the parent of the parent of the program's.
        outer = parent_of(parent_of(inner))
        os.kill(outer if killed == "bubblewrap" else started.pid, signal.SIGKILL)
        assert soon(lambda: not processes_with(marker))
    finally:
        started.kill()
        started.wait()


def parent_of(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
