"""The filter of system calls as the kernel reads it, written out by hand: a list of what is allowed."""

from __future__ import annotations

import functools
import os
import platform
import struct

from rlframework.rewards.code import system_calls
from rlframework.rewards.code.process import memory_file
from rlframework.rewards.code.sandbox import SandboxUnavailableError

EPERM, ENOSYS = 1, 38
LOAD, JUMP_EQUAL, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, FAIL_WITH = 0x7FFF0000, 0x00050000
OFFSET_NUMBER, OFFSET_ARCHITECTURE, OFFSET_ARGUMENTS = 0, 4, 16

AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Its flags stand in memory, where no filter sees them. Told that it does not exist, the C library uses `clone`.
CLONE3 = 435


@functools.cache
def system_call_filter(machine: str | None = None) -> bytes:
    """Return the filter as ``bwrap --seccomp`` reads it.

    What is not in `system_calls.ALLOWED` fails with EPERM, and so does every call by another numbering: of 32-bit
    programs, and the second one of 64-bit programs on x86_64 (x32), whose numbers are all above those of the first.

    Args:
        machine: ``"x86_64"`` or ``"aarch64"``; by default this one.

    Raises:
        SandboxUnavailableError: The numbers of its system calls are not known here.

    Example:
        >>> len(system_call_filter("aarch64")) < len(system_call_filter("x86_64")) < 4096 * 8
        True
    """
    machine = machine or platform.machine()
    if machine not in AUDIT_ARCHITECTURES:
        raise SandboxUnavailableError(
            f"no filter of system calls for {machine!r}; there is one for {sorted(AUDIT_ARCHITECTURES)}"
        )
    numbers = system_calls.numbers(machine)
    checked = numbers.keys() & (system_calls.ONLY.keys() | system_calls.WITHOUT.keys())
    plain = sorted(number for name, number in numbers.items() if name not in checked)
    refuse = _step(RETURN, FAIL_WITH | EPERM)
    steps = [
        _step(LOAD, OFFSET_ARCHITECTURE),
        _step(JUMP_EQUAL, AUDIT_ARCHITECTURES[machine], if_true=1),
        refuse,
        _step(LOAD, OFFSET_NUMBER),
        _step(JUMP_EQUAL, CLONE3, if_false=1),
        _step(RETURN, FAIL_WITH | ENOSYS),
    ]
    for name in sorted(checked):
        conditions = [
            *(_only(position, values) for position, values in system_calls.ONLY.get(name, {}).items()),
            *(_without(position, bits) for position, bits in system_calls.WITHOUT.get(name, {}).items()),
        ]
        block = [*(step for condition in conditions for step in condition), _step(RETURN, ALLOW)]
        steps += [_step(JUMP_EQUAL, numbers[name], if_false=len(block)), *block]
    # Each jumps over those that follow it and the refusal.
    steps += [_step(JUMP_EQUAL, number, if_true=len(plain) - position) for position, number in enumerate(plain)]
    return b"".join([*steps, refuse, _step(RETURN, ALLOW)])


def open_filter() -> int:
    """Return a file descriptor that bubblewrap reads the filter from, and that the caller closes."""
    with memory_file(system_call_filter()) as file:
        return os.dup(file.fileno())


def _only(position: int, values: tuple[int, ...]) -> list[bytes]:
    """Return the steps that refuse a call unless an argument is one of these."""
    jumps = [_step(JUMP_EQUAL, value, if_true=len(values) - index) for index, value in enumerate(values)]
    return [_load_argument(position), *jumps, _step(RETURN, FAIL_WITH | EPERM)]


def _without(position: int, bits: int) -> list[bytes]:
    """Return the steps that refuse a call if an argument has one of these bits."""
    return [_load_argument(position), _step(JUMP_ANY_BIT, bits, if_false=1), _step(RETURN, FAIL_WITH | EPERM)]


def _load_argument(position: int) -> bytes:
    # Its lower half: that is all that the kernel reads of those that are checked.
    return _step(LOAD, OFFSET_ARGUMENTS + 8 * position)


def _step(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
