"""Two network namespaces as two machines: each has an address of its own, and reaches the other over one cable."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CABLE = "rlf0"


def addresses() -> list[str]:
    """Return the addresses of the two machines: of a range that no network has, for tests and documents."""
    return ["192.0.2.1", "192.0.2.2"]


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


@functools.cache
def missing() -> str:
    """Return why there are no namespaces here; nothing if there are."""
    if shutil.which("ip") is None:
        return "there is no program ip (iproute2)"
    name = f"rlf{os.getpid()}try"
    if why := _ip("netns", "add", name):
        return f"no network namespaces without more rights: {why}"
    _ip("netns", "del", name)
    return ""


@contextmanager
def two_hosts() -> Iterator[list[str]]:
    """Make two namespaces joined by a cable, and yield their names; skip the test where that is not allowed."""
    if missing():
        pytest.skip(missing())
    names = [f"rlf{os.getpid()}{end}" for end in "ab"]
    try:
        for name in names:
            _must("netns", "add", name)
        _must("link", "add", CABLE, "netns", names[0], "type", "veth", "peer", "name", CABLE, "netns", names[1])
        for name, address in zip(names, addresses(), strict=True):
            _must("-n", name, "addr", "add", f"{address}/24", "dev", CABLE)
            for link in ("lo", CABLE):
                _must("-n", name, "link", "set", link, "up")
        yield names
    finally:
        for name in names:
            _ip("netns", "del", name)


def _must(*words: str) -> None:
    if why := _ip(*words):
        raise OSError(f"ip {' '.join(words)}: {why}")


def run_on(
    names: Sequence[str], commands: Sequence[Sequence[str]], environments: Sequence[Mapping[str, str]], seconds: float
) -> list[str]:
    """Run a command on each machine at the same time; return what they said, and fail with it if one fails."""
    common = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": CABLE, "PYTHONPATH": str(ROOT)}
    running = []
    try:
        for name, command, environment in zip(names, commands, environments, strict=True):
            given = {**os.environ, **common, **environment}
            words = ["ip", "netns", "exec", name, *command]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            running.append(subprocess.Popen(words, env=given, cwd=ROOT, text=True, **pipes))
        said = [process.communicate(timeout=seconds)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    for process, text in zip(running, said, strict=True):
        assert process.returncode == 0, "\n".join(text[-3000:] for text in said)
    return said
