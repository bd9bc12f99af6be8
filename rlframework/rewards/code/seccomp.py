"""The system calls that a jailed program cannot make: a filter for the kernel, written out by hand."""

from __future__ import annotations

import os
import platform
import struct

from rlframework.rewards.code.process import sealed_file
from rlframework.rewards.code.sandbox import SandboxUnavailableError

EPERM, ENOSYS = 1, 38
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, KILL, FAIL_WITH = 0x7FFF0000, 0x80000000, 0x00050000
OFFSET_NUMBER, OFFSET_ARCHITECTURE = 0, 4
X32_NUMBERS = 0x40000000

AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# By reason. Memory that no process limit counts: segments and files that outlive their mapping. Sockets: those between
# a virtual machine and its host know no network namespace. The rest widens what of the kernel a program can attack.
DENIED: dict[str, tuple[int, int]] = {
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "socket": (41, 198),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
}
# Its flags stand in memory, where no filter sees them. Told that it does not exist, the C library uses `clone`.
CLONE3 = 435


def system_call_filter(machine: str | None = None) -> bytes:
    """Return the filter as ``bwrap --seccomp`` reads it.

    Args:
        machine: ``"x86_64"`` or ``"aarch64"``; by default this one.

    Raises:
        SandboxUnavailableError: The numbers of its system calls are not known here.

    Example:
        >>> len(system_call_filter("x86_64")) == 8 * (2 * len(DENIED) + 9)
        True
    """
    machine = machine or platform.machine()
    if machine not in AUDIT_ARCHITECTURES:
        raise SandboxUnavailableError(
            f"no filter of system calls for {machine!r}; there is one for {sorted(AUDIT_ARCHITECTURES)}"
        )
    column = sorted(AUDIT_ARCHITECTURES, reverse=True).index(machine)
    steps = [
        _step(LOAD, OFFSET_ARCHITECTURE),
        _step(JUMP_EQUAL, AUDIT_ARCHITECTURES[machine], if_true=1),
        _step(RETURN, KILL),
        _step(LOAD, OFFSET_NUMBER),
        # A second numbering of the same calls on x86_64.
        _step(JUMP_AT_LEAST, X32_NUMBERS, if_false=1),
        _step(RETURN, KILL),
        _step(JUMP_EQUAL, CLONE3, if_false=1),
        _step(RETURN, FAIL_WITH | ENOSYS),
    ]
    for numbers in DENIED.values():
        steps += [_step(JUMP_EQUAL, numbers[column], if_false=1), _step(RETURN, FAIL_WITH | EPERM)]
    return b"".join([*steps, _step(RETURN, ALLOW)])


def open_filter() -> int:
    """Return a file descriptor that bubblewrap reads the filter from, and that the caller closes."""
    with sealed_file(system_call_filter()) as file:
        return os.dup(file.fileno())


def _step(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
