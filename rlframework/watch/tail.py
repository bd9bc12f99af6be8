"""Tail of a file that grows: the lines appended since the last look, also where it was replaced or shortened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# Enough to tell one file from another that took its place: of its first bytes, and of those before the next to read.
_HEAD, _BEFORE = 1024, 256


@dataclass(frozen=True)
class Appended:
    """Whole lines of a file that were not there before, without their ends.

    Args:
        lines: The lines.
        anew: They are those of another file, which took the place of the one before: forget what that one said.
        unread: Bytes that are there and come with the next look.
        skipped: Bytes that were passed over, as only the last ones are wanted.
        changed: When the file was last written to, in seconds since the epoch; None if there is none.
    """

    lines: list[bytes]
    anew: bool = False
    unread: int = 0
    skipped: int = 0
    changed: float | None = None


class Tail:
    r"""Reads what was appended to a file of lines since the last look, and never a byte twice but of half a line.

    Half a line at the end waits for its rest. A file that has become shorter, or does not begin and go on with the
    bytes that were read, is another one and read from its start. The file is opened for each look, as a shared disk
    shows only then what another machine has written.

    Args:
        path: The file; there may be none yet.
        most: Bytes of one look: of a file that is read from its start, the rest waits for the next look.
        last: Only the last bytes are wanted, about so many: the rest is passed over, however much there is.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "log")
        >>> tail = Tail(path)
        >>> _ = path.write_text("one\ntwo\nthr")
        >>> tail.read().lines
        [b'one', b'two']
        >>> _ = path.write_text("one\ntwo\nthree\n")
        >>> tail.read().lines
        [b'three']
    """

    def __init__(self, path: Path, most: int = 8 << 20, last: int | None = None) -> None:
        self.path = path
        self._most = most
        self._last = last
        self._place = 0
        self._head = b""
        self._before = b""

    def read(self) -> Appended:
        """Return the lines since the last look.

        Raises:
            OSError: The file is there and cannot be read.
        """
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            anew, self._place = self._place > 0, 0
            return Appended([], anew)
        with file:
            size = file.seek(0, 2)
            anew = self._is_another(file, size)
            if anew:
                self._place = 0
            start, data = self._ahead(file) if self._last is None else self._newest(file, size)
            end = data.rfind(b"\n") + 1
            skipped = start - self._place if end else 0
            if end:
                self._remember(file, start + end)
            changed = os.fstat(file.fileno()).st_mtime
        return Appended(data[:end].split(b"\n")[:-1], anew, max(0, size - self._place), skipped, changed)

    def _is_another(self, file: BinaryIO, size: int) -> bool:
        if not self._place:
            return False
        return size < self._place or (self._head, self._before) != _marks(file, self._place)

    def _remember(self, file: BinaryIO, place: int) -> None:
        self._place = place
        self._head, self._before = _marks(file, place)

    def _ahead(self, file: BinaryIO) -> tuple[int, bytes]:
        """Return the next bytes, with at least one whole line if there is one."""
        file.seek(self._place)
        data = file.read(self._most)
        while b"\n" not in data and (more := file.read(self._most)):
            data += more
        return self._place, data

    def _newest(self, file: BinaryIO, size: int) -> tuple[int, bytes]:
        """Return the last bytes from the start of a line on, with at least one whole line if there is one."""
        wanted = self._last or 0
        while True:
            start = max(self._place, size - wanted)
            file.seek(start)
            data = file.read(size - start)
            if start == self._place:
                return start, data
            begin = data.find(b"\n") + 1
            if begin and b"\n" in data[begin:]:
                return start + begin, data[begin:]
            wanted *= 2


def _marks(file: BinaryIO, place: int) -> tuple[bytes, bytes]:
    file.seek(0)
    head = file.read(min(_HEAD, place))
    file.seek(max(0, place - _BEFORE))
    return head, file.read(min(_BEFORE, place))
