"""What SampleLogger shows: the same held-out prompts each time, best, worst, and what changed; after a resume, too."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger

from rlframework.algorithms import GRPO
from rlframework.callbacks import RolloutCallback, SampleLogger
from rlframework.callbacks.sample_logger import expected_answer
from rlframework.completions import Completion
from rlframework.prompt import Prompt
from rlframework.rewards.base import RowReward

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]
Rows = list[dict[str, Any]]


def table(folder: str | Path, name: str) -> Rows:
    return [json.loads(line) for line in Path(folder, "samples", f"{name}.jsonl").read_text("utf-8").splitlines()]


def chosen(rows: Rows, *reasons: str) -> Rows:
    return [row for row in rows if row["chosen"] in reasons]


class Validated(RolloutCallback):
    """Keeps the completions and scores of each validation."""

    def __init__(self) -> None:
        self.runs: list[list[tuple[Completion, float]]] = []

    def on_validation_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.runs.append([])

    def on_validation_completions(self, trainer: Any, pl_module: Any, completions: Any, scores: Any) -> None:
        assert scores.keys() == {"reward", "accuracy"}
        self.runs[-1] += zip(completions, scores["accuracy"].total.flatten().tolist(), strict=True)


class Late(RowReward):
    """How late in the alphabet the letters are, which nobody is rewarded for: it goes up and down."""

    def score_row(self, completion: Completion) -> float:
        return sum(map(ord, completion.text)) / 1024


def test_held_out_prompts_are_the_same_and_those_that_changed_stand_beside_them(
    grpo: Make, fit: Fit, tmp_path: Path
) -> None:
    validated = Validated()
    algorithm = grpo(validation={"accuracy": Late()})
    callbacks = [validated, SampleLogger(heldout=2)]
    trainer = fit(
        algorithm, held_out=12, callbacks=callbacks, logger=CSVLogger(tmp_path), max_epochs=4, val_check_interval=2
    )
    rows = table(trainer.log_dir, "heldout")
    steps = sorted({row["step"] for row in rows})
    assert steps == list(range(1, 16, 2))
    last: dict[int, float] = {}
    kinds = set()
    for step, run in zip(steps, validated.runs, strict=True):
        shown = [row for row in rows if row["step"] == step]
        assert [row["prompt_index"] for row in chosen(shown, "same")] == [0, 1]
        for row in shown:
            completion, score = run[row["prompt_index"]]
            assert (row["prompt"], row["completion"]) == (completion.prompt.text, completion.text)
            assert (row["expected"], row["stop_reason"]) == (completion.prompt.row["answer"], completion.stop_reason)
            assert (row["accuracy"], row["accuracy_before"]) == (score, last.get(row["prompt_index"]))
            assert row["reward"] == pytest.approx(row["reward/first_letter"] + row["reward/vowels"])
        now = {completion.prompt.index: score for completion, score in run}
        changes = {index: now[index] - last[index] for index in last if now[index] != last[index]}
        for kind, sign in (("better", 1), ("worse", -1)):
            expected = sorted((sign * change for change in changes.values() if sign * change > 0), reverse=True)[:2]
            assert [sign * changes[row["prompt_index"]] for row in chosen(shown, kind)] == expected
            kinds |= {kind} if expected else set()
        last = now
    assert kinds == {"better", "worse"}


def test_the_best_the_worst_and_the_changed_of_a_rollout(grpo: Make, fit: Fit, recorder: Any, tmp_path: Path) -> None:
    callbacks = [recorder, SampleLogger(rollout=1, every_n_rollouts=2)]
    trainer = fit(grpo(), prompts=8, callbacks=callbacks, logger=CSVLogger(tmp_path), max_epochs=4)
    rows = table(trainer.log_dir, "rollout")
    assert sorted({row["rollout"] for row in rows}) == [0, 2, 4, 6]
    last: dict[int, float] = {}
    for record in recorder.collected:
        shown = [row for row in rows if row["rollout"] == record.step]
        total = record.scores.total
        for kind, value in (("best", total.max()), ("worst", total.min())) if shown else ():
            [row] = chosen(shown, kind)
            assert row["reward"] == value
            assert any(
                row["completion"] == one.text
                and row["tokens"] == len(one.ids)
                and row["advantage"] == pytest.approx(float(record.rollout.advantages[place]))
                for place, one in enumerate(record.completions)
            )
        groups = [group[0].prompt.index for group in record.completions.groups()]
        means = dict(zip(groups, total.mean(1).tolist(), strict=True))
        for row in chosen(shown, "better", "worse"):
            assert row["mean_reward_before"] == last[row["prompt_index"]]
            change = means[row["prompt_index"]] - row["mean_reward_before"]
            others = [means[index] - last[index] for index in means]
            assert change == (max(others) if row["chosen"] == "better" else min(others))
        last |= means
    assert chosen(rows, "better", "worse")


def test_a_resumed_run_shows_what_the_whole_run_shows(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    options = {"held_out": 8, "val_check_interval": 2, "max_epochs": 4, "prompts": 8}
    saver = ModelCheckpoint(tmp_path / "saved", "{step}", every_n_train_steps=1, save_top_k=-1)
    logger = CSVLogger(tmp_path, "whole")
    callbacks = [SampleLogger(every_n_rollouts=1), saver]
    late = {"accuracy": Late()}
    whole = fit(grpo(validation=late), callbacks=callbacks, logger=logger, enable_checkpointing=True, **options)
    saved = str(tmp_path / "saved" / "step=3.ckpt")
    logger = CSVLogger(tmp_path, "resumed")
    callbacks = [SampleLogger(every_n_rollouts=1)]
    resumed = fit(grpo(validation=late), ckpt_path=saved, callbacks=callbacks, logger=logger, **options)
    for name in ("heldout", "rollout"):
        again = table(resumed.log_dir, name)
        assert {row["step"] for row in chosen(again, "better", "worse")} >= {3}
        assert again == [row for row in table(whole.log_dir, name) if row["step"] >= 3]


def test_a_checkpoint_inside_a_validation_compares_with_the_one_before(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    """As the run that goes on from it validates anew."""
    shown, inside = SampleLogger(), []

    class Inside(RolloutCallback):
        def on_validation_completions(self, *arguments: Any) -> None:
            inside.append(shown.state_dict()["validated"])

    options = {"callbacks": [shown, Inside()], "logger": CSVLogger(tmp_path), "max_epochs": 2}
    fit(grpo(validation={"accuracy": Late()}), prompts=4, held_out=4, **options)
    assert inside[0] == {}
    assert inside[1] != shown.state_dict()["validated"]
    assert inside[1].keys() == shown.state_dict()["validated"].keys() == {0, 1, 2, 3}


def test_rows_are_added_after_a_half_line(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    fit(grpo(), held_out=4, callbacks=[SampleLogger()], logger=CSVLogger(tmp_path, version=0))
    path = tmp_path / "lightning_logs" / "version_0" / "samples" / "heldout.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning says that the folder is there already.
        fit(grpo(), held_out=4, callbacks=[SampleLogger()], logger=CSVLogger(tmp_path, version=0))
    assert path.read_bytes() == b"".join(whole.splitlines(keepends=True)[:-1]) + whole


def test_rewards_that_abstain_are_null_and_never_best(grpo: Make, fit: Fit, recorder: Any, tmp_path: Path) -> None:
    class Sometimes(RowReward):
        def score_row(self, completion: Completion) -> float | None:
            return None if completion.ids[0] % 3 else float(len(completion.text))

    algorithm = grpo(reward=Sometimes(), validation=None)
    callbacks = [recorder, SampleLogger(heldout=8)]
    trainer = fit(algorithm, prompts=4, held_out=8, callbacks=callbacks, logger=CSVLogger(tmp_path))
    known = recorder.collected[0].scores.total
    assert known.isnan().any()
    [best, *_] = chosen(table(trainer.log_dir, "rollout"), "best")
    [worst, *_] = chosen(table(trainer.log_dir, "rollout"), "worst")
    assert (best["reward"], worst["reward"]) == (known[~known.isnan()].max(), known[~known.isnan()].min())
    for row in table(trainer.log_dir, "heldout"):
        assert (row["reward"] is None) == (row["reward/sometimes"] is None)
        assert row["reward_before"] is None


def test_nothing_is_logged_of_a_sanity_check_or_a_fast_dev_run(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    options = {"held_out": 4, "logger": CSVLogger(tmp_path / "sane"), "num_sanity_val_steps": 2}
    trainer = fit(grpo(), callbacks=[SampleLogger()], max_steps=2, val_check_interval=2, **options)
    assert {row["step"] for row in table(trainer.log_dir, "heldout")} == {1}
    fit(grpo(), held_out=4, callbacks=[SampleLogger()], logger=CSVLogger(tmp_path / "fast"), fast_dev_run=True)
    assert not (tmp_path / "fast").exists()


@pytest.mark.parametrize("known", [False, True])
def test_a_run_without_a_place_for_tables_says_so(known: bool, grpo: Make, fit: Fit, tmp_path: Path) -> None:
    class Elsewhere(Logger):
        name, version = "elsewhere", 0

        def log_metrics(self, *arguments: Any, **options: Any) -> None:
            pass

        log_hyperparams = log_metrics

    loggers: list[Logger] = [Elsewhere(), CSVLogger(tmp_path)] if known else [Elsewhere()]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(grpo(), held_out=4, max_steps=1, callbacks=[SampleLogger()], logger=loggers)
    told = [str(one.message) for one in caught if "SampleLogger has nowhere to log to" in str(one.message)]
    assert len(told) == (not known)
    assert known or "loggers: Elsewhere" in told[0]


@pytest.mark.parametrize("options", [{"heldout": -1}, {"rollout": -1}, {"every_n_rollouts": 0}])
def test_numbers_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        SampleLogger(**options)


def test_the_expected_answer_is_in_the_column_of_the_data_module() -> None:
    class Data:
        answer_column = "solution"

    prompt = Prompt([1], "?", {"prompt": "?", "answer": "wrong one", "solution": [1, 2]})
    assert expected_answer(prompt, Data()) == "[1, 2]"
