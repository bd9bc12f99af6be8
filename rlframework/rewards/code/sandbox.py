"""The abstract sandbox for programs of a policy, and the output that it reports for each case."""

from __future__ import annotations

import inspect
import marshal
import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rlframework.rewards.code import driver
from rlframework.rewards.code.process import Finished, run_process
from rlframework.rewards.code.resource_limits import MB, Limits

# Runs inside, where this package is not.
DRIVER = inspect.getsource(driver) + "\n\nmain()\n"
# Of marshal: what every Python 3 reads.
JOB_FORMAT = 2


class SandboxError(RuntimeError):
    """The sandbox failed, so that nothing is known of the program."""


class SandboxUnavailableError(SandboxError):
    """The sandbox cannot be used on this machine; the message says why and what to do."""


@dataclass(frozen=True)
class Launch:
    """A command that runs the driver.

    Args:
        arguments: The program and its arguments.
        folder: Where it starts.
        pass_fds: File descriptors that it inherits in addition to the standard ones.
    """

    arguments: Sequence[str]
    folder: str = "/"
    pass_fds: Sequence[int] = ()


@dataclass(frozen=True)
class CaseOutput:
    """The output of a program for one case, or why there is none.

    Args:
        output: Its stdout, or its encoded result.
        exit_code: 0 where it ended well, negative or above 128 where a signal ended it.
        failure: The limit that ended it, if one did.
        stderr: What it wrote there, as text.
    """

    output: bytes
    exit_code: int = 0
    failure: Literal["", "time", "output"] = ""
    stderr: str = ""


class Sandbox(ABC):
    """Runs Python programs that nobody has read. Override `launch` and `probe`.

    Args:
        limits: What one program may use.
        packages: Folders of importable packages that programs may read.
    """

    # Whether the kernel counts only the jail's own processes, so that a limit on them can be set inside.
    counts_processes = True

    def __init__(self, limits: Limits | None = None, packages: Sequence[str | Path] = ()) -> None:
        self.limits = limits or Limits()
        self.packages = [str(Path(package).resolve()) for package in packages]

    @abstractmethod
    def launch(self) -> AbstractContextManager[Launch]:
        """Return a context with the command that runs `DRIVER`, locked up."""

    @abstractmethod
    def probe(self) -> None:
        """Try the sandbox out.

        Raises:
            SandboxUnavailableError: It does not run here.
        """

    def run(self, program: str, requests: Sequence[Mapping[str, Any]]) -> Generator[CaseOutput, None, None]:
        """Run a program on its cases, one after the other, and yield what comes of each.

        A case of stdin has a process of its own. Calls share one, as they do in a test file: there is nothing in it
        to be found out. It ends early where a limit ended the program.

        Args:
            program: Its source.
            requests: ``{"stdin": text}``, or ``{"call": name, "args": ..., "kwargs": ...}`` with encoded arguments.

        Raises:
            SandboxError: The sandbox did not start.
        """
        left_s = self.limits.program_s
        for calls, stdin in _batches(requests):
            finished = self._execute(program, calls, stdin, min(left_s, self.limits.case_s * max(len(calls), 1)))
            yield from _outputs(finished, len(calls))
            left_s -= finished.wall_s
            if finished.stop != "exit" or finished.exit_code:
                return
            if left_s <= 0:
                yield CaseOutput(b"", failure="time")
                return

    def _execute(self, program: str, calls: list[Mapping[str, Any]], stdin: bytes, wall_s: float) -> Finished:
        job = {"program": program, "calls": calls, "limits": self._limits(wall_s), "packages": self.packages}
        text = marshal.dumps(job, JOB_FORMAT)
        with self.launch() as launch:
            try:
                finished = run_process(
                    launch.arguments,
                    b"%0*d%b%b" % (driver.HEADER_DIGITS, len(text), text, stdin),
                    driver.READY,
                    start_s=self.limits.start_s,
                    wall_s=wall_s,
                    output_bytes=self.limits.output_kb * 1024 * max(len(calls), 1),
                    pass_fds=launch.pass_fds,
                    folder=launch.folder,
                )
            except OSError as error:
                raise SandboxError(f"the sandbox could not be started: {error}") from error
        if not finished.ready:
            raise SandboxError(_why_not_ready(finished))
        return finished

    def _limits(self, wall_s: float) -> dict[str, int]:
        limits = self.limits
        sizes = {
            "RLIMIT_AS": limits.memory_mb * MB,
            "RLIMIT_CPU": math.ceil(wall_s) + 1,
            "RLIMIT_FSIZE": limits.files_mb * MB,
            "RLIMIT_NOFILE": limits.open_files,
            "RLIMIT_CORE": 0,
            "RLIMIT_MEMLOCK": 0,
        }
        if self.counts_processes:
            # The jail's first process, which waits for the program, is counted too.
            sizes["RLIMIT_NPROC"] = limits.processes + 1
            # Signals that wait are counted for the user, whose jails all are.
            sizes["RLIMIT_SIGPENDING"] = limits.open_files
        return sizes


def _batches(requests: Sequence[Mapping[str, Any]]) -> list[tuple[list[Mapping[str, Any]], bytes]]:
    """Put neighbouring calls together; a case of stdin stands alone."""
    batches: list[tuple[list[Mapping[str, Any]], bytes]] = []
    for request in requests:
        if "stdin" in request:
            batches.append(([], request["stdin"].encode("utf-8", "surrogatepass")))
        elif batches and batches[-1][0]:
            batches[-1][0].append(request)
        else:
            batches.append(([request], b""))
    return batches


def _outputs(finished: Finished, calls: int) -> list[CaseOutput]:
    """Return one output for each case that was reached; a bad end is the end of the last of them."""
    failure = "" if finished.stop == "exit" else finished.stop
    stderr = finished.stderr.decode("utf-8", "replace")
    exit_code = finished.exit_code if not failure else 0
    if not calls:
        return [CaseOutput(finished.stdout, exit_code, failure, stderr)]
    lines = finished.stdout.split(b"\n")
    good = not failure and exit_code == 0
    if good:
        # Exactly one line for each call: with more of them it would not be clear which is the answer to which.
        return [CaseOutput(line) for line in lines[:-1]] if len(lines) == calls + 1 and not lines[-1] else []
    reached = min(len(lines) - 1, calls - 1)
    return [*map(CaseOutput, lines[:reached]), CaseOutput(b"", exit_code, failure, stderr)]


def _why_not_ready(finished: Finished) -> str:
    said = finished.stderr.decode("utf-8", "replace").strip()
    how = "ran out of time" if finished.stop == "time" else f"ended with exit code {finished.exit_code}"
    return f"the sandbox {how} before the program began, after {finished.wall_s:.1f} s: {said[-500:] or '(no message)'}"
