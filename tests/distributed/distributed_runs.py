"""Runs on one or two processes for test_distributed.py: ``python distributed_runs.py <folder> <kind> ...``.

Every rank leaves what it ended with in the folder.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import pytorch_lightning as pl
import torch
from peft import LoraConfig
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed import ReduceOp
from torch.distributed.fsdp import FSDPModule, fully_shard

from rlframework.algorithms import GRPO, SFT, PolicyModule
from rlframework.callbacks import RolloutCallback, RolloutWriter, RunWriter, SampleLogger
from rlframework.completions import Completion
from rlframework.data import DemonstrationDataModule, PromptDataModule
from rlframework.policies import CausalLMPolicy
from rlframework.rewards.base import RowReward
from rlframework.rollout import Rollout
from rlframework.samplers import BatchedSampler
from rlframework.testing import letter_rows, letter_tokenizer, tiny_policy
from rlframework.testing.tiny import tiny_qwen3


class Vowels(RowReward):
    """Share of vowels, a dense reward."""

    def score_row(self, completion: Completion) -> float:
        return sum(letter in "aeiou" for letter in completion.text) / max(len(completion.text), 1)


class EarlyLetter(RowReward):
    """1 if the first letter is from the first half of the alphabet: right or wrong, as an accuracy."""

    def score_row(self, completion: Completion) -> float:
        return float("a" <= completion.text[:1] <= "m")


class Seeds(RolloutCallback):
    """Gives every rank random numbers of its own, as nothing else in a run does, and counts the rollouts."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rollouts: list[int] = []

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        torch.manual_seed(self.seed + trainer.global_rank)

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, collected: Any) -> None:
        self.rollouts.append(collected.step)


class Descent(PolicyModule):
    """Steps by gradient descent: Adam would blow up the rounding of gradients that are 0 but for it."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.policy.parameters(), lr=0.1)


class Plain(Descent, GRPO):
    pass


class PlainSFT(Descent, SFT):
    pass


class Sharded(Plain):
    """Shards its policy over the ranks, layer by layer."""

    options: ClassVar[dict[str, bool]] = {}

    def parts(self) -> list[nn.Module]:
        return [*layers_of(self.policy.model), self.policy.model]

    def configure_model(self) -> None:
        sharded = any(isinstance(part, FSDPModule) for part in self.policy.modules())
        if self.trainer.world_size > 1 and not sharded:
            for part in self.parts():
                fully_shard(part, mesh=self.device_mesh["data_parallel"], **self.options)


class ShardedWhole(Sharded):
    """Shards its policy as a single part, which FSDP2 leaves whole after a forward pass."""

    def parts(self) -> list[nn.Module]:
        return [self.policy.model]


class KeptWhole(Sharded):
    """Keeps the layers whole from a forward to a backward pass."""

    options: ClassVar[dict[str, bool]] = {"reshard_after_forward": False}


class HeadLeftOut(Sharded):
    """Shards the layers and nothing else."""

    def parts(self) -> list[nn.Module]:
        return [*layers_of(self.policy.model)]


class GoesAround(ShardedWhole):
    """Scores by a part of the model, of which FSDP2 is not told."""

    def training_step(self, batch: Rollout, batch_idx: int) -> Tensor:
        model: Any = self.policy.model
        with torch.no_grad():
            model(input_ids=batch.prompt_ids)  # gathers the weights
        return model.lm_head(model.model(batch.prompt_ids).last_hidden_state).logsumexp(-1).mean()


def layers_of(model: Any) -> Any:
    return (model.get_base_model() if hasattr(model, "get_base_model") else model).model.layers


def adapted_policy() -> CausalLMPolicy:
    """Return a policy of which an adapter learns, the same on every rank; it is large enough to be seen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        adapter = LoraConfig(r=2, lora_alpha=32, target_modules=["q_proj", "v_proj", "down_proj"])
        return CausalLMPolicy(tiny_qwen3(), letter_tokenizer(), lora=adapter)


def algorithm(kind: type[GRPO], stops: int = 1, dropout: float = 0.0, lora: bool = False, **options: Any) -> GRPO:
    policy = adapted_policy() if lora else tiny_policy()
    policy.model.generation_config.eos_token_id = list(range(1, 1 + stops))
    for layer in layers_of(policy.model):
        layer.self_attn.attention_dropout = dropout
    sizes = {"prompts_per_rollout": 8, "minibatches_per_rollout": 2, "kl_coefficient": 0.1, "learning_rate": 1e-2}
    sampler = BatchedSampler(group_size=4, max_tokens=6)
    return kind(policy, Vowels(), sampler, **{**sizes, "validation": {"accuracy": EarlyLetter()}, **options})


def fit(module: GRPO, trainer: pl.Trainer, ckpt_path: Path | None = None) -> PromptDataModule:
    # Seven held-out prompts on two ranks in batches of one: the last batch of the second rank is empty.
    data = PromptDataModule(letter_rows(24), letter_rows(7), validation_batch_size=1)
    trainer.fit(module, data, ckpt_path=ckpt_path)
    return data


def make_trainer(folder: Path, strategy: Any, devices: int, **options: Any) -> pl.Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0, "logger": False}
    defaults = {**quiet, "enable_checkpointing": False, "log_every_n_steps": 1, "default_root_dir": folder}
    return pl.Trainer(accelerator="cpu", strategy=strategy, devices=devices, **{**defaults, **options})


def weights(module: PolicyModule) -> Tensor:
    parameters = [parameter.detach() for parameter in module.policy.parameters()]
    return torch.cat([getattr(p, "full_tensor", lambda p=p: p)().flatten() for p in parameters])


def learn(folder: Path, strategy: Any, devices: int, accumulate: int) -> dict[str, Any]:
    """Take three optimizer steps, then validate."""
    module, logger = algorithm(Plain), CSVLogger(folder, f"accumulate{accumulate}", version=0)
    callbacks = [SampleLogger(every_n_rollouts=1), RunWriter(), RolloutWriter()]
    options = {"accumulate_grad_batches": accumulate, "logger": logger, "callbacks": callbacks}
    trainer = make_trainer(folder, strategy, devices, max_steps=3, **options)
    data = fit(module, trainer)
    [validation] = trainer.validate(module, data, verbose=False)
    logger.save()
    trainer.strategy.barrier()
    with (Path(logger.log_dir) / "metrics.csv").open(newline="") as file:
        logged = [row for row in csv.DictReader(file) if row["train/reward/total"]]
    tables = {path.stem: path.read_text() for path in Path(logger.log_dir, "samples").iterdir()}
    files = sorted(path.name for path in Path(logger.log_dir).iterdir())
    return {"weights": weights(module), "validation": validation, "logged": logged, "tables": tables, "files": files}


def prime(folder: Path, strategy: Any, devices: int) -> dict[str, Any]:
    """Take three steps of SFT on ragged demonstrations in two minibatches, then validate."""
    rows = [{"prompt": row["prompt"], "completion": "abc"[: 1 + i % 3]} for i, row in enumerate(letter_rows(27))]
    module = PlainSFT(tiny_policy(), demonstrations_per_step=8)
    trainer = make_trainer(folder, strategy, devices, max_steps=3, accumulate_grad_batches=2)
    data = DemonstrationDataModule(rows[:24], rows[20:], validation_batch_size=1)
    trainer.fit(module, data)
    loss = float(trainer.callback_metrics["train/loss"])
    [validation] = trainer.validate(module, data, verbose=False)
    return {"weights": weights(module), "loss": loss, "validation": validation}


def shard(folder: Path, strategy: Any, devices: int, kind: type[GRPO], stops: int = 1) -> dict[str, Any]:
    """Take two optimizer steps on each of two rollouts, and validate after the third.

    With half of the tokens as stops, the ranks sample for different times.
    """
    module = algorithm(kind, stops)
    try:
        fit(module, make_trainer(folder, strategy, devices, max_steps=4, val_check_interval=3))
    except Exception as error:  # the other kinds are still to come
        return {"error": str(error)}
    return {"weights": weights(module)}


SHARDED: dict[str, type[GRPO]] = {
    "sharded": Sharded,
    "sharded as one": ShardedWhole,
    "sharded, kept whole": KeptWhole,
    "without the head": HeadLeftOut,
    "around the model": GoesAround,
}


@contextmanager
def sums() -> Iterator[None]:
    """Enter a context in which the average of a reduce-scatter is the sum, as with gloo of torch 2.8."""

    def summed(reduce: Callable[..., Any], *given: Any, op: Any = ReduceOp.SUM, **options: Any) -> Any:
        return reduce(*given, op=ReduceOp.SUM if op == ReduceOp.AVG else op, **options)

    with ExitStack() as patches:
        for name in {"reduce_scatter_tensor", "reduce_scatter_single"} & vars(torch.distributed).keys():
            reduce = getattr(torch.distributed, name)
            patches.enter_context(patch.object(torch.distributed, name, partial(summed, reduce)))
        yield


def adapt(folder: Path, strategy: Any, devices: int, kind: type[GRPO]) -> dict[str, Any]:
    """Take three optimizer steps on an adapter, of two minibatches each."""
    module = algorithm(kind, lora=True)
    options = {"max_steps": 3, "accumulate_grad_batches": 2, "limit_val_batches": 0}
    fit(module, make_trainer(folder, strategy, devices, **options))
    learned = [parameter.requires_grad for parameter in module.policy.parameters() for _ in range(parameter.numel())]
    return {"weights": weights(module), "learned": torch.tensor(learned)}


def resume(folder: Path, strategy: Any, devices: int) -> dict[str, Any]:
    """Save after every step of a run with dropout, and go on from the checkpoints inside and between rollouts."""
    ends, rollouts = {}, {}
    saver = ModelCheckpoint(folder / "saved", "{step}", every_n_train_steps=1, save_top_k=-1)
    for start in (None, 1, 4):
        module, seeds = algorithm(GRPO, dropout=0.3, passes_per_rollout=2), Seeds(seed=0 if start is None else 50)
        callbacks = [seeds] if start else [seeds, saver]
        trainer = make_trainer(
            folder, strategy, devices, callbacks=callbacks, max_epochs=1, enable_checkpointing=not start
        )
        fit(module, trainer, folder / "saved" / f"step={start}.ckpt" if start else None)
        ends[start], rollouts[start] = weights(module), seeds.rollouts
    return {"ends": ends, "rollouts": rollouts}


def run(kind: str, folder: Path, devices: int = 2) -> dict[str, Any]:
    """Return what this rank ends with."""
    strategy = "ddp" if devices > 1 else "auto"
    if kind == "sharded by sums":
        with sums():
            return run("sharded", folder, devices)
    if kind in ("ragged", "sharded adapter", "adapter, kept whole", *SHARDED):
        if devices > 1:
            strategy = ModelParallelStrategy(data_parallel_size=devices, tensor_parallel_size=1)
        if kind in ("sharded adapter", "adapter, kept whole"):
            return adapt(folder, strategy, devices, Sharded if kind == "sharded adapter" else KeptWhole)
        if kind == "ragged":
            return shard(folder, strategy, devices, Sharded, stops=18)
        return shard(folder, strategy, devices, SHARDED[kind])
    if kind == "adapter":
        return adapt(folder, strategy, devices, Plain)
    if kind == "prime":
        return prime(folder, strategy, devices)
    if kind == "resume":
        return resume(folder, strategy, devices)
    return {accumulate: learn(folder, strategy, devices, accumulate) for accumulate in (1, 2)}


if __name__ == "__main__":
    results = {kind: run(kind, Path(sys.argv[1])) for kind in sys.argv[2:]}
    torch.save(results, Path(sys.argv[1]) / f"rank{torch.distributed.get_rank()}.pt")
