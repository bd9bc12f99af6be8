from __future__ import annotations

import resource
from pathlib import Path

import pytest

from rlframework.utilities.whole_lines import append_lines, end_last_line


@pytest.mark.parametrize(
    ("there", "left"),
    [(b"", b""), (b"one\n", b"one\n"), (b"one\ntw", b"one\n"), (b"o", b""), (b"one\ntwo.", b"one\ntwo.\n")],
)
def test_the_last_line_is_whole_afterwards(there: bytes, left: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(there)
    end_last_line(path, lambda line: line.endswith(b"."))
    assert path.read_bytes() == left


def test_half_a_line_that_is_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n" + b"x" * 200_000)
    with pytest.warns(UserWarning, match="half a line of 200000 bytes"):
        end_last_line(path, lambda line: False)
    assert path.read_bytes() == b"one\n"


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path, before = tmp_path / "log", resource.getrlimit(resource.RLIMIT_FSIZE)
    assert append_lines(path, b"one\n") == 4
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            append_lines(path, b"two\n" * 500)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"one\n"
    assert append_lines(path, b"two\n") == 8
