"""Processes by machine, number and start: one that wrote its name down can be looked for later, by another process."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import psutil

# Clocks are set while processes run; a number is not given to another process so soon.
_SAME_START_S = 60.0


def this_process() -> dict[str, Any]:
    """Return the name of this process: host, machine, process id and start.

    ``machine`` is other after a reboot and in another container, where the same number is another process.
    """
    return {
        "host": platform.node(),
        "machine": _machine(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
    }


def process_state(named: Mapping[str, Any]) -> Literal["there", "gone"] | None:
    """Say whether a process is still there; None if it is of a machine that cannot be looked into from here.

    Args:
        named: As `this_process` returned it there.

    Example:
        >>> process_state(this_process()), process_state({"machine": "another", "pid": 1})
        ('there', None)
    """
    if named.get("machine") != _machine():
        return None
    try:
        process = psutil.Process(named["pid"])
        same = abs(process.create_time() - named["started"]) < _SAME_START_S
        return "there" if same and process.status() != psutil.STATUS_ZOMBIE else "gone"
    except psutil.NoSuchProcess:
        return "gone"


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return f"{platform.node()} {psutil.boot_time():.0f}"
