"""What is made once in a cache is made by one process, whole or not at all."""

from __future__ import annotations

import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from rlframework.utilities.paths import make_once


def slowly(folder: Path) -> None:
    """Make a folder that takes half a second, and count how often."""

    def make(scratch: Path) -> None:
        with (folder.parent / "made").open("a") as made:
            made.write(".")
        (scratch / "first").touch()
        time.sleep(0.5)
        (scratch / "second").touch()

    make_once(folder, make)
    assert {path.name for path in folder.iterdir()} == {"first", "second"}


def test_of_processes_that_begin_together_one_makes_it_and_all_have_it(tmp_path: Path) -> None:
    ranks = [get_context("fork").Process(target=slowly, args=(tmp_path / "model",)) for _ in range(4)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert [rank.exitcode for rank in ranks] == [0] * 4
    assert (tmp_path / "made").read_text() == "."


def test_what_fails_leaves_nothing_and_is_made_the_next_time(tmp_path: Path) -> None:
    def fail(scratch: Path) -> None:
        (scratch / "half").touch()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        make_once(tmp_path / "model", fail)
    assert not (tmp_path / "model").exists()
    make_once(tmp_path / "model", lambda scratch: (scratch / "whole").touch())
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["whole"]
