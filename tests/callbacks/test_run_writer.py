"""RunWriter: what a run was made of, what was warned of and how it ended, whatever ends it."""

from __future__ import annotations

import errno
import fcntl
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest
import pytorch_lightning as pl

from rlframework import GRPO, PromptDataModule, SharedPrefixSampler, rewards
from rlframework.callbacks import RunWriter, Sentinel, run_writer
from rlframework.loggers import AppendingCSVLogger
from rlframework.runs import RunFolder
from rlframework.testing import letter_rows, tiny_policy
from rlframework.utilities.whole_lines import append_lines


def vowels(completion: str) -> float:
    return sum(letter in "aeiou" for letter in completion) / 8


class Complains(Sentinel):
    needs = ("train/entropy",)

    def look(self, figures: dict[str, float]) -> str | None:
        return "something is odd"


class Stops(pl.Callback):
    def __init__(self, what: BaseException | Warning) -> None:
        self.what = what

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
        if trainer.global_step == 2:
            if isinstance(self.what, Warning):
                warnings.warn(self.what, stacklevel=1)
            else:
                raise self.what


def fit(folder: Path, *callbacks: pl.Callback, **options: object) -> None:
    sampler = SharedPrefixSampler(group_size=2, max_tokens=4)
    algorithm = GRPO(
        tiny_policy(), rewards.FunctionReward(vowels), sampler, prompts_per_rollout=2, kl_coefficient=0.125
    )
    checkpoint = options.pop("ckpt_path", None)
    settings = {"accelerator": "cpu", "max_steps": 3, "logger": False, "enable_progress_bar": False, **options}
    trainer = pl.Trainer(
        default_root_dir=folder, callbacks=[*callbacks, RunWriter()], enable_checkpointing=False, **settings
    )
    trainer.fit(algorithm, PromptDataModule(letter_rows(12)), ckpt_path=checkpoint)
    if checkpoint is None:
        trainer.save_checkpoint(folder / "after.ckpt")


@pytest.mark.filterwarnings("always")
def test_settings_warnings_sentinels_and_the_end_are_written(tmp_path: Path) -> None:
    before = warnings.showwarning
    fit(tmp_path, Complains(), Stops(RuntimeWarning("half\nof it")))
    run = RunFolder(tmp_path)
    algorithm = run.settings["algorithm"]
    assert algorithm["class_path"] == "rlframework.GRPO"
    assert algorithm["init_args"]["kl_coefficient"] == 0.125
    assert algorithm["init_args"]["sampler"]["init_args"]["group_size"] == 2
    assert run.settings["data"]["class_path"] == "rlframework.PromptDataModule"
    assert run.settings["trainer"]["max_steps"] == 3
    assert run.settings["versions"]["torch"] == version("torch")
    events = [(event["kind"], event["source"], event["step"]) for event in run.events()]
    assert events[0] == ("start", "Trainer", 0)
    assert ("sentinel", "Complains", 1) in events
    assert ("warning", "RuntimeWarning", 2) in events
    assert events[-1] == ("end", "Trainer", 3)
    assert run.events()[-1]["message"] == "finished after 3 optimizer steps"
    assert [event["message"] for event in run.events() if event["source"] == "RuntimeWarning"] == ["half\nof it"]
    assert warnings.showwarning is before


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", [ValueError("broke"), KeyboardInterrupt()], ids=["error", "ctrl-c"])
def test_what_ends_a_run_is_written_and_a_resumed_run_says_so(what: BaseException, tmp_path: Path) -> None:
    fit(tmp_path)
    with pytest.raises((ValueError, SystemExit, KeyboardInterrupt)):
        fit(tmp_path, Stops(what))
    assert RunFolder(tmp_path).events()[-1] | {"time": 0} == {
        "time": 0,
        "step": 2,
        "kind": "exception",
        "source": type(what).__name__,
        "message": str(what),
    }
    fit(tmp_path, ckpt_path=tmp_path / "after.ckpt", max_steps=4)
    resumed = RunFolder(tmp_path).events()[-2:]
    assert [event["kind"] for event in resumed] == ["resume", "end"]
    assert "after.ckpt" in resumed[0]["message"]


def test_a_full_disk_costs_the_record_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_writer, "append_lines", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.warns(UserWarning, match="run.json could not be written: No space left on device"):
        fit(tmp_path)
    assert not list(tmp_path.glob("*.json*"))


@pytest.mark.filterwarnings("ignore")
def test_two_writers_leave_warnings_as_they_were(tmp_path: Path) -> None:
    before = warnings.showwarning
    fit(tmp_path, RunWriter(tmp_path / "first"))
    assert warnings.showwarning is before
    for folder in (tmp_path, tmp_path / "first"):
        assert [event["kind"] for event in RunFolder(folder).events()][-1] == "end"


@pytest.mark.filterwarnings("always")
def test_a_warning_of_a_signal_during_a_write_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, lines: bytes) -> int:
        if b"the first" in lines:
            with path.open("ab") as file:  # as append_lines does
                fcntl.flock(file, fcntl.LOCK_EX)
                warnings.warn("of a handler", stacklevel=1)
        return append_lines(path, lines)

    monkeypatch.setattr(run_writer, "append_lines", interrupted)
    fit(tmp_path, Stops(RuntimeWarning("the first")))
    said = [event["message"] for event in RunFolder(tmp_path).events()]
    assert said.index("the first") < said.index("of a handler")


class Keyed(GRPO):
    servers: str = "http://me:hunter2@10.0.0.1:8000"
    api_key: str = "k-123"


@pytest.mark.filterwarnings("always")
def test_secrets_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["fit", "--data.token", "k-123", "--url=http://me:hunter2@host", "--seed", "1"]
    monkeypatch.setattr(sys, "argv", command)
    sampler = SharedPrefixSampler(group_size=2, max_tokens=4)
    algorithm = Keyed(tiny_policy(), rewards.FunctionReward(vowels), sampler, prompts_per_rollout=2)
    callbacks = [Stops(RuntimeWarning("http://me:hunter2@host does not answer")), RunWriter(tmp_path)]
    logger = AppendingCSVLogger(tmp_path, name=None, version="")
    trainer = pl.Trainer(accelerator="cpu", max_steps=2, callbacks=callbacks, logger=logger, enable_checkpointing=False)
    trainer.fit(algorithm, PromptDataModule(letter_rows(12)))
    run = RunFolder(tmp_path)
    assert run.settings["command"] == ["fit", "--data.token", "***", "--url=http://***@host", "--seed", "1"]
    assert run.settings["algorithm"]["init_args"]["api_key"] == "***"
    assert any("http://***@host does not answer" in event["message"] for event in run.events())
    for file in filter(Path.is_file, tmp_path.rglob("*")):
        assert not [secret for secret in ("hunter2", "k-123") if secret in file.read_text()], file
    assert algorithm.api_key == "k-123"


@pytest.mark.filterwarnings("ignore")
def test_a_fast_dev_run_and_a_validation_write_nothing(tmp_path: Path) -> None:
    fit(tmp_path, fast_dev_run=True)
    assert not list(tmp_path.glob("*.json*"))


def test_settings_are_json_without_the_objects_of_the_run(tmp_path: Path) -> None:
    fit(tmp_path)
    text = (tmp_path / "run.json").read_text()
    assert json.loads(text)["algorithm"]["init_args"]["policy"]
    assert "object at 0x" not in text


@pytest.mark.parametrize(("limit", "problems"), [(1.0, 9), (2, 8), (3, 9), (0, None), (0.5, None)])
def test_the_size_of_a_validation_is_written_where_it_is_known(
    tmp_path: Path, limit: float, problems: int | None
) -> None:
    sampler = SharedPrefixSampler(group_size=2, max_tokens=4)
    algorithm = GRPO(tiny_policy(), rewards.FunctionReward(vowels), sampler, prompts_per_rollout=2)
    data = PromptDataModule(letter_rows(12), letter_rows(9), validation_batch_size=4)
    options = {"accelerator": "cpu", "max_steps": 1, "logger": False, "enable_progress_bar": False}
    trainer = pl.Trainer(
        callbacks=[RunWriter(tmp_path)], enable_checkpointing=False, limit_val_batches=limit, **options
    )
    trainer.fit(algorithm, data)
    assert RunFolder(tmp_path).settings["heldout_problems"] == problems
