"""A resumed run logs into the folder of the run that it goes on with, and no row is lost."""

from __future__ import annotations

import csv
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import yaml
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from rlframework.algorithms import GRPO
from rlframework.callbacks import read_rollouts
from rlframework.cli.commands import main
from rlframework.loggers import AppendingCSVLogger
from rlframework.report import read_metrics
from rlframework.testing import letter_rows

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def without_seconds(row: dict[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in row.items() if "seconds" not in name}


@pytest.mark.parametrize("kind", [CSVLogger, AppendingCSVLogger])
def test_a_resumed_run_keeps_the_rows_before(kind: type[CSVLogger], grpo: Make, fit: Fit, tmp_path: Path) -> None:
    options: dict[str, Any] = {"held_out": 4, "val_check_interval": 2}
    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    fit(grpo(), callbacks=[saver], enable_checkpointing=True, logger=kind(tmp_path, "run", 0), **options)
    path = tmp_path / "run" / "version_0" / "metrics.csv"
    whole = rows(path)
    fit(grpo(), ckpt_path=str(tmp_path / "step=3.ckpt"), logger=kind(tmp_path, "run", 0), **options)
    resumed = rows(path)
    if kind is CSVLogger:
        assert len(resumed) < len(whole)  # what this class is for
        return
    assert resumed[: len(whole)] == whole
    again = [without_seconds(row) for row in resumed[len(whole) :]]
    assert again == [without_seconds(row) for row in whole[-len(again) :]]
    assert read_metrics(path)["train/grad_norm"][0] == [1, 2, 3, 4]


def test_a_new_column_and_half_a_row_lose_nothing_else(tmp_path: Path) -> None:
    for step, figures in enumerate([{"b": 1}, {"b": 2, "a": 3}, {"c": 4}]):
        logger = AppendingCSVLogger(tmp_path, "run", 0)
        logger.log_metrics(figures, step)
        logger.save()
    path = Path(logger.log_dir, "metrics.csv")
    whole = [
        {"a": "", "b": "1", "c": "", "step": "0"},
        {"a": "3", "b": "2", "c": "", "step": "1"},
        {"a": "", "b": "", "c": "4", "step": "2"},
    ]
    assert rows(path) == whole
    path.write_bytes(path.read_bytes()[:-3])
    logger = AppendingCSVLogger(tmp_path, "run", 0)
    with pytest.warns(UserWarning, match="half a line"):
        logger.log_metrics({"a": 5}, 2)
    logger.save()
    assert rows(path) == [*whole[:2], {"a": "5", "b": "", "c": "", "step": "2"}]
    assert [file.name for file in path.parent.iterdir()] == ["metrics.csv"]


@pytest.mark.parametrize("figures", [{"a": 2.0}, {f"column_{n}": 1.0 for n in range(200)}])
def test_a_full_disk_does_not_end_a_run(figures: dict[str, float], tmp_path: Path) -> None:
    logger, before = AppendingCSVLogger(tmp_path, "run", 0), resource.getrlimit(resource.RLIMIT_FSIZE)
    logger.log_metrics({"a": 1.0}, 0)
    logger.save()
    path = Path(logger.log_dir, "metrics.csv")
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 2, before[1]))
    try:
        logger.log_metrics(figures, 1)
        with pytest.warns(UserWarning, match=r"1 rows could not be written .*File too large.*wait for the next"):
            logger.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert rows(path) == [{"a": "1.0", "step": "0"}]
    logger.save()
    assert [row["step"] for row in rows(path)] == ["0", "1"]
    assert [file.name for file in path.parent.iterdir()] == ["metrics.csv"]


@pytest.mark.parametrize(
    ("checkpoint", "version"),
    [
        ("runs/mine/version_3/checkpoints/last.ckpt", 3),
        ("runs/mine/of_friday/last.ckpt", "of_friday"),
        ("runs/mine/last.ckpt", 0),
        ("runs/yours/version_3/last.ckpt", 0),
    ],
)
def test_it_finds_the_folder_of_a_checkpoint(checkpoint: str, version: int | str, tmp_path: Path) -> None:
    logger = AppendingCSVLogger(tmp_path / "runs", "mine")
    logger.resume(tmp_path / checkpoint)
    assert logger.version == version
    named = AppendingCSVLogger(tmp_path / "runs", "mine", version=7)
    named.resume(tmp_path / checkpoint)
    assert named.version == 7


def test_the_recipe_goes_on_in_the_folder_of_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = yaml.safe_load(Path("recipes/chain_sums.yaml").read_text())["trainer"]
    sampler = {"class_path": "rlframework.BatchedSampler", "init_args": {"group_size": 4, "max_tokens": 4}}
    parts = {"policy": {"class_path": "rlframework.testing.tiny_policy"}, "reward": "rlframework.rewards.CorrectAnswer"}
    options = {**parts, "sampler": sampler, "prompts_per_rollout": 4}
    recipe = {
        "model": {"class_path": "rlframework.GRPO", "init_args": options},
        "data": {
            "class_path": "rlframework.PromptDataModule",
            "init_args": {"train": letter_rows(16), "validation": letter_rows(2)},
        },
        "trainer": {**trainer, "max_steps": 3, "val_check_interval": 1},
    }
    recipe["trainer"]["callbacks"][-2]["init_args"]["monitor"] = "val/reward"
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text(yaml.safe_dump(recipe))
    main(["fit", "--config", "run.yaml", "--trainer.max_steps", "2"])
    [folder] = Path("runs/chain_sums_yaml").iterdir()
    [last] = folder.glob("checkpoints/last.ckpt")
    main(["fit", "--config", "run.yaml", "--ckpt_path", str(last)])
    assert [*Path("runs/chain_sums_yaml").iterdir()] == [folder]
    assert read_metrics(folder / "metrics.csv")["train/grad_norm"][0] == [1, 2, 3]
    assert [row["rollout"] for row in read_rollouts(folder / "rollouts.jsonl")] == [0] * 16 + [1] * 16 + [2] * 16
