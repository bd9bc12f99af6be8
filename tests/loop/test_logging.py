"""What a run logs: under which names, and that the numbers are those of its rollouts."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger

from rlframework.algorithms import GRPO
from rlframework.data import PromptDataModule
from rlframework.testing import letter_rows, tiny_policy

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]

TRAIN = {
    "train/reward/total",
    "train/reward/first_letter",
    "train/reward/vowels",
    "train/judgement/first_letter/abstained",
    "train/judgement/first_letter/errors",
    "train/judgement/vowels/abstained",
    "train/judgement/vowels/errors",
    "train/reward_std_in_group",
    "train/zero_std_groups",
    "train/completion_length",
    "train/truncated",
    "train/entropy",
    "train/clip_fraction_low",
    "train/clip_fraction_high",
    "train/surrogate",
    "train/grad_norm",
    "train/rollout_seconds",
    "train/update_seconds",
}


def logged(trainer: pl.Trainer) -> list[dict[str, str]]:
    with (Path(trainer.log_dir) / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def column(rows: list[dict[str, str]], name: str) -> list[float]:
    return [float(row[name]) for row in rows if row[name]]


@pytest.mark.parametrize("kl_coefficient", [0.0, 0.1])
def test_the_names_are_exactly_these(grpo: Make, fit: Fit, tmp_path: Path, kl_coefficient: float) -> None:
    algorithm = grpo(minibatches_per_rollout=2, kl_coefficient=kl_coefficient)
    trainer = fit(algorithm, held_out=8, logger=CSVLogger(tmp_path))
    rows = logged(trainer)
    kl = {"train/kl"} if kl_coefficient else set()
    assert set(rows[0]) == TRAIN | kl | {"val/accuracy", "val/reward", "epoch", "step"}
    updates = [row for row in rows if row["train/surrogate"]]
    assert [int(row["step"]) for row in updates] == list(range(8))
    assert all(row[name] for row in updates for name in TRAIN | kl)
    assert len(column(rows, "val/accuracy")) == len(column(rows, "val/reward")) == 1


def test_the_progress_bar_shows_reward_and_accuracy_and_no_loss(grpo: Make, fit: Fit) -> None:
    trainer = fit(grpo(), held_out=8)
    assert set(trainer.progress_bar_metrics) == {"train/reward", "val/accuracy"}


def test_numbers_of_a_rollout_are_those_of_its_completions(grpo: Make, fit: Fit, recorder: Any, tmp_path: Path) -> None:
    rows = logged(fit(grpo(), logger=CSVLogger(tmp_path), callbacks=[recorder]))
    expected: dict[str, list[float]] = {name: [] for name in TRAIN if name.split("/")[1] not in _OF_UPDATES}
    for collected in recorder.collected:
        scores = collected.scores
        lengths = [len(completion.ids) for completion in collected.completions]
        expected["train/reward/total"].append(scores.total.mean().item())
        for name, values in scores.components.items():
            expected[f"train/reward/{name}"].append(values.mean().item())
            expected[f"train/judgement/{name}/abstained"].append(0.0)
            expected[f"train/judgement/{name}/errors"].append(0.0)
        expected["train/reward_std_in_group"].append(scores.total.std(1).mean().item())
        expected["train/zero_std_groups"].append((scores.total.std(1) == 0).float().mean().item())
        expected["train/completion_length"].append(sum(lengths) / len(lengths))
        truncated = [completion.stop_reason == "length" for completion in collected.completions]
        expected["train/truncated"].append(sum(truncated) / len(truncated))
    for name, values in expected.items():
        assert column(rows, name) == pytest.approx(values, rel=1e-5), name
        still = {"train/zero_std_groups", "train/reward/first_letter"}
        assert len(set(values)) > 1 or name in still or name.endswith(("/abstained", "/errors")), name


def test_numbers_of_an_update_are_over_all_its_tokens(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    """However the step is cut; the rows are of ragged lengths, so a mean of means would differ."""
    runs = []
    for parts in (1, 4):
        policy = tiny_policy()
        policy.model.generation_config.eos_token_id = list(range(1, 12))
        algorithm = grpo(policy, minibatches_per_rollout=parts, passes_per_rollout=2, kl_coefficient=0.1)
        options = {"accumulate_grad_batches": parts, "logger": CSVLogger(tmp_path / str(parts))}
        runs.append(logged(fit(algorithm, prompts=8, **options)))
    for name in sorted(TRAIN | {"train/kl"}):
        if not name.endswith("_seconds"):
            whole, cut = (column(rows, name) for rows in runs)
            assert len(whole) == 4
            assert cut == pytest.approx(whole, rel=1e-4, abs=1e-5), name
    assert len(set(column(runs[0], "train/clip_fraction_high"))) > 1


def test_numbers_of_a_rollout_stay_until_the_next_one(grpo: Make, fit: Fit, recorder: Any, tmp_path: Path) -> None:
    algorithm = grpo(minibatches_per_rollout=4)
    rows = logged(fit(algorithm, logger=CSVLogger(tmp_path), log_every_n_steps=3, callbacks=[recorder]))
    assert [int(row["step"]) for row in rows] == [2, 5, 8, 11, 14]
    rewards = [collected.scores.total.mean().item() for collected in recorder.collected]
    assert column(rows, "train/reward/total") == pytest.approx([rewards[step // 4] for step in (2, 5, 8, 11, 14)])


def test_validation_alone(grpo: Make, tmp_path: Path) -> None:
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path)
    algorithm = grpo()
    [metrics] = trainer.validate(algorithm, PromptDataModule(letter_rows(4), letter_rows(8)), verbose=False)
    completions = algorithm.validation_sampler.sample(algorithm.policy, trainer.datamodule.prompts["validation"])
    scores = algorithm.reward.evaluate(completions)
    assert set(metrics) == {"val/accuracy", "val/reward"}
    assert metrics["val/accuracy"] == pytest.approx(scores.components["first_letter"].mean().item())
    assert metrics["val/reward"] == pytest.approx(scores.total.mean().item())


_OF_UPDATES = {
    "entropy",
    "clip_fraction_low",
    "clip_fraction_high",
    "surrogate",
    "grad_norm",
    "rollout_seconds",
    "update_seconds",
}


def test_a_second_fit_logs_nothing_of_a_run_that_was_stopped(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
            raise RuntimeError("stop")

    options = {"learning_rate": 0.0, "minibatches_per_rollout": 2, "seed": 3}
    algorithm, other = grpo(**options), grpo(**options)
    with pytest.raises(RuntimeError, match="stop"):
        fit(algorithm, callbacks=[Stop()], accumulate_grad_batches=2)
    rows = []
    for name, made in (("second", algorithm), ("first", other)):
        trainer = fit(made, logger=CSVLogger(tmp_path, name), accumulate_grad_batches=2)
        rows.append([{k: v for k, v in row.items() if "seconds" not in k} for row in logged(trainer)])
    assert rows[0] == rows[1]
