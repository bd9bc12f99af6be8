"""Limits on the time, memory, processes and output of one program."""

from __future__ import annotations

from dataclasses import dataclass, fields

MB = 1024**2


@dataclass(frozen=True)
class Limits:
    """Limits of one program. The memory of the machine has to hold ``memory_mb * processes + files_mb`` per worker.

    Args:
        case_s: Seconds on the clock for one case. Less than needed turns right programs into wrong ones, so leave room
            for a busy machine.
        program_s: Seconds on the clock for all cases of a program.
        memory_mb: Address space of each of its processes.
        processes: Processes and threads that it may be at a time, itself included. `PlainSandbox` does not hold this.
        files_mb: All that it writes to files together; also the largest stdin.
        open_files: Files, pipes and sockets that one of its processes may have open.
        output_kb: Its stdout (or its encoded result) for one case, and also its stderr; more ends it.
        start_s: Seconds for the jail to start. Past them the verdict is ``error`` and no fault of the program.

    Raises:
        ValueError: One of them is not above zero.

    Example:
        >>> Limits(case_s=2.0).program_s
        20.0
    """

    case_s: float = 5.0
    program_s: float = 20.0
    memory_mb: int = 512
    processes: int = 4
    files_mb: int = 16
    open_files: int = 64
    output_kb: int = 256
    start_s: float = 15.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise ValueError(f"{field.name}={getattr(self, field.name)} would let no program run; give more than 0")
