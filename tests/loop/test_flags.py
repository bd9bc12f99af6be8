"""Every argument of Lightning's Trainer, every callback and entry: tried, and what it is documented to do looked at."""

from __future__ import annotations

import copy
import inspect
import json
import os
import re
import socket
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning import callbacks as shipped
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.plugins import AsyncCheckpointIO, MixedPrecision, TorchCheckpointIO
from pytorch_lightning.profilers import AdvancedProfiler
from pytorch_lightning.strategies import ModelParallelStrategy, SingleDeviceStrategy

from rlframework.algorithms import GRPO, SFT
from rlframework.data import DemonstrationDataModule, PromptDataModule
from rlframework.samplers import SharedPrefixSampler
from rlframework.testing import letter_prompts, letter_rows, tiny_policy
from tests import forked
from tests.distributed import two_ranks
from tests.loop.flags_run import DEFAULTS, Descent, Ran, algorithm, data, run, weights

PAGE = Path(__file__).parents[2] / "docs" / "lightning.md"
BEGIN, END = "<!-- flags:begin -->\n", "<!-- flags:end -->"
VERSION = ".".join(pl.__version__.split(".")[:2])
TRAINER = set(inspect.signature(pl.Trainer).parameters)
BASES = {"Callback", "Checkpoint", "ProgressBar"}  # Others are these, and show that they work.
ENTRIES = "entry"


class Row(NamedTuple):
    """One value of one flag.

    Args:
        name: An argument of the Trainer, a callback, or another entry.
        value: As it is written.
        shown: What is looked at.
        check: Raises where it is not so.
        refused: What the message of a refusal has to hold; None where it works.
        quick: Whether `make test` tries it.
    """

    name: str
    value: str
    shown: str
    check: Callable[[Path], object]
    refused: str | None
    quick: bool


ROWS: list[Row] = []


def row(name: str, value: str, shown: str = "", refused: str | None = None, quick: bool = False) -> Callable:
    def add(check: Callable[[Path], object]) -> Callable[[Path], object]:
        ROWS.append(Row(name, value, shown, check, refused, quick))
        return check

    return add


def is_here(name: str) -> bool:
    """Whether the installed Lightning has an argument of the Trainer, or a callback, of this name."""
    return name in TRAINER or hasattr(shipped, name) or not name.isidentifier()


def tried(one: Row, folder: Path) -> str:
    """Return the outcome of a row.

    Raises:
        Exception: It is not what the row says.
    """
    if not is_here(one.name):
        return "not there"
    if one.refused is None:
        one.check(folder)
        return "works"
    with pytest.raises(Exception, match=one.refused):
        one.check(folder)
    return "refused"


def same(first: torch.Tensor, second: torch.Tensor, atol: float = 0.0) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=atol)


def on_two_ranks(folder: Path, **flags: Any) -> list[dict[str, Any]]:
    program = Path(__file__).with_name("flags_on_two_ranks.py"), folder, json.dumps({"devices": 2, **flags})
    if "num_nodes" not in flags:
        return two_ranks.launch(folder, *program)
    with socket.create_server(("127.0.0.1", 0)) as free:
        common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "LOCAL_RANK": "0"}
    for done in forked.run_together(program, [{**common, "NODE_RANK": rank} for rank in "01"]):
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


def check_two_ranks(folder: Path, **flags: Any) -> list[dict[str, Any]]:
    """Two ranks learn what one does, each from its own prompts, and measure all that is held out once."""
    first, second = on_two_ranks(folder, **flags)
    alone = run(folder, held_out=5)
    same(first["weights"], second["weights"])
    same(first["weights"], weights(alone.algorithm), 1e-4)
    assert not set(first["prompts"]) & set(second["prompts"])
    assert len(first["prompts"]) + len(second["prompts"]) == 16
    assert first["world"] == 2
    assert first["accuracy"] == pytest.approx(float(alone.trainer.callback_metrics["val/accuracy"]))
    return [first, second]


# Where it runs


@row("accelerator", '"cpu"', "policy and rollouts are on the CPU", quick=True)
def _(tmp: Path) -> None:
    ran = run(tmp)
    assert {p.device.type for p in ran.algorithm.policy.parameters()} == {"cpu"}
    assert {collected.rollout.weights.device.type for collected in ran.recorder.collected} == {"cpu"}


@row("accelerator", '"gpu" without one', "", refused="No supported gpu backend found")
def _(tmp: Path) -> None:
    if torch.cuda.is_available():
        raise RuntimeError("No supported gpu backend found: there is one here, which this row is not about")
    run(tmp, accelerator="gpu")


@row("strategy", 'SingleDeviceStrategy("cpu")', "the weights of the default")
def _(tmp: Path) -> None:
    same(weights(run(tmp, strategy=SingleDeviceStrategy("cpu")).algorithm), weights(run(tmp).algorithm))


@row("strategy", '"ddp"', "two processes learn what one does, each from its own prompts; validation counts each once")
@row("devices", "2", "the same")
def _(tmp: Path) -> None:
    check_two_ranks(tmp, strategy="ddp")


@row("strategy", '"ddp_find_unused_parameters_true"', "the same")
def _(tmp: Path) -> None:
    check_two_ranks(tmp, strategy="ddp_find_unused_parameters_true")


@row("strategy", '"fsdp" on a CPU', "", refused="requires a GPU accelerator")
def _(tmp: Path) -> None:
    run(tmp, strategy="fsdp")


@row(
    "strategy",
    "ModelParallelStrategy() without configure_model",
    "",
    refused=r"override the `configure_model\(\)` hook",
)
def _(tmp: Path) -> None:
    try:
        run(tmp, strategy=ModelParallelStrategy())
    finally:
        # Lightning has begun to talk to other ranks by then, and later rows are alone.
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


@row("num_nodes", "2", "two nodes of one process learn what one process does")
def _(tmp: Path) -> None:
    for rank in check_two_ranks(tmp, strategy="ddp", num_nodes=2, devices=1):
        assert rank["nodes"] == 2


@row("use_distributed_sampler", "False", "prompts are shared out as with True, by the data module itself")
def _(tmp: Path) -> None:
    check_two_ranks(tmp, strategy="ddp", use_distributed_sampler=False)


@row("sync_batchnorm", "True", "the weights without it: language models have none")
def _(tmp: Path) -> None:
    same(weights(run(tmp, sync_batchnorm=True).algorithm), weights(run(tmp).algorithm))


# Numbers


def check_precision(tmp: Path, precision: str, dtype: torch.dtype) -> None:
    """Training, validation, test and prediction; metrics and log-probabilities are not rounded."""
    ran = run(tmp, algorithm(passes_per_rollout=2), held_out=300, precision=precision, limit_train_batches=2)
    assert {p.dtype for p in ran.algorithm.policy.parameters()} == {dtype}
    assert {collected.rollout.old_logprobs.dtype for collected in ran.recorder.collected} == {torch.float32}
    assert ran.trainer.callback_metrics["train/surrogate"].isfinite()
    measured = ran.trainer.callback_metrics["val/reward"]
    assert measured.dtype == torch.float32
    [tested] = ran.trainer.test(ran.algorithm, data(16, 300), verbose=False)
    answered = ran.trainer.predict(ran.algorithm, data(16, 300))
    mean = torch.cat([part.scores["reward"].total for part in answered]).mean()
    assert tested["test/reward"] == pytest.approx(float(mean), abs=1e-6)
    assert (weights(ran.algorithm).float() - weights(algorithm())).abs().max() > 1e-3


for _precision, _dtype in [
    ("32-true", torch.float32),
    ("64-true", torch.float64),
    ("bf16-true", torch.bfloat16),
    ("bf16-mixed", torch.float32),
    ("16-mixed", torch.float32),
]:

    @row(
        "precision",
        f'"{_precision}"',
        f"weights are {_dtype}; rewards, log-probabilities and measures stay in single precision",
        quick=_precision in ("bf16-true", "64-true"),
    )
    def _(tmp: Path, precision: str = _precision, dtype: torch.dtype = _dtype) -> None:
        check_precision(tmp, precision, dtype)


@row("precision", '"16-true"', "", refused="18 times as far as in float32. Use precision='bf16-true'", quick=True)
def _(tmp: Path) -> None:
    run(tmp, precision="16-true")


@row("precision", '"transformer-engine" without it', "", refused="transformer_engine")
def _(tmp: Path) -> None:
    run(tmp, precision="transformer-engine")


@row("plugins", "[MixedPrecision(...)]", 'the weights of precision="bf16-mixed"')
def _(tmp: Path) -> None:
    mixed = run(tmp, precision="bf16-mixed")
    same(weights(run(tmp, plugins=[MixedPrecision("bf16-mixed", "cpu")]).algorithm), weights(mixed.algorithm))


@row("plugins", "[a CheckpointIO]", "it writes and reads every checkpoint")
def _(tmp: Path) -> None:
    class Counting(TorchCheckpointIO):
        saved: ClassVar[list[str]] = []

        def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
            self.saved.append(Path(path).name)
            super().save_checkpoint(checkpoint, path, storage_options)

    saver = shipped.ModelCheckpoint(tmp, "{step}", every_n_train_steps=2, save_top_k=-1)
    run(tmp, plugins=[Counting()], enable_checkpointing=True, callbacks=[saver])
    assert Counting.saved == ["step=2.ckpt", "step=4.ckpt"]


@row("plugins", "[AsyncCheckpointIO()]", "a run resumes from what it wrote, bit-equal")
def _(tmp: Path) -> None:
    check_resumes(tmp, plugins=[AsyncCheckpointIO()])


@row("deterministic", "True", "torch refuses what is not; two runs are bit-equal")
def _(tmp: Path) -> None:
    asked: list[bool] = []
    note = shipped.LambdaCallback(
        on_train_batch_start=lambda *_: asked.append(torch.are_deterministic_algorithms_enabled())
    )
    try:
        first, second = (run(tmp, deterministic=True, callbacks=[note]) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert set(asked) == {True}
    same(weights(first.algorithm), weights(second.algorithm))


@row("benchmark", "True", "cuDNN is asked to measure, during training")
def _(tmp: Path) -> None:
    before = torch.backends.cudnn.benchmark
    try:
        run(tmp, benchmark=True)
        assert torch.backends.cudnn.benchmark
    finally:
        torch.backends.cudnn.benchmark = before


@row("detect_anomaly", "True", "autograd is watched during training; the weights without it")
def _(tmp: Path) -> None:
    asked: list[bool] = []
    note = shipped.LambdaCallback(on_before_backward=lambda *_: asked.append(torch.is_anomaly_enabled()))
    watched = run(tmp, detect_anomaly=True, callbacks=[note])
    assert set(asked) == {True}
    same(weights(watched.algorithm), weights(run(tmp).algorithm))


@row("inference_mode", "False", "validation is without gradients, and not in inference mode")
def _(tmp: Path) -> None:
    for mode in (True, False):
        asked: list[tuple[bool, bool]] = []
        note = shipped.LambdaCallback(
            on_validation_batch_start=lambda *_, asked=asked: asked.append(
                (torch.is_inference_mode_enabled(), torch.is_grad_enabled())
            )
        )
        trainer = pl.Trainer(**DEFAULTS, default_root_dir=tmp, inference_mode=mode, callbacks=[note])
        trainer.validate(algorithm(), data(), verbose=False)
        assert asked == [(mode, False)]


# How long


@row("max_epochs", "2", "two passes over the prompts, in two orders", quick=True)
def _(tmp: Path) -> None:
    ran = run(tmp, max_epochs=2)
    order = [row.prompt.index for collected in ran.recorder.collected for row in collected.completions.rows[::4]]
    assert sorted(order[:16]) == sorted(order[16:]) == list(range(16))
    assert order[:16] != order[16:]


@row("min_epochs", "3", "EarlyStopping, which would stop after two, stops after three")
def _(tmp: Path) -> None:
    assert stopped_early(tmp, min_epochs=3).trainer.current_epoch == 3


@row("max_steps", "3", "three optimizer steps", quick=True)
def _(tmp: Path) -> None:
    ran = run(tmp, algorithm(minibatches_per_rollout=4), max_steps=3, accumulate_grad_batches=2)
    assert (ran.trainer.global_step, ran.recorder.count("batch"), ran.recorder.count("rollout")) == (3, 6, 2)


@row("min_steps", "10", "EarlyStopping, which would stop after 8 steps, stops after 10")
def _(tmp: Path) -> None:
    assert stopped_early(tmp, min_steps=10).trainer.global_step == 10


@row("max_time", "{'seconds': 2}", "a run of 1000 epochs stops between two steps")
def _(tmp: Path) -> None:
    ran = run(tmp, max_time={"seconds": 2}, max_epochs=1000)
    assert 0 < ran.trainer.global_step < 2000


for _value, _batches, _rollouts in [("True", 1, 1), ("3", 3, 2)]:

    @row("fast_dev_run", _value, f"{_batches} minibatches of {_rollouts} rollouts, one validation, no file")
    def _(tmp: Path, value: str = _value, batches: int = _batches, rollouts: int = _rollouts) -> None:
        ran = run(tmp, algorithm(minibatches_per_rollout=2), held_out=4, fast_dev_run=eval(value))
        assert [ran.recorder.count(event) for event in ("batch", "rollout", "validation")] == [batches, rollouts, 1]
        assert not list(tmp.iterdir())


@row("limit_train_batches", "3", "three minibatches an epoch", quick=True)
def _(tmp: Path) -> None:
    ran = run(tmp, algorithm(minibatches_per_rollout=2), limit_train_batches=3, max_epochs=2)
    assert (ran.recorder.count("batch"), ran.recorder.count("rollout")) == (6, 4)


@row("limit_val_batches", "1", "the measures of the first batch")
def _(tmp: Path) -> None:
    check_limit(tmp, "limit_val_batches", "validate", "val")


@row("limit_test_batches", "1", "the measures of the first batch")
def _(tmp: Path) -> None:
    check_limit(tmp, "limit_test_batches", "test", "test")


@row("limit_predict_batches", "1", "answers to the first batch")
def _(tmp: Path) -> None:
    trainer = pl.Trainer(**DEFAULTS, default_root_dir=tmp, limit_predict_batches=1)
    [answered] = trainer.predict(algorithm(), PromptDataModule(letter_rows(4), letter_rows(6), validation_batch_size=2))
    assert [one.prompt.index for one in answered] == [0, 1]


@row("overfit_batches", "1", "the same prompts in every epoch")
def _(tmp: Path) -> None:
    ran = run(tmp, overfit_batches=1, max_epochs=2)
    first, second = ([one.prompt.index for one in collected.completions] for collected in ran.recorder.collected)
    assert first == second


@row("val_check_interval", "2", "a validation after every second minibatch", quick=True)
def _(tmp: Path) -> None:
    events = run(tmp, held_out=4, val_check_interval=2).recorder.events
    assert [event for event in events if event != "rollout"] == ["batch", "batch", "validation"] * 2


@row("check_val_every_n_epoch", "2", "a validation after every second epoch")
def _(tmp: Path) -> None:
    assert run(tmp, held_out=4, check_val_every_n_epoch=2, max_epochs=4).recorder.count("validation") == 2


@row("num_sanity_val_steps", "1", "a validation before the first rollout")
def _(tmp: Path) -> None:
    assert run(tmp, held_out=4, num_sanity_val_steps=1).recorder.events[:2] == ["validation", "rollout"]


@row("reload_dataloaders_every_n_epochs", "1", "a new loader an epoch; the weights without it")
def _(tmp: Path) -> None:
    same(
        weights(run(tmp, max_epochs=2, reload_dataloaders_every_n_epochs=1).algorithm),
        weights(run(tmp, max_epochs=2).algorithm),
    )


# Gradients


@row("accumulate_grad_batches", "2", "the weights of a whole rollout a step", quick=True)
def _(tmp: Path) -> None:
    parts = run(tmp, algorithm(minibatches_per_rollout=2), accumulate_grad_batches=2)
    whole = run(tmp)
    assert parts.trainer.global_step == whole.trainer.global_step == 4
    same(weights(parts.algorithm), weights(whole.algorithm), 1e-4)


@row("accumulate_grad_batches", "3 of minibatches_per_rollout=4", "", refused="must be a multiple of", quick=True)
def _(tmp: Path) -> None:
    run(tmp, algorithm(minibatches_per_rollout=4), accumulate_grad_batches=3)


@row("gradient_clip_val", "0.01", "a step of plain descent is 0.01 long")
def _(tmp: Path) -> None:
    ran = run(tmp, algorithm(Descent, learning_rate=1.0), gradient_clip_val=0.01, max_steps=1)
    assert (weights(ran.algorithm) - weights(algorithm())).norm().item() == pytest.approx(0.01, rel=1e-3)


@row("gradient_clip_algorithm", '"value"', "no weight moves further than gradient_clip_val")
def _(tmp: Path) -> None:
    flags = {"gradient_clip_val": 0.001, "gradient_clip_algorithm": "value", "max_steps": 1}
    moved = weights(run(tmp, algorithm(Descent, learning_rate=1.0), **flags).algorithm) - weights(algorithm())
    assert moved.abs().max().item() == pytest.approx(0.001, rel=1e-3)


# What is said and kept


def rows_of(ran: Ran) -> list[dict[str, str]]:
    import csv

    with Path(ran.trainer.logger.log_dir, "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@row("logger", "CSVLogger", "a row for every step, and hparams.yaml has the settings in words")
def _(tmp: Path) -> None:
    ran = run(tmp, logger=CSVLogger(tmp), log_every_n_steps=1)
    assert [one["step"] for one in rows_of(ran) if one["train/reward/total"]] == ["0", "1", "2", "3"]
    assert "learning_rate: 0.01" in Path(ran.trainer.logger.log_dir, "hparams.yaml").read_text()


@row("logger", "False", "nothing is written")
def _(tmp: Path) -> None:
    run(tmp)
    assert not list(tmp.iterdir())


@row("log_every_n_steps", "2", "a row for every second step")
def _(tmp: Path) -> None:
    ran = run(tmp, logger=CSVLogger(tmp), log_every_n_steps=2)
    assert [one["step"] for one in rows_of(ran) if one["train/reward/total"]] == ["1", "3"]


@row("enable_autolog_hparams", "False", "no settings in the logger")
def _(tmp: Path) -> None:
    ran = run(tmp, logger=CSVLogger(tmp), enable_autolog_hparams=False)
    assert not Path(ran.trainer.logger.log_dir, "hparams.yaml").exists()


@row("enable_checkpointing", "True", "a checkpoint of the last epoch, from which weights load")
@row("default_root_dir", "a folder", "the checkpoint is in it")
def _(tmp: Path) -> None:
    ran = run(tmp, enable_checkpointing=True)
    [path] = tmp.rglob("*.ckpt")
    same(weights(GRPO.load_from_checkpoint(path, policy=tiny_policy(3))), weights(ran.algorithm))


@row("enable_progress_bar", "True", "the bar has reward and accuracy")
def _(tmp: Path) -> None:
    ran = run(tmp, held_out=4, enable_progress_bar=True)
    assert {"train/reward", "val/accuracy"} <= set(ran.trainer.progress_bar_metrics)


@row("enable_model_summary", "True", "the summary counts the policy's weights")
def _(tmp: Path) -> None:
    ran = run(tmp, enable_model_summary=True)
    [summary] = [one for one in ran.trainer.callbacks if isinstance(one, shipped.ModelSummary)]
    assert summary._summary(ran.trainer, ran.algorithm).total_parameters == len(weights(ran.algorithm))


@row("profiler", '"simple"', "the report times sampling (the next batch) and the update")
def _(tmp: Path) -> None:
    report = run(tmp, profiler="simple").trainer.profiler.summary()
    assert "train_dataloader_next" in report
    assert "optimizer_step" in report


@row("profiler", "AdvancedProfiler(folder)", "the file that it writes has functions of the library")
def _(tmp: Path) -> None:
    run(tmp, profiler=AdvancedProfiler(str(tmp), "profile"), max_steps=1)
    [path] = tmp.glob("*profile*")
    assert "rollout_algorithm.py" in path.read_text()


@row("barebones", "True", "the weights of an ordinary run; nothing is logged")
def _(tmp: Path) -> None:
    bare = run(tmp, barebones=True)
    same(weights(bare.algorithm), weights(run(tmp).algorithm))
    assert not bare.trainer.logged_metrics


@row("model_registry", '"someone/model"', "Lightning's own service gets the name; training is as without it")
def _(tmp: Path) -> None:
    named = run(tmp, model_registry="someone/model")
    assert named.trainer._model_registry == "someone/model"
    same(weights(named.algorithm), weights(run(tmp).algorithm))


# Callbacks


class Noted(pl.Callback):
    """Keeps weights and learning rates."""

    def __init__(self) -> None:
        self.at_epochs: list[torch.Tensor] = []
        self.rates: list[list[float]] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.at_epochs.append(weights(pl_module))

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: Any, optimizer: Any) -> None:
        self.rates.append([group["lr"] for group in optimizer.param_groups])


@row("callbacks", "[one of one's own]", "every moment of a run, rollouts among them", quick=True)
def _(tmp: Path) -> None:
    assert run(tmp, held_out=4).recorder.events == ["rollout", "batch"] * 4 + ["validation"]


class Thawing(shipped.BaseFinetuning):
    """Keeps the layers frozen in the first epoch."""

    def freeze_before_training(self, pl_module: Any) -> None:
        self.freeze(pl_module.policy.model.model.layers)

    def finetune_function(self, pl_module: Any, epoch: int, optimizer: Any) -> None:
        if epoch == 1:
            self.unfreeze_and_add_param_group(pl_module.policy.model.model.layers, optimizer, lr=1e-3)


@row("BaseFinetuning", "thaws in epoch 1", "frozen, then learning, its rate drawn by the schedule; resumes bit-equal")
def _(tmp: Path) -> None:
    def layers(module: GRPO) -> torch.Tensor:
        return torch.cat([p.detach().flatten() for p in module.policy.model.model.layers.parameters()])

    class Layers(Noted):
        def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
            self.at_epochs.append(layers(pl_module))

    noted = Layers()
    saver = shipped.ModelCheckpoint(tmp, "{step}", every_n_train_steps=5, save_top_k=-1)
    flags = {"max_epochs": 2, "enable_checkpointing": True}
    whole = run(tmp, algorithm(schedule="linear"), callbacks=[Thawing(), noted, saver], **flags)
    same(noted.at_epochs[0], layers(algorithm()))
    same(noted.at_epochs[1], layers(algorithm()))
    assert not torch.equal(layers(whole.algorithm), noted.at_epochs[1])
    first, *_, thawed = noted.rates[-1]
    assert first == pytest.approx(1e-2 / 8)
    assert thawed == pytest.approx(1e-3 * (1 / 8) / (4 / 8))
    again = run(tmp, algorithm(schedule="linear"), ckpt_path=tmp / "step=5.ckpt", callbacks=[Thawing()], max_epochs=2)
    same(weights(again.algorithm), weights(whole.algorithm))


@row("BackboneFinetuning", "unfreeze_backbone_at_epoch=1", "all but the head is frozen in the first epoch", quick=True)
def _(tmp: Path) -> None:
    noted = Noted()
    ran = run(tmp, callbacks=[shipped.BackboneFinetuning(1), noted], max_epochs=2)
    frozen = sum(p.numel() for p in ran.algorithm.policy.model.model.parameters())
    first, second = (at != weights(algorithm()) for at in (noted.at_epochs[1], weights(ran.algorithm)))
    assert 0 < first.sum() <= len(first) - frozen < second.sum()


@row(
    "BasePredictionWriter",
    'write_interval="batch_and_epoch"',
    "each answer once, with the place of its prompt",
    quick=True,
)
def _(tmp: Path) -> None:
    class Writer(shipped.BasePredictionWriter):
        batches: ClassVar[list[Any]] = []
        epochs: ClassVar[list[Any]] = []

        def write_on_batch_end(self, trainer, pl_module, prediction, batch_indices, batch, batch_idx, loader) -> None:
            assert [one.prompt.index for one in prediction] == batch_indices == [one.index for one in batch]
            self.batches += batch_indices

        def write_on_epoch_end(self, trainer, pl_module, predictions, batch_indices) -> None:
            self.epochs += [place for loader in batch_indices for batch in loader for place in batch]

    trainer = pl.Trainer(**DEFAULTS, default_root_dir=tmp, callbacks=[Writer("batch_and_epoch")])
    held_out = PromptDataModule(letter_rows(4), letter_rows(5), validation_batch_size=2)
    assert trainer.predict(algorithm(), held_out, return_predictions=False) is None
    assert Writer.batches == Writer.epochs == list(range(5))


@row("BatchSizeFinder", "", "", refused="raise minibatches_per_rollout", quick=True)
def _(tmp: Path) -> None:
    run(tmp, callbacks=[shipped.BatchSizeFinder()])


@row("DeviceStatsMonitor", "cpu_stats=True", "its columns beside ours")
def _(tmp: Path) -> None:
    ran = run(tmp, logger=CSVLogger(tmp), log_every_n_steps=1, callbacks=[shipped.DeviceStatsMonitor(cpu_stats=True)])
    names = set(rows_of(ran)[0])
    assert {"DeviceStatsMonitor.on_train_batch_end/cpu_percent", "train/reward/total"} <= names


def stopped_early(tmp: Path, **flags: Any) -> Ran:
    """Run with a stopper that nothing satisfies: it stops when it may, from the second epoch on."""
    stopper = shipped.EarlyStopping("val/accuracy", mode="max", min_delta=2.0, patience=1)
    return run(tmp, held_out=4, callbacks=[stopper], max_epochs=9, **flags)


@row("EarlyStopping", 'monitor="val/accuracy"', "stops after its patience")
def _(tmp: Path) -> None:
    assert stopped_early(tmp).trainer.current_epoch == 2


@row("EarlyStopping", 'monitor="train/reward"', "compares the last step of each epoch")
def _(tmp: Path) -> None:
    stopper = shipped.EarlyStopping("train/reward", mode="max", min_delta=9.0, patience=2)
    ran = run(tmp, callbacks=[stopper], max_epochs=9)
    assert ran.trainer.current_epoch == 3


@row(
    "GradientAccumulationScheduler",
    "{0: 1, 1: 2, 2: 4}",
    "4, 2 and 1 steps a rollout; the schedule ends with the run; resumes bit-equal in a later epoch",
)
def _(tmp: Path) -> None:
    def flags() -> dict[str, Any]:
        return {"max_epochs": 3, "callbacks": [shipped.GradientAccumulationScheduler({0: 1, 1: 2, 2: 4})]}

    noted, saver = Noted(), shipped.ModelCheckpoint(tmp, "{step}", every_n_train_steps=1, save_top_k=-1)
    given = flags()
    given["callbacks"] += [noted, saver]
    sizes = {"minibatches_per_rollout": 4, "schedule": "linear"}
    whole = run(tmp, algorithm(**sizes), enable_checkpointing=True, **given)
    assert (whole.trainer.global_step, whole.recorder.count("rollout")) == (16 + 8 + 4, 12)
    assert [rates[0] for rates in noted.rates] == pytest.approx([1e-2 * (28 - step) / 28 for step in range(28)])
    for step in (18, 25):
        again = run(tmp, algorithm(**sizes), ckpt_path=tmp / f"step={step}.ckpt", **flags())
        same(weights(again.algorithm), weights(whole.algorithm))


@row("GradientAccumulationScheduler", "{1: 3} of 4 minibatches", "", refused="must be a multiple of", quick=True)
def _(tmp: Path) -> None:
    noted = Noted()
    try:
        scheduler = shipped.GradientAccumulationScheduler({1: 3})
        run(tmp, algorithm(minibatches_per_rollout=4), callbacks=[scheduler, noted], max_epochs=2)
    finally:
        assert not noted.at_epochs


@row("GradientAccumulationScheduler", "with SFT", "", refused="Set the Trainer's accumulate_grad_batches in its place")
def _(tmp: Path) -> None:
    flags = {**DEFAULTS, "default_root_dir": tmp, "callbacks": [shipped.GradientAccumulationScheduler({1: 2})]}
    rows = [{"prompt": "a", "completion": "b"}] * 4
    pl.Trainer(**flags).fit(SFT(tiny_policy(), demonstrations_per_step=4), DemonstrationDataModule(rows))


@row("LambdaCallback", "on_train_batch_end=...", "called for every minibatch")
def _(tmp: Path) -> None:
    calls: list[int] = []
    run(tmp, callbacks=[shipped.LambdaCallback(on_train_batch_end=lambda *given: calls.append(given[-1]))])
    assert calls == [0, 1, 2, 3]


@row("LearningRateFinder", "num_training_steps=16", "the run begins with the weights of before, at the rate it found")
def _(tmp: Path) -> None:
    finder = shipped.LearningRateFinder(min_lr=1e-5, max_lr=1e-1, num_training_steps=16, early_stop_threshold=None)
    noted = Noted()
    ran = run(tmp, prompts=64, callbacks=[finder, noted])
    assert finder.optimal_lr is not None
    assert len(finder.optimal_lr.results["lr"]) == 16
    same(noted.at_epochs[-1], weights(algorithm()))
    assert ran.trainer.global_step == ran.recorder.count("rollout") == 16
    found = finder.optimal_lr.suggestion()
    assert ran.algorithm.learning_rate == ran.algorithm.hparams["learning_rate"] == found
    assert noted.rates[-1][0] == pytest.approx(found)


@row("LearningRateMonitor", 'logging_interval="step"', "the schedule's rate in every row")
def _(tmp: Path) -> None:
    module = algorithm(schedule="linear")
    flags = {"log_every_n_steps": 1, "callbacks": [shipped.LearningRateMonitor("step")]}
    found = rows_of(run(tmp, module, logger=CSVLogger(tmp), **flags))
    rates = [float(one["lr-AdamW/pg1"]) for one in found if one["lr-AdamW/pg1"]]
    assert rates == pytest.approx([1e-2, 7.5e-3, 5e-3, 2.5e-3])


@row("ModelCheckpoint", 'monitor="val/accuracy"', "keeps the best")
def _(tmp: Path) -> None:
    saver = shipped.ModelCheckpoint(tmp, monitor="val/reward", mode="max", save_top_k=1)
    ran = run(tmp, held_out=8, max_epochs=3, enable_checkpointing=True, callbacks=[saver])
    best = GRPO.load_from_checkpoint(saver.best_model_path, policy=tiny_policy(3))
    [measured] = ran.trainer.validate(best, data(16, 8), verbose=False)
    assert measured["val/reward"] == pytest.approx(float(saver.best_model_score), abs=1e-6)


@row(
    "ModelCheckpoint",
    'monitor="train/reward", every_n_train_steps=1',
    "each step by its own reward, the first too",
    quick=True,
)
def _(tmp: Path) -> None:
    rewards: dict[int, float] = {}

    class Rewards(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            rewards[trainer.global_step] = float(trainer.callback_metrics["train/reward"])

    saver = shipped.ModelCheckpoint(
        tmp, "{step}", monitor="train/reward", mode="max", save_top_k=-1, every_n_train_steps=1
    )
    ran = run(tmp, enable_checkpointing=True, callbacks=[saver, Rewards()])
    own = {n + 1: float(one.scores.total.nanmean()) for n, one in enumerate(ran.recorder.collected)}
    kept = {int(Path(path).stem.partition("=")[2]): float(value) for path, value in saver.best_k_models.items()}
    assert kept == pytest.approx(own)
    assert rewards == pytest.approx(own)


def check_resumes(tmp: Path, **flags: Any) -> None:
    """Resume from the third step, and end with the weights of the run that did not stop."""
    saver = shipped.ModelCheckpoint(tmp / "saved", "{step}", every_n_train_steps=1, save_top_k=-1)
    whole = run(tmp, enable_checkpointing=True, callbacks=[saver], **copy.deepcopy(flags))
    again = run(tmp, ckpt_path=tmp / "saved" / "step=3.ckpt", **flags)
    assert again.recorder.count("batch") == 1
    same(weights(again.algorithm), weights(whole.algorithm))


@row("ModelCheckpoint", "every_n_train_steps=1", "a run resumes from any of them, bit-equal")
def _(tmp: Path) -> None:
    check_resumes(tmp)


@row("ModelCheckpoint", "train_time_interval=...", "saves as time passes")
def _(tmp: Path) -> None:
    saver = shipped.ModelCheckpoint(tmp, "{step}", train_time_interval=timedelta(microseconds=1), save_top_k=-1)
    run(tmp, enable_checkpointing=True, callbacks=[saver])
    assert len(list(tmp.glob("*.ckpt"))) >= 3


@row(
    "ModelPruning",
    '"l1_unstructured", amount=0.3',
    "sampler and policy agree on pruned weights; checkpoints are pruned",
)
def _(tmp: Path) -> None:
    pruning = shipped.ModelPruning("l1_unstructured", amount=0.3, use_lottery_ticket_hypothesis=False)
    saver = shipped.ModelCheckpoint(tmp, save_last=True)
    module = algorithm(sampler=SharedPrefixSampler(group_size=4, max_tokens=4), passes_per_rollout=2)
    ran = run(tmp, module, max_epochs=3, enable_checkpointing=True, callbacks=[pruning, saver])
    for collected in ran.recorder.collected:
        same(collected.rollout.sampler_logprobs, collected.rollout.old_logprobs, 1e-4)
    with torch.no_grad():
        fresh = module.policy.logprobs(collected.rollout).logprobs
    assert not torch.equal(fresh, collected.rollout.old_logprobs)
    saved = torch.load(tmp / "last.ckpt", weights_only=True)["state_dict"]
    assert not [name for name in saved if name.endswith(("_orig", "_mask"))]
    # 1 - 0.7 ** 3 of each matrix.
    assert (saved["policy.model.lm_head.weight"] == 0).float().mean() == pytest.approx(0.657, abs=0.02)


@row("OnExceptionCheckpoint", "", "a failing reward leaves a checkpoint that resumes")
def _(tmp: Path) -> None:
    class Fails(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
            if trainer.global_step == 2:
                raise KeyError("planted")

    with pytest.raises(KeyError, match="planted"):
        run(tmp, enable_checkpointing=True, callbacks=[Fails(), shipped.OnExceptionCheckpoint(tmp, "failed")])
    again = run(tmp, ckpt_path=tmp / "failed.ckpt")
    assert again.trainer.global_step == 4


@row("ModelSummary", "max_depth=2", "the policy's model is a line of it")
def _(tmp: Path) -> None:
    summary = shipped.ModelSummary(max_depth=2)
    ran = run(tmp, enable_model_summary=True, callbacks=[summary])
    assert "policy.model" in summary._summary(ran.trainer, ran.algorithm).layer_names


@row("RichModelSummary", "", "the run ends as without it")
@row("RichProgressBar", "", "the bar has reward and accuracy")
def _(tmp: Path) -> None:
    flags = {"enable_progress_bar": True, "enable_model_summary": True}
    ran = run(tmp, held_out=4, callbacks=[shipped.RichProgressBar(), shipped.RichModelSummary()], **flags)
    assert {"train/reward", "val/accuracy"} <= set(ran.trainer.progress_bar_metrics)
    same(weights(ran.algorithm), weights(run(tmp).algorithm))


@row("TQDMProgressBar", "refresh_rate=2", "the bar has reward and accuracy")
def _(tmp: Path) -> None:
    ran = run(tmp, held_out=4, enable_progress_bar=True, callbacks=[shipped.TQDMProgressBar(2)])
    assert {"train/reward", "val/accuracy"} <= set(ran.trainer.progress_bar_metrics)


@row("StochasticWeightAveraging", "swa_epoch_start=3 of 4", "ends with the mean of what epochs 3 and 4 began with")
def _(tmp: Path) -> None:
    noted = Noted()
    average = shipped.StochasticWeightAveraging(swa_lrs=1e-3, swa_epoch_start=3)
    ran = run(tmp, max_epochs=4, callbacks=[noted, average])
    same(weights(ran.algorithm), (noted.at_epochs[2] + noted.at_epochs[3]) / 2, 1e-6)


@row("StochasticWeightAveraging", "of one epoch", "", refused="Pass swa_epoch_start=2 or above", quick=True)
def _(tmp: Path) -> None:
    run(tmp, callbacks=[shipped.StochasticWeightAveraging(swa_lrs=1e-3)])


class Spiking(GRPO):
    """Has a loss that rises at once, in the third minibatch."""

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return super().training_step(batch, batch_idx) + 100.0 * (batch_idx == 2)


@row("SpikeDetection", "atol=5.0, rtol=None", "silent on an ordinary run, and stops one whose loss jumps")
def _(tmp: Path) -> None:
    from lightning_fabric.utilities.spike import TrainingSpikeException

    def detection() -> pl.Callback:
        options = {"atol": 5.0, "rtol": None, "warmup": 1, "window": 2}
        return shipped.SpikeDetection(**options, exclude_batches_path=tmp / "skipped.json")

    assert run(tmp, callbacks=[detection()]).trainer.global_step == 4
    with pytest.raises(TrainingSpikeException, match="batch 2"):
        run(tmp, algorithm(Spiking), callbacks=[detection()])


@row("ThroughputMonitor", "batch_size_fn=len", "rows of each minibatch are counted")
def _(tmp: Path) -> None:
    monitor = shipped.ThroughputMonitor(batch_size_fn=len, window_size=2)
    found = rows_of(run(tmp, logger=CSVLogger(tmp), log_every_n_steps=1, callbacks=[monitor]))
    assert [one["train/samples"] for one in found if one["train/samples"]] == ["16", "32", "48", "64"]


@row("Timer", "duration=...", "stops a run of 1000 epochs, between two steps")
def _(tmp: Path) -> None:
    ran = run(tmp, max_epochs=1000, callbacks=[shipped.Timer(timedelta(seconds=2), interval="step")])
    assert 0 < ran.trainer.global_step < 2000


@row("WeightAveraging", "use_buffers=True", "ends with the mean of the weights after each step")
def _(tmp: Path) -> None:
    after: list[torch.Tensor] = []
    note = shipped.LambdaCallback(on_train_batch_end=lambda trainer, module, *_: after.append(weights(module)))
    ran = run(tmp, callbacks=[shipped.WeightAveraging(), note])
    same(weights(ran.algorithm), torch.stack(after).mean(0), 1e-6)


@row("EMAWeightAveraging", "decay=0.5", "ends with the moving average of the weights")
def _(tmp: Path) -> None:
    after: list[torch.Tensor] = []
    note = shipped.LambdaCallback(on_train_batch_end=lambda trainer, module, *_: after.append(weights(module)))
    ran = run(tmp, callbacks=[shipped.EMAWeightAveraging(decay=0.5), note])
    mean = after[0]
    for one in after[1:]:
        mean = 0.5 * mean + 0.5 * one
    same(weights(ran.algorithm), mean, 1e-6)


# Entries


def check_limit(tmp: Path, flag: str, entry: str, stage: str) -> None:
    """Measure as on the rows of the first batch alone."""
    held_out = {"validation_batch_size": 2}
    limited, whole = (pl.Trainer(**DEFAULTS, default_root_dir=tmp, **flags) for flags in ({flag: 1}, {}))
    options = {"verbose": False}
    [first] = getattr(limited, entry)(
        algorithm(), PromptDataModule(letter_rows(4), letter_rows(6), **held_out), **options
    )
    [alone] = getattr(whole, entry)(
        algorithm(), PromptDataModule(letter_rows(4), letter_rows(2), **held_out), **options
    )
    assert first == pytest.approx(alone)
    assert set(first) == {f"{stage}/reward", f"{stage}/accuracy"}


@row(
    "trainer.validate and trainer.test",
    "",
    "the same measures of the same prompts; of the test split where there is one",
)
def _(tmp: Path) -> None:
    trainer = pl.Trainer(**DEFAULTS, default_root_dir=tmp)
    [held_out] = trainer.validate(algorithm(), data(4, 8), verbose=False)
    [tested] = trainer.test(algorithm(), data(4, 8), verbose=False)
    assert tested == {name.replace("val/", "test/"): value for name, value in held_out.items()}
    split = PromptDataModule(letter_rows(4), letter_rows(8), test=letter_rows(3))
    [tested] = trainer.test(algorithm(), split, verbose=False)
    [alone] = trainer.test(algorithm(), data(4, 3), verbose=False)
    assert tested == alone


@row("trainer.test of SFT", "", "the loss of demonstrations, as val/loss has it")
def _(tmp: Path) -> None:
    shown = DemonstrationDataModule(
        rows := [{"prompt": "ab", "completion": "c"}, {"prompt": "b", "completion": "de"}], rows
    )
    trainer = pl.Trainer(**DEFAULTS, default_root_dir=tmp)
    [held_out] = trainer.validate(SFT(tiny_policy()), shown, verbose=False)
    [tested] = trainer.test(SFT(tiny_policy()), shown, verbose=False)
    assert tested["test/loss"] == held_out["val/loss"] > 0


@row("trainer.predict of SFT", "", "", refused="SFT has no sampler to predict with")
def _(tmp: Path) -> None:
    rows = [{"prompt": "ab", "completion": "c"}]
    pl.Trainer(**DEFAULTS, default_root_dir=tmp).predict(SFT(tiny_policy()), DemonstrationDataModule(rows, rows))


@row("trainer.test without rows", "", "", refused="pass test=... or validation=...")
def _(tmp: Path) -> None:
    pl.Trainer(**DEFAULTS, default_root_dir=tmp).test(algorithm(), data(4, 0))


@row("trainer.predict", "", "completions, with what reward and measures say of them")
def _(tmp: Path) -> None:
    trainer = pl.Trainer(**DEFAULTS, default_root_dir=tmp)
    [answered] = trainer.predict(algorithm(), data(4, 6))
    [measured] = trainer.validate(algorithm(), data(4, 6), verbose=False)
    assert [one.prompt.index for one in answered] == list(range(6))
    for name in ("reward", "accuracy"):
        assert float(answered.scores[name].total.mean()) == pytest.approx(measured[f"val/{name}"], abs=1e-6)


class Own(GRPO):
    """Brings its own held-out prompts."""

    def val_dataloader(self) -> Any:
        return self.prompt_loader(letter_prompts(4))


@row(
    "a val_dataloader of the algorithm's own",
    "",
    "is validated, also in half precision, with and without a data module",
)
def _(tmp: Path) -> None:
    class Alone(Own):
        def train_dataloader(self) -> Any:
            return self.rollout_loader(letter_prompts(16))

    expected = run(tmp, held_out=4)
    ran = run(tmp, algorithm(Own))
    trainer = pl.Trainer(**DEFAULTS, default_root_dir=tmp)
    trainer.fit(algorithm(Alone))
    for found in (ran.trainer, trainer):
        assert found.callback_metrics["val/reward"] == expected.trainer.callback_metrics["val/reward"]
    half = run(tmp, algorithm(Own), precision="bf16-true")
    assert half.trainer.callback_metrics["val/reward"].isfinite()


@row(
    "load_from_checkpoint(path)",
    "",
    "the run's algorithm again, of its settings in words; tests/utilities/test_words.py",
)
def _(tmp: Path) -> None:
    tiny_policy().save_pretrained(tmp / "model")
    from rlframework.policies import CausalLMPolicy
    from rlframework.rewards import FunctionReward
    from tests.loop.flags_reward import vowels

    sizes = {"prompts_per_rollout": 4, "learning_rate": 1e-2, "clip_high": 0.3}
    module = GRPO(CausalLMPolicy(str(tmp / "model")), FunctionReward(vowels), SharedPrefixSampler(4, 4), **sizes)
    ran = run(tmp, module)
    ran.trainer.save_checkpoint(tmp / "saved.ckpt")
    loaded = GRPO.load_from_checkpoint(tmp / "saved.ckpt")
    same(weights(loaded), weights(module))
    assert loaded.hparams == module.hparams
    assert (loaded.clip_high, loaded.sampler.max_tokens, loaded.reward.function) == (0.3, 4, vowels)


@row("torch.compile(algorithm)", "", "", refused=r"algorithm.policy.model.compile\(\)", quick=True)
def _(tmp: Path) -> None:
    run(tmp, torch.compile(algorithm(), backend="eager"))


@row("algorithm.policy.model.compile()", 'backend="eager"', "the weights without it")
def _(tmp: Path) -> None:
    module = algorithm()
    module.policy.model.compile(backend="eager")
    compiled = run(tmp, module, max_steps=2)
    same(weights(compiled.algorithm), weights(run(tmp, max_steps=2).algorithm), 1e-4)


# The matrix


def test_every_argument_and_callback_has_a_row() -> None:
    names = {one.name for one in ROWS}
    assert not TRAINER - names
    assert not set(shipped.__all__) - BASES - names
    assert {one.name for one in ROWS if one.refused is None and not one.shown} == set()


@pytest.mark.parametrize("one", [one for one in ROWS if one.quick], ids=lambda one: f"{one.name}-{one.value}")
def test_those_that_were_wrong_once(one: Row, tmp_path: Path) -> None:
    assert tried(one, tmp_path) in ("works", "refused")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_flag_and_the_table_of_the_docs(tmp_path: Path) -> None:
    found, wrong = {}, {}
    only = os.environ.get("RLFRAMEWORK_FLAGS", "")
    for n, one in enumerate(ROWS):
        if only and not re.search(only, f"{one.name} {one.value}"):
            continue
        (folder := tmp_path / str(n)).mkdir()
        try:
            found[one.name, one.value] = tried(one, folder)
        except BaseException as error:  # pytest's own, too
            wrong[one.name, one.value] = f"{type(error).__name__}: {error!s:.400}"
        print(
            n, one.name, one.value, found.get((one.name, one.value)), wrong.get((one.name, one.value)), file=sys.stderr
        )
    assert not wrong, "\n".join(f"{name}: {reason}" for name, reason in wrong.items())
    if only:
        return
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    table, end, after = rest.partition(END)
    if os.environ.get("RLFRAMEWORK_WRITE_TABLE"):
        table = render(found, table)
        PAGE.write_text(before + begin + table + end + after)
    assert render(found, table) == table, "the table is of another version: write it with `make tables`"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def render(found: dict[tuple[str, str], str], before: str) -> str:
    """Return the table with a column for the installed Lightning, and those of others as they were."""
    lines = before.splitlines()
    known = [{**dict(zip(cells(lines[0]), cells(line), strict=True))} for line in lines[2:]] if lines else []
    others = [name for name in (cells(lines[0])[3:] if lines else []) if name != f"Lightning {VERSION}"]
    versions = sorted([*others, f"Lightning {VERSION}"])
    out = [f"| flag | value | what is looked at | {' | '.join(versions)} |", "|" + " --- |" * (3 + len(versions))]
    for one in ROWS:
        flag, value = f"`{one.name}`", f"`{one.value}`" if one.value else "-"
        shown = one.shown or f"the message says: {one.refused}".replace("\\", "")
        old = next((line for line in known if (line["flag"], line["value"]) == (flag, value)), {})
        outcomes = [found[one.name, one.value] if name.endswith(VERSION) else old.get(name, "?") for name in versions]
        out.append(f"| {flag} | {value} | {shown} | {' | '.join(outcomes)} |")
    return "\n".join(out) + "\n"
