"""The tail of a file: only what is new, whole lines, and another file is known for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rlframework.watch.tail import Tail


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def append(path, data):
    with path.open("ab") as file:
        file.write(data)


def test_half_a_line_waits_for_its_rest(log):
    tail = Tail(log)
    assert tail.read().lines == []
    append(log, b"one\ntw")
    assert tail.read().lines == [b"one"]
    assert tail.read().lines == []
    append(log, b"o\n\nfour\n")
    assert tail.read().lines == [b"two", b"", b"four"]


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="Linux counts what a process reads there")
def test_only_what_is_new_is_read(log):
    tail = Tail(log)
    append(log, b"0123456789\n" * 500_000)
    assert len(tail.read().lines) == 500_000
    append(log, b"the last\n")
    before = read_by_this_process()
    assert tail.read().lines == [b"the last"]
    assert read_by_this_process() - before < 50_000  # of 5,500,000, by which the file is known again


def read_by_this_process():
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])


@pytest.mark.parametrize(
    "other",
    [
        b"new\n",  # shorter
        b"name,other\n1,2\n" * 100,  # longer, another head
        b"name\n" + b"1\n" * 7 + b"2\n" + b"3\n" * 200,  # longer, the same head, another end
    ],
    ids=["shorter", "head", "end"],
)
@pytest.mark.parametrize("way", ["replaced", "written over"])
def test_another_file_in_its_place_is_read_from_its_start(log, tmp_path, other, way):
    tail = Tail(log)
    append(log, b"name\n" + b"1\n" * 50)
    tail.read()
    if way == "replaced":
        (tmp_path / "new").write_bytes(other)
        os.replace(tmp_path / "new", log)
    else:
        log.write_bytes(other)
    appended = tail.read()
    assert appended.anew
    assert b"".join(line + b"\n" for line in appended.lines) == other


def test_a_file_that_has_gone_is_said_once(log):
    tail = Tail(log)
    append(log, b"one\n")
    tail.read()
    log.unlink()
    assert tail.read().anew
    assert not tail.read().anew
    append(log, b"two\n")
    assert tail.read().lines == [b"two"]


def test_half_a_line_that_was_removed_is_no_other_file(log):
    # As the writers do after a power cut, before they go on.
    tail = Tail(log)
    append(log, b"one\nhal")
    tail.read()
    os.truncate(log, 4)
    append(log, b"two\n")
    appended = tail.read()
    assert (appended.lines, appended.anew) == ([b"two"], False)


def test_a_look_is_bounded_and_says_what_is_left(log):
    tail = Tail(log, most=10)
    append(log, b"one\ntwo\nthree\nfour\n")
    looks = [tail.read() for _ in range(3)]
    assert [look.lines for look in looks] == [[b"one", b"two"], [b"three"], [b"four"]]
    assert [look.unread for look in looks] == [11, 5, 0]


def test_a_line_longer_than_a_look_is_read_as_a_whole(log):
    append(log, b"x" * 1000 + b"\nshort\n")
    assert len(Tail(log, most=10).read().lines[0]) == 1000


def test_of_a_large_file_the_last_whole_lines_are_read(log):
    append(log, b"".join(b"%06d\n" % number for number in range(100_000)))
    tail = Tail(log, last=100)
    first = tail.read()
    assert first.lines[-1] == b"099999"
    assert 10 <= len(first.lines) <= 14
    assert first.skipped == 700_000 - 7 * len(first.lines)
    append(log, b"the next\n")
    second = tail.read()
    assert (second.lines, second.skipped) == ([b"the next"], 0)
    append(log, b"".join(b"%06d\n" % number for number in range(1000)))
    assert len(tail.read().lines) <= 14


def test_a_last_line_longer_than_what_is_wanted_is_found(log):
    append(log, b"short\n" * 100 + b"x" * 5000 + b"\n")
    assert len(Tail(log, last=100).read().lines[-1]) == 5000
