"""``rlframework rescore``: any reward on any run, and the status of what cannot be scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlframework import RolloutWriter
from rlframework.cli.commands import main

REWARDS = """
from rlframework.rewards import RowReward

class Early(RowReward):
    def score_row(self, completion):
        return float(completion.text[:1] in "abcdefghijklm")

def answers(completion, answer):
    return float(completion.startswith(answer))

def nothing(completion):
    return None

def column(completion, solution):
    return 1.0
"""


@pytest.fixture(autouse=True)
def run(grpo: Any, fit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("other.py").write_text(REWARDS)
    fit(grpo(), prompts=8, callbacks=[RolloutWriter(tmp_path / "runs" / "version_0")])
    return tmp_path / "runs"


def test_rewards_of_any_kind(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("other.py:Early", "other.py:answers", "other.py:Early + 0.5 * other.py:answers"):
        assert main(["rescore", "runs/version_0", "--reward", name, "--examples", "1"]) == 0
    said = capsys.readouterr().out
    assert "32 completions in 8 groups of 2 rollouts, judged by early + 0.5 * answers" in said
    for words in ("completions paid (above 0)", "now down", "groups by the spread", "rank correlation"):
        assert said.count(words) == 3


def test_a_folder_above_the_run_will_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rescore", "runs", "--reward", "other.py:Early", "--paid-above", "0.5"]) == 0
    assert "completions paid (above 0.5)" in capsys.readouterr().out


def test_a_reward_without_scores_has_status_1() -> None:
    assert main(["rescore", "runs", "--reward", "other.py:nothing"]) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runs", "--reward", "other.py:column"], "the reward cannot score rollout 0: KeyError"),
        (["runs", "--reward", "other.py:missing"], "cannot find 'other.py:missing'"),
        (["elsewhere", "--reward", "other.py:Early"], "elsewhere"),
        (["runs"], "--reward"),
    ],
)
def test_what_cannot_be_carried_out_has_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["rescore", *arguments])
    assert words in capsys.readouterr().err
