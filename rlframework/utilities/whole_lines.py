"""Files of lines that are only appended to: a write is all there or not at all, and half a line is mended."""

from __future__ import annotations

import fcntl
import json
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def append_lines(path: str | Path, lines: bytes) -> int:
    r"""Append all of the lines or none.

    Args:
        path: The file; it is made if need be.
        lines: Whole lines.

    Returns:
        Where the file ends now.

    Raises:
        OSError: They cannot be written, as on a full disk; the file is as it was.

    Example:
        >>> import tempfile
        >>> append_lines(Path(tempfile.mkdtemp(), "log"), b"one\n")
        4
    """
    with Path(path).open("ab", buffering=0) as file:
        with suppress(OSError):  # of a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, 2)
        try:
            left = memoryview(lines)
            while left:
                left = left[file.write(left) :]
        except OSError:
            file.truncate(end)
            raise
        return end + len(lines)


def end_last_line(path: str | Path, is_whole: Callable[[bytes], bool]) -> None:
    r"""Remove half a line at the end of a file, and say so; give a whole one the end that it lacks.

    Args:
        path: The file; there may be none.
        is_whole: Tells whether a last line without end is a whole one.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "log")
        >>> _ = path.write_text("1.5\n2.5")
        >>> end_last_line(path, lambda line: b"." in line)
        >>> path.read_text()
        '1.5\n2.5\n'
    """
    if not Path(path).exists():
        return
    with Path(path).open("r+b") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        start = end = file.seek(0, 2)
        rest = b""
        while start and b"\n" not in rest:
            size = min(start, 1 << 16)
            start -= size
            file.seek(start)
            rest = file.read(size) + rest
        rest = rest[rest.rfind(b"\n") + 1 :]
        if rest and is_whole(rest):
            file.seek(end)
            file.write(b"\n")
        elif rest:
            file.truncate(end - len(rest))
            warnings.warn(f"{path} ended in half a line of {len(rest)} bytes; they were removed", stacklevel=3)


def is_json(line: bytes) -> bool:
    """Return whether a line is JSON, for `end_last_line`."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
