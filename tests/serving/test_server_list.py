"""The list of servers: read while others write it, written by several at once."""

from __future__ import annotations

import threading
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from rlframework.serving.server_list import enter, leave, read_servers

ONE, TWO = "http://10.0.0.1:8000", "http://10.0.0.2:8000"


def test_remarks_and_repetitions_are_left_out(tmp_path):
    file = tmp_path / "servers.txt"
    file.write_text(f"# rack 2\n\n{ONE}   # the old one\n{TWO}\n{ONE}\n")
    assert read_servers(str(file)) == [ONE, TWO]


@pytest.mark.parametrize("line", ["10.0.0.1:8000", "ftp://10.0.0.1", "http://10.0.0.1:8000000", f"{ONE} {TWO}", "\x00"])
def test_a_malformed_line_is_named_by_its_number(line, tmp_path):
    file = tmp_path / "servers.txt"
    file.write_text(f"{ONE}\n{line}\n{TWO}\n")
    with pytest.raises(ValueError, match=r"line 2 of 3 in .*servers.txt is no address"):
        read_servers(str(file))


def test_what_is_no_text_or_far_too_long_is_no_list(tmp_path):
    file = tmp_path / "servers.txt"
    file.write_bytes(b"\xff\xfe\n")
    with pytest.raises(ValueError, match="no list of servers"):
        read_servers(str(file))
    file.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(ValueError, match="1048576 bytes"):
        read_servers(str(file))
    with pytest.raises(FileNotFoundError):
        read_servers(str(tmp_path / "missing.txt"))
    with pytest.raises(IsADirectoryError):
        read_servers(str(tmp_path))


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path):
    file = tmp_path / "servers.txt"
    file.write_text(f"{ONE}\nhttp://10.0.0.2:80")  # it looks like an address, and is half of one

    def finish():
        time.sleep(0.1)
        with file.open("a") as out:
            out.write("00\n")

    writer = threading.Thread(target=finish)
    writer.start()
    assert read_servers(str(file)) == [ONE, TWO]
    writer.join()


def test_a_last_line_that_nobody_ends_is_taken_as_it_is(tmp_path):
    file = tmp_path / "servers.txt"
    file.write_text(ONE)
    assert read_servers(str(file)) == [ONE]


def test_a_url_is_read_like_a_file(tmp_path, http_folder):
    (tmp_path / "servers.txt").write_text(f"{ONE}\n")
    assert read_servers(f"{http_folder}/servers.txt") == [ONE]
    with pytest.raises(OSError, match="status 404"):
        read_servers(f"{http_folder}/missing.txt")


def test_entering_and_leaving(tmp_path):
    file = tmp_path / "new" / "servers.txt"
    leave(str(file), ONE)
    assert not file.exists()
    enter(str(file), ONE)
    enter(str(file), ONE)
    with file.open("a") as out:
        out.write("# a remark stays\n")
    enter(str(file), TWO)
    leave(str(file), ONE)
    assert file.read_text() == f"# a remark stays\n{TWO}\n"
    assert file.stat().st_mode & 0o777 == 0o644


def churn(file: str, number: int) -> None:
    for turn in range(20):
        enter(file, f"http://10.0.0.{number}:{8000 + turn}")
        if turn % 2:
            leave(file, f"http://10.0.0.{number}:{8000 + turn}")


def test_of_many_writers_none_loses_a_line_and_a_reader_always_finds_whole_ones(tmp_path):
    file = tmp_path / "servers.txt"
    enter(str(file), "http://10.0.0.99:8000")
    context = get_context("fork")
    writers = [context.Process(target=churn, args=(str(file), number)) for number in range(1, 5)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert "http://10.0.0.99:8000" in read_servers(str(file))
    expected = {f"http://10.0.0.{number}:{8000 + turn}" for number in range(1, 5) for turn in range(0, 20, 2)}
    assert set(read_servers(str(file))) == {"http://10.0.0.99:8000", *expected}
    assert {path.name for path in Path(tmp_path).iterdir()} == {"servers.txt", ".servers.txt.lock"}
