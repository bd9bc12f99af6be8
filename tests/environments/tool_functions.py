"""What the tests of callers call as tools, also in other processes."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from rlframework.environments import ToolError


class PickyError(Exception):
    """Cannot be made again from its message alone."""

    def __init__(self, one, other):
        super().__init__(f"{one} or {other}")


def act(what: str, number: float = 0.0) -> str:
    """Do something.

    Args:
        what: The name of what is done.
        number: Something for it.
    """
    return {
        "say": lambda: f"said {number:g}",
        "sleep": lambda: time.sleep(number) or "slept",
        "refuse": lambda: refuse("not like this: ask again"),
        "value": lambda: int("a"),
        "key": lambda: {}["k"],
        "picky": lambda: _raise(PickyError(1, 2)),
        "broken": lambda: _raise(OSError("disk full")),
        "exit": lambda: os._exit(3),
        "abort": os.abort,
        "unpicklable": lambda: lambda: None,
        "print": lambda: print("noise", file=sys.stderr) or "quiet",
        "close": lambda: os.close(1) or "closed",
        "fork": lambda: f"forked {os.fork() > 0}",
        "leave": lambda: subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) and "left",
        "big": lambda: "a" * 100_000_000,
        "torch": lambda: str("torch" in sys.modules),
        "pid": lambda: str(os.getpid()),
    }[what]()


def refuse(why: str) -> str:
    """Refuse.

    Args:
        why: What the policy is told.
    """
    raise ToolError(why)


def _raise(error):
    raise error


async def wait(seconds: float, then: str = "waited") -> str:
    """Wait.

    Args:
        seconds: How long.
        then: What is returned, or what goes wrong.
    """
    await asyncio.sleep(seconds)
    if then == "refuse":
        raise ToolError("not like this")
    if then == "value":
        int("a")
    if then == "broken":
        raise OSError("no network")
    return then


async def block(file: str, seconds: float) -> str:
    """Wait without awaiting, and note each time that it is called.

    Args:
        file: Where.
        seconds: How long.
    """
    with Path(file).open("a") as notes:
        notes.write("called\n")
    time.sleep(seconds)
    return "unblocked"


async def note(file: str, seconds: float) -> str:
    """Note each time that it is called, and wait.

    Args:
        file: Where.
        seconds: How long.
    """
    with Path(file).open("a") as notes:
        notes.write("noted\n")
    await asyncio.sleep(seconds)
    return "noted"
