"""Tables, histograms and figures in the stores of real loggers, offline, read back from what they wrote."""

from __future__ import annotations

import json
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger

from rlframework.algorithms import GRPO
from rlframework.callbacks import SampleLogger
from rlframework.callbacks.loggers import as_markdown, log_histogram, log_table
from rlframework.rewards.base import RowReward, WeightedSum

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]
Rows = list[dict[str, Any]]

FIRST = [
    {"step": 0, "completion": "`a` | <b>\n```\n\u2028 日本 \\ '", "reward": 0.5, "reward_before": None},
    {"step": 0, "completion": "", "reward": None, "reward_before": None},
]
SECOND = [{"step": 7, "completion": "c", "reward": -1.0, "reward_before": 0.5}]


class Scored(RowReward):
    def score_row(self, completion: Any) -> float:
        return sum(letter in "aeiou" for letter in completion.text) / 4


def trained(logger: Any, grpo: Make, fit: Fit) -> pl.Trainer:
    """Train two epochs with a component whose name most stores refuse, and with all that SampleLogger shows."""
    reward = WeightedSum(rewards={"vowels": Scored(), "half * (strict)": Scored()})
    algorithm = grpo(reward=reward, validation={"vowels": Scored(), "pass@1": Scored()})
    callbacks = [SampleLogger(every_n_rollouts=2)]
    return fit(algorithm, prompts=8, held_out=6, max_epochs=2, callbacks=callbacks, logger=logger)


FIGURES = {
    "train/reward/total",
    "train/reward/vowels",
    "train/reward/half____strict_",
    "train/judgement/vowels/errors",
    "train/entropy",
    "val/reward",
    "val/vowels",
}


def check_samples(heldout: Rows, rollout: Rows) -> None:
    assert [row["step"] for row in heldout if row["chosen"] == "same"] == [1] * 4 + [3] * 4
    assert {row["rollout"] for row in rollout} == {0, 2}
    assert {"best", "worst", "better"} <= {row["chosen"] for row in rollout}
    assert all(row["prompt"] and row["expected"] and row["stop_reason"] == "length" for row in heldout + rollout)
    assert all(row["reward"] == pytest.approx(2 * row["reward/half * (strict)"]) for row in heldout + rollout)
    assert all(isinstance(row["advantage"], float) for row in rollout)


class TestTensorBoard:
    @pytest.fixture
    def logger(self, tmp_path: Path) -> TensorBoardLogger:
        pytest.importorskip("tensorboard")
        return TensorBoardLogger(tmp_path)

    def read(self, logger: TensorBoardLogger) -> Any:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        logger.experiment.flush()
        return EventAccumulator(logger.log_dir, {"histograms": 0, "tensors": 0, "scalars": 0}).Reload()

    def texts(self, stored: Any, name: str) -> dict[int, str]:
        found = stored.Tensors(f"{name}/text_summary")
        return {one.step: one.tensor_proto.string_val[0].decode() for one in found}

    def test_tables_and_histograms(self, logger: TensorBoardLogger) -> None:
        log_table(logger, "samples/x", FIRST, 0)
        log_table(logger, "samples/x", SECOND, 7)
        log_histogram(logger, "samples/lengths", torch.tensor([1.0, 1.0, 9.0]), 7)
        stored = self.read(logger)
        assert self.texts(stored, "samples/x") == {0: as_markdown(FIRST), 7: as_markdown(SECOND)}
        [histogram] = stored.Histograms("samples/lengths")
        kept = histogram.histogram_value
        assert (histogram.step, kept.num, kept.min, kept.max, kept.sum) == (7, 3.0, 1.0, 9.0, 11.0)

    def test_the_same_run_again_is_added_to(self, logger: TensorBoardLogger, tmp_path: Path) -> None:
        log_table(logger, "samples/x", FIRST, 0)
        logger.finalize("success")
        again = TensorBoardLogger(tmp_path, version=logger.version)
        log_table(again, "samples/x", SECOND, 7)
        assert self.texts(self.read(again), "samples/x") == {0: as_markdown(FIRST), 7: as_markdown(SECOND)}

    def test_what_a_run_said_is_shown_as_it_was_said(self, logger: TensorBoardLogger) -> None:
        """The page that people see: Markdown made HTML by TensorBoard itself."""
        html = pytest.importorskip("tensorboard.plugin_util").markdown_to_safe_html(as_markdown(FIRST))
        assert "<code>`a` | &lt;b&gt;\n```\n\u2028 日本 \\ '\n</code>" in html

    def test_a_run(self, logger: TensorBoardLogger, grpo: Make, fit: Fit) -> None:
        trained(logger, grpo, fit)
        stored = self.read(logger)
        assert set(stored.Tags()["scalars"]) > {*FIGURES, "val/pass@1"}
        assert [event.step for event in stored.Scalars("train/reward/total")] == [0, 1, 2, 3]
        heldout, rollout = self.texts(stored, "samples/heldout"), self.texts(stored, "samples/rollout")
        assert (set(heldout), set(rollout)) == ({1, 3}, {0, 2})
        assert heldout[3].count("**chosen** same") == 4
        assert "**chosen** best" in rollout[2]
        assert "**reward/half * (strict)** " in rollout[2]
        assert [event.step for event in stored.Histograms("samples/reward")] == [0, 2]
        assert [event.histogram_value.num for event in stored.Histograms("samples/completion_length")] == [16, 16]


class TestMLflow:
    @pytest.fixture(params=["file", pytest.param("sqlite", marks=pytest.mark.slow)])
    def logger(self, request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MLFlowLogger]:
        mlflow = pytest.importorskip("mlflow")
        monkeypatch.chdir(tmp_path)
        # Newer versions keep runs in a database unless they are told that files will do.
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        places = {"file": f"file:{tmp_path}/mlruns", "sqlite": f"sqlite:///{tmp_path}/mlflow.db"}
        before = mlflow.get_tracking_uri()
        yield MLFlowLogger("letters", tracking_uri=places[request.param])
        mlflow.set_tracking_uri(before)

    def rows(self, logger: MLFlowLogger, name: str) -> Rows:
        path = logger.experiment.download_artifacts(logger.run_id, f"{name}.json")
        stored = json.loads(Path(path).read_text())
        return [dict(zip(stored["columns"], row, strict=True)) for row in stored["data"]]

    def test_tables_and_histograms(self, logger: MLFlowLogger) -> None:
        log_table(logger, "samples/x", FIRST, 0)
        log_table(logger, "samples/x", SECOND, 7)
        log_histogram(logger, "samples/lengths", torch.tensor([1.0, 1.0, 9.0]), 7)
        assert self.rows(logger, "samples/x") == FIRST + SECOND
        again = MLFlowLogger("letters", tracking_uri=logger._tracking_uri, run_id=logger.run_id)
        log_table(again, "samples/x", SECOND, 8)
        assert self.rows(again, "samples/x") == FIRST + SECOND + SECOND
        [picture] = logger.experiment.list_artifacts(logger.run_id, "samples/lengths")
        assert picture.path == "samples/lengths/000007.png"
        path = Path(logger.experiment.download_artifacts(logger.run_id, picture.path))
        assert path.read_bytes().startswith(b"\x89PNG")

    def test_a_run(self, logger: MLFlowLogger, grpo: Make, fit: Fit) -> None:
        trained(logger, grpo, fit)
        run = logger.experiment.get_run(logger.run_id)
        assert run.data.metrics.keys() > {*FIGURES, "val/pass1"}
        assert "learning_rate" in run.data.params
        assert any(name.startswith("validation/pass_1") for name in run.data.params)
        history = logger.experiment.get_metric_history(logger.run_id, "train/reward/total")
        assert [point.step for point in history] == [0, 1, 2, 3]
        check_samples(self.rows(logger, "samples/heldout"), self.rows(logger, "samples/rollout"))
        assert run.info.status == "FINISHED"


def wandb_records(stored: bytes) -> Iterator[bytes]:
    """Yield the records of a .wandb file: a log of LevelDB, blocks of 32 KiB behind a header of seven bytes."""
    place, parts = 7, b""
    while place < len(stored):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", stored, place)
        parts += stored[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part of one
            yield parts
            parts = b""


class TestWandb:
    @pytest.fixture
    def logger(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbLogger]:
        wandb = pytest.importorskip("wandb")
        monkeypatch.setenv("WANDB_MODE", "offline")
        monkeypatch.setenv("WANDB_SILENT", "true")
        monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
        yield WandbLogger(save_dir=tmp_path, project="letters", offline=True)
        wandb.finish()

    def read(self, logger: WandbLogger) -> tuple[list[dict[str, Any]], Path]:
        """Return the run's history as W&B wrote it, and its folder."""
        import wandb
        from wandb.proto.wandb_internal_pb2 import Record

        folder = Path(logger.experiment.dir).parent
        wandb.finish()
        [path] = folder.glob("*.wandb")
        records: list[Any] = []
        # `finish` may be back before the last of it is in the file.
        ends = time.monotonic() + 60
        while time.monotonic() < ends and not (records and records[-1].HasField("exit")):
            records = [Record.FromString(written) for written in wandb_records(path.read_bytes())]
            time.sleep(0.1)
        history = []
        for record in records:
            entry: dict[str, Any] = {}
            for item in record.history.item:
                name, *inner = item.nested_key or [item.key]
                value = json.loads(item.value_json)
                entry[name] = entry.get(name, {}) | {inner[0]: value} if inner else value
            history.append(entry)
        return history, folder

    def rows(self, history: list[dict[str, Any]], folder: Path, name: str) -> Rows:
        """Return the rows of all increments of a table, in their order."""
        rows: Rows = []
        for entry in history:
            if name in entry:
                stored = json.loads((folder / "files" / entry[name]["path"]).read_text())
                rows += [dict(zip(stored["columns"], row, strict=True)) for row in stored["data"]]
                assert entry[name]["nrows"] == len(rows)
        return rows

    def test_tables_and_histograms(self, logger: WandbLogger) -> None:
        log_table(logger, "samples/x", FIRST, 0)
        log_table(logger, "samples/x", SECOND, 7)
        log_histogram(logger, "samples/lengths", torch.tensor([1.0, 1.0, 9.0]), 7)
        history, folder = self.read(logger)
        assert self.rows(history, folder, "samples/x") == FIRST + SECOND
        [histogram] = [entry["samples/lengths"] for entry in history if "samples/lengths" in entry]
        assert (histogram["_type"], sum(histogram["values"])) == ("histogram", 3)

    @pytest.mark.slow
    def test_the_same_run_again_and_another_reward(self, logger: WandbLogger, tmp_path: Path) -> None:
        log_table(logger, "samples/x", FIRST, 0)
        log_table(logger, "samples/x", [{"step": 3, "other": 1.0}], 3)
        history, folder = self.read(logger)
        tables = [
            json.loads((folder / "files" / one["samples/x"]["path"]).read_text())
            for one in history
            if "samples/x" in one
        ]
        assert [table["columns"] for table in tables] == [list(FIRST[0]), ["step", "other"]]
        again = WandbLogger(save_dir=tmp_path, project="letters", offline=True, id=logger.version, resume="allow")
        log_table(again, "samples/x", SECOND, 7)
        history, folder = self.read(again)
        assert self.rows(history, folder, "samples/x") == SECOND

    def test_a_run(self, logger: WandbLogger, grpo: Make, fit: Fit) -> None:
        trained(logger, grpo, fit)
        history, folder = self.read(logger)
        assert set().union(*history) > {*FIGURES, "val/pass@1"}
        assert [entry["trainer/global_step"] for entry in history if "train/reward/total" in entry] == [0, 1, 2, 3]
        check_samples(self.rows(history, folder, "samples/heldout"), self.rows(history, folder, "samples/rollout"))


def test_files_beside_the_figures_of_a_csv_logger(tmp_path: Path, grpo: Make, fit: Fit) -> None:
    folder = Path(trained(CSVLogger(tmp_path), grpo, fit).log_dir, "samples")
    tables = {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in folder.iterdir()}
    check_samples(**tables)
    shutil.rmtree(folder)
    logger = CSVLogger(tmp_path)
    log_table(logger, "x", FIRST, 0)
    log_table(logger, "x", SECOND, 7)
    lines = Path(logger.log_dir, "x.jsonl").read_bytes().decode().split("\n")
    assert [json.loads(line) for line in lines[:-1]] == FIRST + SECOND


def test_a_logger_of_ones_own_is_taught(tmp_path: Path, grpo: Make, fit: Fit) -> None:
    class Mine(CSVLogger):
        pass

    shown: list[str] = []

    @log_table.register(Mine)
    def _(logger: Mine, name: str, rows: Rows, step: int) -> None:
        shown.append(name)

    log_table(Mine(tmp_path), "mine", FIRST, 0)
    log_table(CSVLogger(tmp_path), "not mine", FIRST, 0)
    assert shown == ["mine"]
