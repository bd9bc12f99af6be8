"""What the pool's tests call in other processes."""

import os
import signal
import subprocess
import sys
import threading
import time


def act(what, *arguments):
    return {
        "double": lambda x: 2 * x,
        "sleep": time.sleep,
        "spin": lambda: sum(1 for _ in iter(int, 1)),
        "exit": os._exit,
        "leave": sys.exit,
        "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
        "raise": lambda: [][1],
        "recurse": lambda: act("recurse"),
        "allocate": lambda megabytes: len(bytearray(megabytes * 2**20)),
        "pid": os.getpid,
        "unpicklable": lambda: lambda: None,
        "torch": lambda: "torch" in sys.modules,
        "print": lambda: print("noise") or "quiet",
        "deaf": _deaf,
        "big": lambda megabytes: b"x" * megabytes * 2**20,
        "fork": lambda: int(os.fork() > 0),
        "child": lambda: subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid and time.sleep(60),
    }[what](*arguments)


def _deaf():
    """Ignore every signal that can be ignored, and never end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(1)


def compute(seconds, how="python"):
    """Take processor time, then say that it is done."""
    if how == "no signals":
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF})
    if how == "in C":
        return sum(range(10**11))
    if how == "threads":
        threads = [threading.Thread(target=compute, args=(seconds,)) for _ in range(2)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return "done"


def start_and_compute(seconds=60):
    """Leave a process behind, and end over the limit or below it."""
    os.posix_spawn(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"], os.environ)
    return compute(seconds)
