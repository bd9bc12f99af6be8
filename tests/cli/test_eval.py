"""``rlframework eval``: models of every kind on data of every kind, the same figures as `evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig

from rlframework import CausalLMPolicy, SharedPrefixSampler, evaluate
from rlframework.cli.commands import main
from rlframework.data import PromptDataModule
from rlframework.rewards import RowReward
from rlframework.testing import letter_rows, tiny_policy

JUDGE = """
from rlframework.rewards import RowReward

class Early(RowReward):
    def score_row(self, completion):
        return float(completion.text[:1] in "abcdefghijklm")
"""
YAML = (
    "data: {class_path: rlframework.PromptDataModule, init_args: {train: [{prompt: ab}], validation: [{prompt: cd}]}}"
)


class Early(RowReward):
    """The reward of `JUDGE`."""

    def score_row(self, completion: Any) -> float:
        """Whether the answer begins in the first half of the alphabet."""
        return float(completion.text[:1] in "abcdefghijklm")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny_policy().save_pretrained("whole")
    lora = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    CausalLMPolicy("whole", lora=lora).save_pretrained("adapter")
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in letter_rows(12)))
    Path("judge.py").write_text(JUDGE)
    Path("data.yaml").write_text(YAML)
    return tmp_path


def measured(*arguments: str, status: int = 0) -> dict[str, Any]:
    assert main(["eval", *arguments, "--max-tokens", "6", "--device", "cpu"]) == status
    return json.loads(Path("eval", "summary.json").read_text())


def test_the_figures_are_those_of_evaluate_whatever_the_batch(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["whole", "--data", "rows.jsonl", "--reward", "judge.py:Early", "--group-size", "4", "--seed", "3"]
    summary = measured(*arguments, "--batch", "5")
    table = capsys.readouterr().out
    prompts = PromptDataModule(letter_rows(12)).tokenize("train", tiny_policy().tokenizer)
    found = evaluate("", tiny_policy(), prompts, SharedPrefixSampler(4, 6, seed=3), {"early": Early()})
    figures = summary["measures"]["early"]
    assert 0 < figures["mean"] < 1
    assert figures["mean"] == found.share("early")
    assert figures["interval"] == pytest.approx(found.interval("early"))
    assert {int(k): one["share"] for k, one in figures["pass_at_k"].items()} == {
        k: found.pass_at_k("early", k) for k in (1, 2, 4)
    }
    assert figures["maj_at_k"]["1"]["share"] <= figures["pass_at_k"]["4"]["share"]
    lines = [json.loads(line) for line in Path("eval", "samples.jsonl").read_text().splitlines()]
    assert [line["completion"] for line in lines] == [row.text for row in found.completions]
    assert [line["scores"]["early"] for line in lines] == found.scores["early"].flatten().tolist()
    for words in (
        "pass@4",
        "maj@2",
        f"{figures['mean']:.3f}",
        "12 prompts x 4, temperature 1, seed 3",
        "samples.jsonl",
    ):
        assert words in table


@pytest.mark.parametrize("model", ["whole", "adapter"])
def test_a_model_of_each_kind_is_the_one_that_was_saved(model: str) -> None:
    measured(model, "--data", "rows.jsonl", "--reward", "judge.py:Early")
    lines = [json.loads(line)["completion"] for line in Path("eval", "samples.jsonl").read_text().splitlines()]
    lora = None if model == "whole" else "adapter"
    policy = CausalLMPolicy("whole", lora=lora)
    prompts = PromptDataModule(letter_rows(12)).tokenize("train", policy.tokenizer)
    with torch.no_grad():
        greedy = SharedPrefixSampler(1, 6, temperature=0.0).sample(policy.eval(), prompts)
    assert lines == [row.text for row in greedy]


def test_a_model_without_a_pad_token_is_measured_all_the_same() -> None:
    settings = json.loads(Path("whole", "tokenizer_config.json").read_text())
    assert settings.pop("pad_token")
    Path("whole", "tokenizer_config.json").write_text(json.dumps(settings))
    assert 0 < measured("whole", "--data", "rows.jsonl", "--reward", "judge.py:Early")["measures"]["early"]["mean"] < 1


def test_the_data_of_a_file_for_fit_are_asked_as_the_run_asks_them() -> None:
    assert measured("whole", "--data", "data.yaml", "--reward", "judge.py:Early")["prompts"] == 1
    assert '"prompt": "cd"' in Path("eval", "samples.jsonl").read_text()


def test_so_many_prompts_are_chosen_by_the_seed() -> None:
    asked = []
    for seed in ("0", "0", "1"):
        measured("whole", "--data", "rows.jsonl", "--reward", "judge.py:Early", "-n", "4", "--seed", seed)
        asked.append([json.loads(line)["prompt"] for line in Path("eval", "samples.jsonl").read_text().splitlines()])
    assert len(asked[0]) == 4
    assert asked[0] == asked[1] != asked[2]


def test_a_gold_in_another_column_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sums.csv").write_text("question,solution\nab,It is so. #### 7\ncd,Clear. #### 8\n")
    arguments = ["--prompt-column", "question", "--gold", "solution", "--splitter", "after_hashes"]
    measured("whole", "--data", "sums.csv", *arguments)
    assert [json.loads(line)["expected"] for line in Path("eval", "samples.jsonl").read_text().splitlines()] == [
        "7",
        "8",
    ]
    assert "accuracy" in capsys.readouterr().out


def test_below_what_is_asked_for_the_status_is_1() -> None:
    measured("whole", "--data", "rows.jsonl", "--reward", "judge.py:Early", "--at-least", "1.0", status=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("nowhere --data rows.jsonl", "there is no folder nowhere"),
        ("whole --data nowhere.jsonl", "there is no file nowhere.jsonl"),
        ("whole --data rows.jsonl --prompt-column question", "no column 'question'"),
        ("whole --data rows.jsonl --reward NoSuch", "cannot find 'NoSuch'"),
        ("whole --data rows.jsonl --group-size 0", "expected at least 1, got 0"),
        ("whole --data rows.jsonl --temperature -1", "must not be negative"),
        ("whole --data data.yml", "there is no such file"),
    ],
)
def test_what_cannot_be_carried_out(arguments: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["eval", *arguments.split()])
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err
