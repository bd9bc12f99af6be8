"""``rlframework replay``: a run of ``rlframework fit``, built again from the folder that it left."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml

from rlframework.cli.commands import main
from rlframework.cli.replay import build
from rlframework.testing import letter_rows, tiny_policy

LORA = {"class_path": "peft.LoraConfig", "init_args": {"r": 2, "lora_dropout": 0.1, "target_modules": "all-linear"}}
SETTINGS = {
    "seed_everything": 3,
    "model": {
        "class_path": "rlframework.GRPO",
        "init_args": {
            "policy": {"class_path": "rlframework.CausalLMPolicy", "init_args": {"model": "whole", "lora": LORA}},
            "reward": "judge.Early",
            "sampler": {
                "class_path": "rlframework.SharedPrefixSampler",
                "init_args": {"group_size": 4, "max_tokens": 6},
            },
            "prompts_per_rollout": 4,
            "minibatches_per_rollout": 2,
            "learning_rate": 1e-2,
            "kl_coefficient": 0.05,
        },
    },
    "data": {
        "class_path": "rlframework.PromptDataModule",
        "init_args": {"train": letter_rows(12), "validation": letter_rows(2)},
    },
    "trainer": {
        "accelerator": "cpu",
        "max_steps": 9,
        "max_epochs": -1,
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "logger": {
            "class_path": "rlframework.loggers.AppendingCSVLogger",
            "init_args": {"save_dir": "runs", "name": "mine"},
        },
        "callbacks": [
            {"class_path": "rlframework.RolloutWriter"},
            {"class_path": "pytorch_lightning.callbacks.LearningRateMonitor"},
            {
                "class_path": "pytorch_lightning.callbacks.ModelCheckpoint",
                "init_args": {"every_n_train_steps": 4, "save_top_k": -1},
            },
        ],
    },
}
JUDGE = """
from rlframework.rewards import RowReward

class Early(RowReward):
    def score_row(self, completion):
        return sum(letter < "n" for letter in completion.text) / 6
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("replay")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.syspath_prepend(place)
        Path("judge.py").write_text(JUDGE)
        Path("mine.yaml").write_text(yaml.safe_dump(SETTINGS))
        tiny_policy().save_pretrained("whole")
        main(["fit", "--config", "mine.yaml"])
    return place


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)


def test_every_step_equals_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path for path in Path("runs").rglob("*"))
    for step in (0, 7, 8):
        assert main(["replay", "runs", "--step", str(step), "--groups", "1"]) == 0
        said = capsys.readouterr().out
        assert "Equal to the record to 1e-06" in said
        assert f"Step {step}, rollout {step // 2}." in said
    assert "Weights: those of epoch=1-step=8.ckpt" in said.replace("\n", " ")
    assert sorted(path for path in Path("runs").rglob("*")) == before


def test_a_page_is_written() -> None:
    assert main(["replay", "runs/mine/version_0", "--step", "4", "--by", "kl", "--html", "page.html"]) == 0
    assert "by-kl" in Path("page.html").read_text()


def test_another_log_has_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("runs/mine/version_0/metrics.csv")
    right = path.read_text()
    rows = list(csv.DictReader(right.splitlines()))
    try:
        for row in rows:
            if row["train/entropy"]:
                row["train/entropy"] = str(float(row["train/entropy"]) + 1e-5)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        assert main(["replay", "runs", "--step", "4"]) == 1
        assert "1 of" in capsys.readouterr().out
        assert main(["replay", "runs", "--step", "5", "--nearest"]) == 0
    finally:
        path.write_text(right)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runs", "--step", "9"], "the run ends after 9 steps, before step 9 is done"),
        (["runs", "--step", "4", "--by", "nothing"], "have no 'nothing'; they have advantage"),
        (["runs", "--step", "4", "--config", "missing.yaml"], "there is no missing.yaml"),
        (["runs", "--step", "4", "--config", "rows.yaml"], "rows.yaml is no file of `rlframework fit`"),
        (["whole", "--step", "4"], "whole holds no run"),
        (["runs"], "--step"),
    ],
)
def test_what_cannot_be_carried_out_has_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("rows.yaml").write_text("rows: 3")
    with pytest.raises(SystemExit, match="2"):
        main(["replay", *arguments])
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_run_on_many_devices_is_built_on_one() -> None:
    many = {**SETTINGS, "trainer": {**SETTINGS["trainer"], "devices": 4, "strategy": "ddp", "num_nodes": 2}}
    Path("many.yaml").write_text(yaml.safe_dump({**many, "ckpt_path": "gone.ckpt"}))
    built = build(Path("many.yaml"))
    assert (built.trainer.world_size, built.trainer.loggers, built.trainer.max_steps) == (1, [], 9)
