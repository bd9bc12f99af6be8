"""What programs may ask of the kernel: all that Python's standard library needs, and nothing else."""

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rlframework.rewards.code import BubblewrapSandbox, Limits
from rlframework.rewards.code.seccomp import CLONE3
from rlframework.rewards.code.system_calls import ONLY, WITHOUT, numbers

# Each prints what it should, in words that a part of it could not have printed.
WORKS = {
    "threads": (
        "import threading\nfound = []\n"
        "threads = [threading.Thread(target=found.append, args=(number,)) for number in range(2)]\n"
        "[thread.start() for thread in threads], [thread.join() for thread in threads]\nprint(sorted(found))",
        "[0, 1]",
    ),
    "thread pools": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as pool: print(list(pool.map(abs, [-1, 2])))",
        "[1, 2]",
    ),
    "a deep stack in a thread": (
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(64 << 20)\n"
        "def f(n): return n and f(n - 1)\n"
        "thread = threading.Thread(target=lambda: print(f(20000)))\nthread.start()\nthread.join()",
        "0",
    ),
    "fork, exec, wait": (
        "import os\nchild = os.fork()\nif not child: os._exit(3)\nprint(os.waitpid(child, 0)[1] >> 8, end=' ')\n"
        "child = os.posix_spawn('/bin/true', ['true'], {})\nprint(os.waitid(os.P_PID, child, os.WEXITED).si_status)",
        "3 0",
    ),
    "subprocess": (
        "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(7)'], capture_output=True).stdout)",
        r"b'7\n'",
    ),
    "a shell with a pipe": ("import os\nprint(os.popen('echo a b | wc -w').read().strip())", "2"),
    "asyncio": (
        "import asyncio\nasync def main():\n  await asyncio.sleep(0.01)\n"
        "  child = await asyncio.create_subprocess_exec('/bin/echo', 'a', stdout=-1)\n"
        "  return await asyncio.to_thread(abs, -3), await child.communicate()\nprint(asyncio.run(main()))",
        r"(3, (b'a\n', None))",
    ),
    "multiprocessing by fork, with a pipe": (
        "import multiprocessing\ndef f(pipe): pipe.send(4)\nhere, there = multiprocessing.Pipe()\n"
        "child = multiprocessing.get_context('fork').Process(target=f, args=(there,))\nchild.start()\n"
        "print(here.recv(), child.join(), child.exitcode)",
        "4 None 0",
    ),
    "multiprocessing by spawn": (
        "import multiprocessing\nif __name__ == '__main__':\n"
        "  child = multiprocessing.get_context('spawn').Process(target=print, args=(4,), kwargs={'flush': True})\n"
        "  child.start()\n  child.join()\n  print(child.exitcode)",
        "4\n0",
    ),
    "tempfile": (
        "import os, tempfile\nwith tempfile.TemporaryDirectory() as folder:\n  open(folder + '/x', 'w').write('a')\n"
        "  with tempfile.NamedTemporaryFile(dir=folder) as file, tempfile.TemporaryFile() as other:\n"
        "    print(file.write(b'x'), other.write(b'xy'), len(os.listdir(folder)))\nprint(os.listdir('.'))",
        "1 2 2\n[]",
    ),
    "files and folders": (
        "import os, pathlib, shutil\nd = pathlib.Path('d')\nd.mkdir()\n(d / 'x').write_text('abc')\n"
        "(d / 'y').symlink_to('x')\nos.link('d/x', 'd/z')\nos.rename('d/z', 'd/w')\n(d / 'w').chmod(0o600)\n"
        "os.utime('d/x')\nos.mkfifo('d/fifo')\nshutil.copytree('d', 'e', ignore=shutil.ignore_patterns('fifo'))\n"
        "shutil.copy2('d/x', 'e/v')\nshutil.move('e/v', 'e/u')\nshutil.rmtree('d')\nos.chdir('e')\n"
        "print(sorted(os.listdir()), (pathlib.Path('y')).read_text(), shutil.disk_usage('.').total)",
        "['u', 'w', 'x', 'y'] abc 16777216",
    ),
    "file descriptors": (
        "import fcntl, os\nsource, target = (os.open(name, os.O_RDWR | os.O_CREAT) for name in 'ab')\n"
        "os.posix_fallocate(source, 0, 99)\nos.pwrite(source, b'abc', 1)\nos.lseek(source, 0, 0)\nos.fsync(source)\n"
        "print(os.copy_file_range(source, target, 9), os.sendfile(target, source, 0, 5), os.pread(target, 3, 1))\n"
        "os.ftruncate(target, 2)\nos.set_blocking(os.dup(target), False)\nfcntl.flock(target, fcntl.LOCK_EX)\n"
        "fcntl.lockf(target, fcntl.LOCK_EX)\nprint(os.isatty(target), os.readv(source, [bytearray(3)]))",
        "9 5 b'abc'\nFalse 3",
    ),
    "archives": (
        "import shutil\nopen('x', 'w').write('abc')\nfor kind in ('zip', 'gztar', 'bztar', 'xztar'):\n"
        "  shutil.unpack_archive(shutil.make_archive('p', kind, '.', 'x'), kind)\n  print(open(kind + '/x').read())",
        "abc\nabc\nabc\nabc",
    ),
    "sqlite": (
        "import sqlite3\nfor name in (':memory:', 'x.db'):\n  base = sqlite3.connect(name)\n"
        "  base.execute('pragma journal_mode=wal')\n  base.execute('create table t(a)')\n"
        "  base.execute('insert into t values(3)')\n  base.commit()\n"
        "  print(base.execute('select a from t').fetchall())",
        "[(3,)]\n[(3,)]",
    ),
    "mmap": (
        "import mmap\nm = mmap.mmap(-1, 4096)\nm[:2] = b'ab'\nm.resize(8192)\nm.flush()\nprint(m[:2])\n"
        "file = open('x', 'w+b')\nfile.write(b'abcd')\nfile.flush()\nn = mmap.mmap(file.fileno(), 0)\nn[0:1] = b'z'\n"
        "n.flush()\nprint(open('x').read())",
        "b'ab'\nzbcd",
    ),
    "select, poll, epoll, eventfd": (
        "import os, select\nr, w = os.pipe()\nos.write(w, b'x')\np = select.poll()\np.register(r)\n"
        "e = select.epoll()\ne.register(r)\n"
        "print(select.select([r], [], [], 1)[0] == [r], len(p.poll(9)), len(e.poll(1)), os.eventfd(0) > 0)",
        "True 1 1 True",
    ),
    "pairs of sockets": (
        "import socket\na, b = socket.socketpair()\na.settimeout(1)\na.sendall(b'x')\na.shutdown(socket.SHUT_WR)\n"
        "print(b.recv(1), b.recv(1), b.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE))",
        "b'x' b'' 1",
    ),
    "signals and alarms": (
        "import os, signal, time\nsignal.signal(signal.SIGALRM, lambda *_: print('alarm'))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.02)\nsignal.pause()\nsignal.alarm(1)\nprint(signal.alarm(0))\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [10])\nos.kill(os.getpid(), 10)\n"
        "print(len(signal.sigpending()), int(signal.sigwait([10])), signal.sigtimedwait([10], 0.01))",
        "alarm\n1\n1 10 None",
    ),
    "time": (
        "import datetime, time\ntime.sleep(0.01)\nprint(time.process_time() > 0, time.thread_time() > 0, "
        "time.clock_getres(1) > 0, datetime.datetime.now().astimezone().tzname())",
        "True True True UTC",
    ),
    "itself": (
        "import getpass, os, platform, resource, uuid\nresource.setrlimit(resource.RLIMIT_STACK, (1 << 22, -1))\n"
        "os.sched_setaffinity(0, os.sched_getaffinity(0))\nos.setpgid(0, 0)\n"
        "print(platform.system(), os.cpu_count() > 0, resource.getrusage(0).ru_maxrss > 0, os.nice(1), "
        "uuid.uuid4().version, uuid.uuid1().version, os.getpgid(0) == os.getpid(), os.sched_getscheduler(0))",
        f"Linux True True {min(19, os.nice(0) + 1)} 4 1 True 0",
    ),
    "chance and digests": (
        "import hashlib, os, random, secrets\nprint(len(os.urandom(9)), len(secrets.token_bytes(9)), "
        "random.SystemRandom().random() < 1, hashlib.scrypt(b'', salt=b'a', n=2, r=1, p=1)[:1])",
        "9 9 True b'C'",
    ),
    "logging, tracing, profiles": (
        "import cProfile, logging, pstats, tracemalloc\nlogging.basicConfig(filename='x')\nlogging.warning('w')\n"
        "tracemalloc.start()\ncProfile.run('1 + 1', 'y')\n"
        "print(open('x').read(), tracemalloc.get_traced_memory()[0] > 0, pstats.Stats('y').total_calls > 0)",
        "WARNING:root:w\n True True",
    ),
    "everything that is imported at once": (
        "import asyncio, bisect, collections, concurrent.futures, csv, ctypes, dataclasses, decimal, difflib, doctest\n"
        "import email, fractions, functools, heapq, html, http.client, inspect, itertools, json, multiprocessing\n"
        "import numbers, operator, pickle, pprint, queue, re, sched, shlex, ssl, statistics, string, struct, textwrap\n"
        "import tomllib, typing, unittest, urllib.request, weakref, xml.etree.ElementTree, zipfile\nprint('all')",
        "all",
    ),
}

# What docs/rewards/code.md says that they cannot have, and how Python says so.
REFUSED = {
    "sockets": ("import socket\nsocket.socket()", "PermissionError"),
    "locks between processes": ("import multiprocessing\nmultiprocessing.Lock()", "Read-only file system"),
    "pools of processes": ("import multiprocessing\nmultiprocessing.Pool(1)", "Read-only file system"),
    "shared memory": (
        "from multiprocessing.shared_memory import SharedMemory\nSharedMemory(create=True, size=9)",
        "Read-only file system",
    ),
    "pseudo terminals": ("import pty\npty.openpty()", "out of pty devices"),
    "time zones": ("import zoneinfo\nzoneinfo.ZoneInfo('Europe/Berlin')", "ZoneInfoNotFoundError"),
    "nameless files": ("import os\nos.memfd_create('x')", "PermissionError"),
    "extended attributes": ("import os\nopen('x', 'w')\nos.setxattr('x', 'user.a', b'1')", "PermissionError"),
    "a larger pipe": ("import fcntl, os\nfcntl.fcntl(os.pipe()[0], 1031, 1 << 20)", "PermissionError"),
    "limits of the first process": (
        "import resource\nresource.prlimit(1, resource.RLIMIT_NOFILE, (9, 9))",
        "PermissionError",
    ),
    "priority of the first process": ("import os\nos.setpriority(os.PRIO_PROCESS, 1, 9)", "PermissionError"),
    "priority of the user": ("import os\nos.setpriority(os.PRIO_USER, 0, 9)", "PermissionError"),
    "typing into a terminal": ("import fcntl\nfcntl.ioctl(0, 0x5412, b'x')", "PermissionError"),
    "pairs of other sockets": (
        "import socket\nsocket.socketpair(socket.AF_TIPC if hasattr(socket, 'AF_TIPC') else 30)",
        "PermissionError",
    ),
    "namespaces by clone": (
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "number = {'x86_64': 56, 'aarch64': 220}[os.uname().machine]\n"
        "if not libc.syscall(number, 0x10000011, 0, 0, 0, 0): os._exit(0)\nraise OSError(ctypes.get_errno(), 'clone')",
        "PermissionError",
    ),
    "settings of a process": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.prctl(1, 0, 0, 0, 0): raise OSError(ctypes.get_errno(), 'prctl')",
        "PermissionError",
    ),
    "huge pages": ("import mmap\nmmap.mmap(-1, 1 << 21, mmap.MAP_PRIVATE | 0x40020)", "PermissionError"),
}

ASKS_FOR_EVERYTHING = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
for number in map(int, input().split()):
    ctypes.set_errno(0)
    # Arguments that no call can make anything of.
    if libc.syscall(*map(ctypes.c_long, (number, -1, -1, -1, -1, -1, -1))) != -1 or ctypes.get_errno() != 1:
        print(number, ctypes.get_errno())
print('done')
"""

# Each in a child, since some of them end it or wait for ever.
ASKS_FOR_WHAT_IS_LISTED = """
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
for number in map(int, input().split()):
    child = os.fork()
    if not child:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        ctypes.set_errno(0)
        failed = libc.syscall(*map(ctypes.c_long, (number, -1, -1, -1, -1, -1, -1))) == -1
        os._exit(77 if failed and ctypes.get_errno() == 1 else 0)
    if os.waitpid(child, 0)[1] == 77 << 8:
        print(number)
print('done')
"""

# As 32-bit programs ask: getpid, whose number is another one there.
BY_ANOTHER_NUMBERING = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 20; int 0x80; ret
print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))())
"""


@pytest.fixture(scope="module")
def roomy(jail):
    # Time is not what these tests are about, and importing all there is takes long on a busy machine.
    return BubblewrapSandbox(Limits(case_s=60.0))


@pytest.fixture(scope="module")
def outputs(roomy):
    programs = {name: program for name, (program, _) in (WORKS | REFUSED).items()}
    with ThreadPoolExecutor(2) as threads:
        found = threads.map(lambda program: next(roomy.run(program, [{"stdin": "x"}])), programs.values())
        return dict(zip(programs, found, strict=True))


@pytest.mark.parametrize("use", WORKS)
def test_the_standard_library_works(outputs, use):
    assert outputs[use].output.decode().strip() == WORKS[use][1], outputs[use]
    assert outputs[use].exit_code == 0


@pytest.mark.parametrize("use", REFUSED)
def test_what_they_cannot_have_raises(outputs, use):
    assert REFUSED[use][1] in outputs[use].stderr, outputs[use]
    assert outputs[use].exit_code == 1


def test_every_call_that_is_not_listed_fails_with_eperm(roomy):
    known = set(numbers(platform.machine()).values())
    if platform.machine() == "x86_64":
        # uretprobe and uprobe: newer kernels ask no filter, and kill who calls them from elsewhere than a probe.
        known |= {335, 336}
    # x32 has the numbers of x86_64 with one more bit.
    asked = [number for number in range(600) if number not in known | {CLONE3}]
    asked += [0x40000000 | number for number in range(600)] + [1 << 20, 2**31 - 1]
    [output] = roomy.run(ASKS_FOR_EVERYTHING, [{"stdin": " ".join(map(str, asked))}])
    assert output.output == b"done\n", output


def test_every_call_that_is_listed_is_let_through(roomy):
    listed = numbers(platform.machine())
    asked = [number for name, number in listed.items() if name not in ONLY.keys() | WITHOUT.keys()]
    [output] = roomy.run(ASKS_FOR_WHAT_IS_LISTED, [{"stdin": " ".join(map(str, asked))}])
    assert output.output == b"done\n", output


@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86")
def test_another_numbering_is_refused(roomy):
    [output] = roomy.run(BY_ANOTHER_NUMBERING, [{"stdin": ""}])
    assert output.output == b"-1\n", output


def test_what_no_limit_counts_or_what_leads_outside_is_not_listed():
    counted = {"io_setup", "io_uring_setup", "add_key", "keyctl", "memfd_create", "memfd_secret", "shmget", "semget"}
    counted |= {"msgget", "mq_open", "timer_create", "inotify_init1", "fanotify_init", "mlock", "mbind", "setxattr"}
    outside = {"socket", "connect", "bind", "ptrace", "process_vm_writev", "pidfd_getfd", "unshare", "setns", "mount"}
    outside |= {"bpf", "perf_event_open", "userfaultfd", "vmsplice", "open_by_handle_at", "clone3", "seccomp"}
    for machine in ("x86_64", "aarch64"):
        assert not numbers(machine).keys() & (counted | outside)


def test_the_checked_calls_are_listed_and_no_number_stands_twice():
    for machine in ("x86_64", "aarch64"):
        found = numbers(machine)
        assert ONLY.keys() | WITHOUT.keys() <= found.keys()
        assert len(set(found.values())) == len(found)


HEADERS = {
    "x86_64": [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")],
    "aarch64": [Path("/usr/include/asm-generic/unistd.h")],
}


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_the_kernels(machine):
    headers = [path for path in HEADERS[machine] if path.exists()]
    if not headers:
        pytest.skip(f"without the kernel's headers for {machine}")
    lines = [line.split() for line in headers[0].read_text().splitlines() if line.startswith("#define __NR")]
    kernels = {
        words[1].removeprefix("__NR3264_").removeprefix("__NR_"): int(words[2])
        for words in lines
        if len(words) > 2 and words[2].isdigit()
    }
    kernels.setdefault("newfstatat", kernels.get("fstatat", -1))
    # Headers may be older than the newest calls.
    known = numbers(machine).keys() & kernels.keys()
    assert len(known) > len(numbers(machine)) - 6
    assert {name: kernels[name] for name in known} == {name: numbers(machine)[name] for name in known}
