"""The kit from the command line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rlframework.cli.check import main
from tests import forked

MINE = """
from rlframework import GRPO

class Mine(GRPO):
    def token_weights(self, mask):
        return mask / mask.numel()
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run("-m", "rlframework.testing", *arguments, cwd=folder)


def test_a_module_that_passes_exits_with_0(tmp_path: Path) -> None:
    done = run(tmp_path, "rlframework.algorithms:GRPO", "--only", "direction", "--option", "clip_high=0.3")
    assert done.returncode == 0, done.stderr
    assert "GRPO: no check failed (1 ran" in done.stdout


def test_a_file_that_fails_exits_with_1(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    done = run(tmp_path, "mine.py:Mine", "--only", "padding", "--only", "direction")
    assert done.returncode == 1, done.stderr
    assert "FAILED  padding" in done.stdout
    assert "passed  direction" in done.stdout


def test_a_name_without_a_module_is_one_of_the_framework_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["GRPO", "--only", "direction"]) == 0
    assert "GRPO: no check failed (1 ran" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["NoSuch", "rlframework:Nothing", "no_such_module:X", "no_such_file.py:X"])
def test_a_wrong_name_is_an_error_of_usage(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name])
    assert stopped.value.code == 2
    assert name.partition(":")[0].removesuffix(".py") in capsys.readouterr().err


def test_options_may_be_numbers_or_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["rlframework:GRPO", "--option", "clip_low"])
    assert "expected NAME=VALUE, got 'clip_low'" in capsys.readouterr().err
    with pytest.raises(TypeError, match="no_such"):
        main(["rlframework:GRPO", "--option", "no_such=word"])
