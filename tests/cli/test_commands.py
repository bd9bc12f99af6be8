"""The command ``rlframework``: lists what it can do at once, and hands over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rlframework.cli.commands import COMMANDS, main

SLOW = ("torch", "transformers", "pytorch_lightning", "datasets")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys\nfrom rlframework.cli.commands import main\n"
        f"try:\n    status = main({list(arguments)!r})\nexcept SystemExit as end:\n    status = end.code\n"
        f"print([name for name in {SLOW!r} if name in sys.modules], status)"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (["--help"], list(COMMANDS), 0),
        ([], list(COMMANDS), 2),
        (["--version"], ["rlframework 0."], 0),
        (["reward-report", "--help"], ["--max-false-refusals", "The exit status is 1 if"], 0),
    ],
)
def test_help_waits_for_nothing_large(arguments: list[str], words: list[str], status: int) -> None:
    done = run(*arguments)
    assert done.stdout.splitlines()[-1] == f"[] {status}", done.stdout + done.stderr
    for word in words:
        assert word in done.stdout


@pytest.mark.parametrize("module", ["rlframework.cli", "rlframework.commands", "rlframework.testing"])
def test_other_names_of_the_command(module: str) -> None:
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("rlframework check" if module == "rlframework.testing" else "reward-report") in done.stdout


def test_an_unknown_command_is_an_error_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train"])
    assert stopped.value.code == 2
    assert "invalid choice: 'train'" in capsys.readouterr().err


@pytest.mark.filterwarnings("error")
def test_fit_is_lightning_s_command_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rlframework", "fit", "--help"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    assert "--trainer.max_steps" in capsys.readouterr().out


def test_classes_of_the_working_folder_are_found(tmp_path: Path) -> None:
    """By the installed command, which Python starts without it on the path."""
    (tmp_path / "mine.py").write_text(
        "from rlframework.rewards import RowReward\n"
        "class Short(RowReward):\n    def score_row(self, completion):\n        return 1.0\n"
    )
    options = """--model rlframework.GRPO --model.policy rlframework.CausalLMPolicy --model.policy.model somewhere
        --model.reward mine.Short --model.sampler rlframework.SharedPrefixSampler --model.sampler.group_size 2
        --model.sampler.max_tokens 2 --data rlframework.PromptDataModule --data.train []"""
    command = [Path(sys.executable).with_name("rlframework"), "fit", "--print_config", *options.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "class_path: mine.Short" in done.stdout, done.stderr


def test_reward_report_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text("prompt,answer\n17 + 1?,18\n20 + 2?,22\n")
    arguments = ["--reward", "CorrectAnswer", "--data", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "out")]
    assert main(["reward-report", *arguments]) == 0
    assert "fit for training" in capsys.readouterr().out
