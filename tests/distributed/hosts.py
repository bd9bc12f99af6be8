"""Network namespaces as machines: each has an address of its own and one cable, which can be pulled."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CABLE = "rlf0"


def addresses() -> list[str]:
    """Return the addresses of the machines: of a range that no network has, for tests and documents."""
    return [f"192.0.2.{number}" for number in range(1, 5)]


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
def make_hosts(count: int) -> Iterator[list[str]]:
    """Make namespaces, each with a cable to one switch, and yield their names; skip the test where that is refused."""
    if missing():
        pytest.skip(missing())
    switch = f"rlf{os.getpid()}"
    names = [f"{switch}{end}" for end in "abcd"[:count]]
    try:
        for name in (switch, *names):
            _must("netns", "add", name)
        _must("-n", switch, "link", "add", "bridge", "type", "bridge")
        _must("-n", switch, "link", "set", "bridge", "up")
        for name, address in zip(names, addresses(), strict=False):
            end = f"to-{name[-1]}"
            _must("link", "add", CABLE, "netns", name, "type", "veth", "peer", "name", end, "netns", switch)
            _must("-n", switch, "link", "set", end, "master", "bridge")
            _must("-n", switch, "link", "set", end, "up")
            _must("-n", name, "addr", "add", f"{address}/24", "dev", CABLE)
            for link in ("lo", CABLE):
                _must("-n", name, "link", "set", link, "up")
        yield names
    finally:
        for name in (*names, switch):
            _ip("netns", "del", name)


def unplug(name: str) -> None:
    """Pull the cable of a machine: nobody is told, what is sent is lost."""
    _must("-n", name, "link", "set", CABLE, "down")


def plug(name: str) -> None:
    """Put the cable in again."""
    _must("-n", name, "link", "set", CABLE, "up")


def _must(*words: str) -> None:
    if why := _ip(*words):
        raise OSError(f"ip {' '.join(words)}: {why}")


def hiding(folder: Path, command: Sequence[str]) -> list[str]:
    """Return a command whose process, and no other, finds a folder empty; as it is where that is not allowed."""
    apart = ["unshare", "--mount", *_empty([folder], command)]
    allowed = shutil.which("unshare") and not subprocess.run(["unshare", "--mount", "true"], check=False).returncode
    return apart if allowed else list(command)


def _empty(folders: Sequence[Path], command: Sequence[str]) -> list[str]:
    """Return a command that hides folders from itself; in a mount namespace of its own, as `ip netns exec` makes."""
    mounts = [f"mount -t tmpfs none {shlex.quote(str(folder))}" for folder in folders]
    return ["sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh", *command]


@contextmanager
def running_on(
    names: Sequence[str],
    commands: Sequence[Sequence[str]],
    environments: Sequence[Mapping[str, str]],
    hidden: Sequence[Sequence[Path]] | None = None,
) -> Iterator[list[subprocess.Popen[str]]]:
    """Run a command on each machine inside the context, where its folders of ``hidden`` are empty."""
    common = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": CABLE, "PYTHONPATH": str(ROOT)}
    running: list[subprocess.Popen[str]] = []
    empty = hidden or [[]] * len(names)
    try:
        for name, command, environment, folders in zip(names, commands, environments, empty, strict=True):
            given = {**os.environ, **common, **environment}
            words = ["ip", "netns", "exec", name, *_empty(folders, command)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            running.append(subprocess.Popen(words, env=given, cwd=ROOT, text=True, **pipes))
        yield running
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def run_on(
    names: Sequence[str],
    commands: Sequence[Sequence[str]],
    environments: Sequence[Mapping[str, str]],
    seconds: float,
    hidden: Sequence[Sequence[Path]] | None = None,
) -> list[str]:
    """Run a command on each machine at the same time; return what they said, and fail with it if one fails."""
    with running_on(names, commands, environments, hidden) as running:
        said = [process.communicate(timeout=seconds)[0] for process in running]
    for process in running:
        assert process.returncode == 0, "\n".join(text[-3000:] for text in said)
    return said
