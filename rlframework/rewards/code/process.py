"""Running one command that may do anything: its input from memory, its output up to a size, its time up to a limit."""

from __future__ import annotations

import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Literal, cast

CHUNK_BYTES = 65_536
# A killed namespace is gone within milliseconds; a machine that needs longer than this is broken.
KILL_S = 10.0


@dataclass
class Finished:
    """The end of a command; ``ready`` says whether its output began as agreed, and ``stdout`` is what came after."""

    ready: bool
    stop: Literal["exit", "time", "output"]
    exit_code: int
    stdout: bytes
    stderr: bytes
    wall_s: float


def run_process(
    command: Sequence[str],
    stdin: bytes,
    ready: bytes,
    *,
    start_s: float,
    wall_s: float,
    output_bytes: int,
    pass_fds: Sequence[int] = (),
    folder: str = "/",
) -> Finished:
    """Run a command in a session of its own and kill what is left of it.

    Args:
        command: The program and its arguments.
        stdin: All that it can read.
        ready: What its stdout begins with once it has started.
        start_s: Seconds until then.
        wall_s: Seconds from then until it is killed.
        output_bytes: Bytes of stdout after ``ready``, and of stderr, until it is killed.
        pass_fds: File descriptors that it inherits.
        folder: Where it starts.
    """
    begun = time.monotonic()
    with memory_file(stdin) as source:
        process = subprocess.Popen(  # noqa: S603 - running what is not trusted is the point
            command,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin"},
            start_new_session=True,
            pass_fds=pass_fds,
        )
    stdout_pipe, stderr_pipe = cast(IO[bytes], process.stdout), cast(IO[bytes], process.stderr)
    with stdout_pipe, stderr_pipe:
        reader = _Reader(stdout_pipe, stderr_pipe, ready, output_bytes)
        try:
            stop = reader.read(begun + start_s, wall_s)
            if stop == "exit":
                # Both pipes are closed: it has ended, or is a program that closed them and goes on.
                stop = _wait(process, reader.deadline)
        finally:
            _kill(process)
            reader.drain(time.monotonic() + KILL_S)
    stdout = bytes(reader.stdout)
    return Finished(
        reader.is_ready,
        stop,
        process.returncode,
        stdout[len(ready) :] if reader.is_ready else stdout,
        bytes(reader.stderr),
        time.monotonic() - begun,
    )


def memory_file(content: bytes) -> IO[bytes]:
    """Return a file in memory that is read from its beginning."""
    file = os.fdopen(os.memfd_create("job", os.MFD_CLOEXEC), "w+b")
    file.write(content)
    file.flush()
    file.seek(0)
    return file


class _Reader:
    """Takes what a process writes, within limits of size and time."""

    def __init__(self, stdout: IO[bytes], stderr: IO[bytes], ready: bytes, output_bytes: int) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.is_ready = False
        self.deadline = 0.0
        self._pipes = {stdout: self.stdout, stderr: self.stderr}
        self._ready = ready
        self._output_bytes = output_bytes

    def read(self, start_deadline: float, wall_s: float) -> Literal["exit", "time", "output"]:
        """Read until both pipes are closed or a limit is reached, and say which."""
        self.deadline = start_deadline
        with selectors.DefaultSelector() as selector:
            for pipe in self._pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                left = self.deadline - time.monotonic()
                if left <= 0:
                    return "time"
                for key, _ in selector.select(left):
                    taken = self._pipes[key.fileobj]  # type: ignore[index]
                    chunk = os.read(key.fd, CHUNK_BYTES)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    taken += chunk
                if not self.is_ready and self.stdout.startswith(self._ready):
                    self.is_ready = True
                    self.deadline = time.monotonic() + wall_s
                if self._overflows():
                    return "output"
        return "exit"

    def drain(self, deadline: float) -> None:
        """Throw away the rest: the pipes close when the last process that holds them is gone."""
        for pipe in self._pipes:
            poll = select.poll()
            poll.register(pipe, select.POLLIN)
            while poll.poll(1000 * max(deadline - time.monotonic(), 0)) and os.read(pipe.fileno(), CHUNK_BYTES):
                pass

    def _overflows(self) -> bool:
        stdout, stderr = self.stdout, self.stderr
        allowed = self._output_bytes + (len(self._ready) if self.is_ready else 0)
        if len(stdout) <= allowed and len(stderr) <= self._output_bytes:
            return False
        del stdout[allowed:], stderr[self._output_bytes :]
        return True


def _wait(process: subprocess.Popen[bytes], deadline: float) -> Literal["exit", "time"]:
    """Wait for the end without collecting it: until then no other process can get its number."""
    ended = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        return "exit" if poll.poll(1000 * max(deadline - time.monotonic(), 0.05)) else "time"
    finally:
        os.close(ended)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the session's processes; those of a jail die with its first one."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(KILL_S)
