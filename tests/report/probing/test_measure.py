"""A probe measures what a run would begin with, and says whether it is worth beginning."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml

from rlframework import SFT, BatchedSampler, DynamicSampling, PromptDataModule, probe
from rlframework.cli.commands import main
from rlframework.completions import Completion
from rlframework.report.probing.measure import ProbeReport
from rlframework.report.probing.verdict import verdict
from rlframework.rewards.base import RowReward
from rlframework.testing import letter_rows, tiny_policy
from rlframework.utilities.peak_memory import PeakMemory


class Even(RowReward):
    """1 if the first id is even: right about half of the time."""

    def score_row(self, completion: Completion) -> float:
        return float(completion.ids[0] % 2 == 0)


class Silent(RowReward):
    def score_row(self, completion: Completion) -> None:
        return None


def data() -> PromptDataModule:
    return PromptDataModule(letter_rows(32))


def test_it_asks_what_a_run_would_ask_first_and_gets_the_same_answers(grpo: Callable, fit: Callable, recorder: Any):
    fit(grpo(learning_rate=0.0), prompts=32, callbacks=[recorder], max_steps=3)
    report = probe(grpo(), data(), prompts=12)
    ran = [row for collected in recorder.collected for row in collected.completions]
    assert [(row.prompt.index, row.ids) for row in report.evaluation.completions] == [
        (row.prompt.index, row.ids) for row in ran
    ]
    totals = torch.cat([collected.scores.total for collected in recorder.collected])
    assert torch.equal(report.evaluation.scores["reward"], totals)
    assert set(report.evaluation.scores) == {"reward", "reward/first_letter", "reward/vowels", "accuracy"}
    assert report.tokens == sum(len(row.ids) for row in ran) / 3
    assert (report.rollout_prompts, report.judge, report.max_tokens) == (4, "accuracy", 4)
    assert report.seconds > 0
    assert report.fit


def test_a_filter_is_set_aside_and_given_back(grpo: Callable):
    inner = BatchedSampler(group_size=4, max_tokens=4)
    algorithm = grpo(sampler=DynamicSampling(inner, Even(), keep=1), reward=Even())
    own = algorithm.sampler
    report = probe(algorithm, data(), prompts=8)
    assert report.evaluation.completions.num_groups == 8
    assert algorithm.sampler is own
    plain = probe(grpo(sampler=inner, reward=Even()), data(), prompts=8)
    assert report.evaluation.groups_with_spread("reward") == plain.evaluation.groups_with_spread("reward")


def test_another_group_size_gives_another_k(grpo: Callable):
    report = probe(grpo(reward=Even()), data(), prompts=6, group_size=16)
    found = report.evaluation
    assert found.completions.group_size == 16
    # Sixteen tosses of a coin: nearly always one of them is right.
    assert found.pass_at_k("reward", 16) > 0.9 > found.pass_at_k("reward", 1)
    passes = report.figures()["measures"]["reward"]["pass_at_k"]
    assert list(passes) == [1, 2, 4, 8, 16]
    assert sorted(passes.values()) == list(passes.values())
    assert "there is something to reinforce" in report.verdict


def test_what_abstains_everywhere_is_told(grpo: Callable):
    report = probe(grpo(reward=Silent(), validation={}), data(), prompts=4)
    assert report.verdict.startswith("The reward abstained on every completion")
    assert not report.fit


def test_what_cannot_be_probed_is_refused(grpo: Callable):
    with pytest.raises(TypeError, match="SFT samples nothing"):
        probe(SFT(tiny_policy()), data())
    with pytest.raises(ValueError, match="prompts=0"):
        probe(grpo(), data(), prompts=0)
    two = pl.Trainer(accelerator="cpu", devices=2, logger=False, enable_checkpointing=False, barebones=False)
    with pytest.raises(ValueError, match="the trainer has 2; pass devices=1"):
        probe(grpo(), data(), trainer=two)


BASE: dict[str, Any] = {
    "spread": 0.5,
    "truncated": 0.0,
    "max_tokens": 64,
    "group_size": 8,
    "measure": "accuracy",
    "pass_1": 0.3,
    "pass_all": 0.6,
    "components": {"reward/format": 0.4, "reward/answer": 0.0},
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "50 % of the groups have spread, and 60 % of the prompts .* there is something to reinforce"),
        ({"truncated": 0.7, "spread": 0.1}, "70 % of the completions were cut at max_tokens=64 .* raise it"),
        ({"truncated": 0.7}, "something to reinforce, though 70 % of the completions were cut at max_tokens=64"),
        ({"spread": 0.06, "pass_1": 0.01, "pass_all": 0.05}, "too hard; try easier prompts"),
        ({"spread": 0.0, "pass_1": 0.0, "pass_all": 0.0}, "too hard"),
        ({"spread": 0.05, "pass_1": 0.96, "pass_all": 1.0}, "too easy; try harder prompts"),
        ({"spread": 0.2, "pass_1": 0.95, "pass_all": 1.0}, "too easy"),
        ({"spread": 0.2}, "handed 5 prompts for each group"),
        ({"spread": 0.02, "pass_1": 0.59}, "nearly all alike; try a higher temperature"),
        ({"spread": 0.0, "pass_1": 0.2}, "accuracy tells right answers .* the reward pays them alike"),
        ({"pass_1": 0.0, "pass_all": 0.0}, "it would learn reward/format and nothing of the task"),
        ({"measure": None, "pass_1": None, "pass_all": None}, "have spread: there is something to reinforce"),
        ({"measure": None, "pass_1": None, "pass_all": None, "spread": 0.0}, "a measure of 0 and 1 in validation"),
        ({"judged": 0.0}, "abstained on every completion"),
    ],
)
def test_the_verdict_follows_the_figures(changes: dict[str, Any], words: str) -> None:
    assert re.search(words, verdict(**{**BASE, **changes}))


def recipe(folder: Path, rows: list[dict[str, str]], **sampler: int) -> str:
    """Write a file of ``fit``; return its path."""
    config = {
        "seed_everything": 0,
        "ckpt_path": None,
        "model": {
            "class_path": "rlframework.GRPO",
            "init_args": {
                "policy": {"class_path": "rlframework.testing.tiny_policy"},
                "reward": {"class_path": "rlframework.rewards.CorrectAnswer"},
                "sampler": {
                    "class_path": "rlframework.BatchedSampler",
                    "init_args": {"group_size": 4, "max_tokens": 8, **sampler},
                },
                "prompts_per_rollout": 4,
            },
        },
        "data": {"class_path": "rlframework.PromptDataModule", "init_args": {"train": rows}},
        "trainer": {
            "accelerator": "cpu",
            "devices": 2,
            "max_steps": 3,
            "default_root_dir": str(folder),
            "callbacks": [{"class_path": "rlframework.RolloutWriter"}],
        },
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_the_command_reads_the_file_of_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And writes nothing but what is asked for: neither logs, nor what the file's callbacks write."""
    path = recipe(tmp_path, letter_rows(16))
    output = tmp_path / "probe.json"
    # A model of random weights solves nothing.
    assert main(["probe", "--config", path, "--prompts", "6", "--output", str(output)]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "6 prompts x 4 = 24 completions" in printed
    figures = json.loads(output.read_text())
    assert figures["verdict"] in printed
    assert figures["measures"]["reward"]["pass_at_k"] == {"1": 0.0, "2": 0.0, "4": 0.0}
    assert figures["rollout"]["prompts"] == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["probe.json", "recipe.yaml"]


def without(column: str) -> list[dict[str, str]]:
    return [{name: text for name, text in row.items() if name != column} for row in letter_rows(4)]


@pytest.mark.parametrize(
    ("options", "rows", "sampler", "words"),
    [
        (["--prompts", "0"], letter_rows(4), {}, "--prompts 0: at least one"),
        (["--group_size", "0"], letter_rows(4), {}, "--group_size 0: at least one"),
        ([], letter_rows(4), {"group_size": 0}, "group_size and max_tokens must be at least 1, got 0 and 8"),
        (["--ckpt_path", "none.ckpt"], letter_rows(4), {}, "--ckpt_path none.ckpt: there is no such checkpoint"),
        (["--ckpt_path", "text.ckpt"], letter_rows(4), {}, "text.ckpt is no checkpoint"),
        (["--output", "folder"], letter_rows(4), {}, "--output folder is a folder"),
        (["--output", "text.ckpt/probe.json"], letter_rows(4), {}, "cannot write to the folder text.ckpt"),
        ([], without("prompt"), {}, "row 0 has no column 'prompt'"),
        ([], without("answer"), {}, "has no column 'answer'"),
    ],
)
def test_what_cannot_be_carried_out_exits_with_2_and_a_line_or_two(
    options: list[str],
    rows: list[dict[str, str]],
    sampler: dict[str, int],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    with pytest.raises(SystemExit) as stopped:
        main(["probe", "--config", recipe(tmp_path, rows, **sampler), *options])
    assert stopped.value.code == 2
    _, prog, message = capsys.readouterr().err.partition("rlframework probe: error: ")
    assert prog
    assert words in message
    assert len(message.splitlines()) <= 2


def test_the_folder_of_the_output_is_made_before_anything_is_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe(tmp_path, letter_rows(4))
    output = tmp_path / "new" / "figures" / "probe.json"
    there = []

    def looking(*given: Any) -> ProbeReport:
        there.append(output.parent.is_dir())
        return probe(*given)

    monkeypatch.setattr("rlframework.cli.probe.probe", looking)
    assert main(["probe", "--config", path, "--prompts", "4", "--output", str(output)]) == 1
    assert there == [True]
    assert json.loads(output.read_text())["prompts"] == 4


def test_peak_memory_sees_what_is_gone_again() -> None:
    with PeakMemory(torch.device("cpu")) as memory:
        for _ in range(3):
            rows = torch.ones(100, 2**20, dtype=torch.uint8)
            rows += 1
            del rows
    assert 90 < memory.above / 2**20 < 200
