"""The files of a run: the newest run is found without torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rlframework.utilities.run_files import newest_run


def test_a_run_folder_is_itself_and_one_above_it_gives_the_newest(tmp_path):
    for number in (0, 1):
        folder = tmp_path / "mine" / f"version_{number}"
        folder.mkdir(parents=True)
        (folder / "rollouts-0.jsonl").touch()
    assert newest_run(folder) == newest_run(tmp_path) == folder
    with pytest.raises(FileNotFoundError, match="holds no run"):
        newest_run(tmp_path / "other")


def test_it_takes_no_torch():
    program = "import sys, rlframework.utilities.run_files; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
