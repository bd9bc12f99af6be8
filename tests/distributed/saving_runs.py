"""Runs that are saved or resumed, for test_averaging.py: ``saving_runs.py <folder> <strategy> <phase> <row> ...``.

A row is an averaging callback and a policy, such as ``EMAWeightAveraging:LoRA``. The first phase, ``whole``, trains and
saves; a phase named after a step goes on from its checkpoint. Each rank leaves what it ended with in the folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from peft import LoraConfig
from pytorch_lightning import callbacks as shipped
from pytorch_lightning.callbacks import ModelCheckpoint, StochasticWeightAveraging
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy
from torch import Tensor
from torch.distributed.fsdp import FSDPModule, fully_shard

from rlframework.algorithms import GRPO
from rlframework.completions import Completion
from rlframework.data import PromptDataModule
from rlframework.policies import CausalLMPolicy
from rlframework.rewards.base import RowReward
from rlframework.samplers import BatchedSampler
from rlframework.testing import letter_rows, letter_tokenizer
from rlframework.testing.tiny import tiny_qwen3
from tests.distributed.two_ranks import ANY_CHECKPOINT

STRATEGIES = {
    "one process": lambda: "auto",
    "DDP, one rank": lambda: DDPStrategy(process_group_backend="gloo"),
    "DDP, two ranks": lambda: "ddp",
    "FSDP2, one file": lambda: sharding(save_distributed_checkpoint=False),
    "FSDP2, a folder": lambda: sharding(save_distributed_checkpoint=True),
}
AVERAGING = {
    "none": lambda: [],
    "EMAWeightAveraging": lambda: [shipped.EMAWeightAveraging(decay=0.7)],
    "WeightAveraging": lambda: [shipped.WeightAveraging()],
    "WeightAveraging(avg_fn)": lambda: [shipped.WeightAveraging(use_buffers=False, avg_fn=third)],
    "StochasticWeightAveraging": lambda: [StochasticWeightAveraging(swa_lrs=1e-2, swa_epoch_start=2)],
}
LORA = {"r": 2, "target_modules": ["q_proj", "v_proj"], "lora_dropout": 0.1}
POLICIES: dict[str, dict[str, Any] | None] = {
    "whole": None,
    "LoRA": LORA,
    "LoRA, tied head": {**LORA, "target_modules": ["q_proj", "lm_head"]},
    "LoRA, modules_to_save": {**LORA, "modules_to_save": ["lm_head"]},
    "PiSSA": {**LORA, "init_lora_weights": "pissa"},
}
STEPS_PER_EPOCH, EPOCHS = 4, 3


def sharding(**options: Any) -> ModelParallelStrategy:
    return ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1, **options)


def third(average: Tensor, weights: Tensor, number: Tensor | int) -> Tensor:
    return average * (2 / 3) + weights / 3


class Vowels(RowReward):
    """Share of vowels, a dense reward."""

    def score_row(self, completion: Completion) -> float:
        return sum(letter in "aeiou" for letter in completion.text) / max(len(completion.text), 1)


class Sharded(GRPO):
    """Shards its policy over the ranks, layer by layer."""

    def configure_model(self) -> None:
        model: Any = self.policy.model
        if not isinstance(model, FSDPModule):
            mesh = self.device_mesh["data_parallel"]
            base = model.get_base_model() if hasattr(model, "get_base_model") else model
            for layer in base.model.layers:
                fully_shard(layer, mesh=mesh)
            fully_shard(model, mesh=mesh)


class Trained(pl.Callback):
    """Keeps the weights that learn, as they are before an average takes their place."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.weights = plain(dict(pl_module.policy.named_parameters()))


def plain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: getattr(value, "full_tensor", lambda v=value: v)().detach().clone() for name, value in state.items()}


def module_of(policy: str, kind: type[GRPO]) -> GRPO:
    settings = POLICIES[policy]
    torch.manual_seed(0)
    model = tiny_qwen3(tie_word_embeddings=policy == "LoRA, tied head")
    adapter = None if settings is None else LoraConfig(**settings)
    sizes = {"prompts_per_rollout": 8, "passes_per_rollout": 2, "learning_rate": 1e-2, "kl_coefficient": 0.1}
    return kind(
        CausalLMPolicy(model, letter_tokenizer(), lora=adapter), Vowels(), BatchedSampler(4, max_tokens=4), **sizes
    )


def run(folder: Path, strategy: str, phase: str, row: str) -> dict[str, Any]:
    """Train a row, whole or from a checkpoint; return weights and buffers at the end."""
    averaging, policy = row.split(":")
    folder = folder / row
    module = module_of(policy, Sharded if strategy.startswith("FSDP2") else GRPO)
    start = plain(dict(module.policy.state_dict()))
    trained = Trained()
    saver = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2 if "two" in strategy or "FSDP2" in strategy else 1,
        strategy=STRATEGIES[strategy](),
        max_epochs=EPOCHS,
        callbacks=[trained, *AVERAGING[averaging](), *([saver] if phase == "whole" else [])],
        enable_checkpointing=phase == "whole",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )
    path = None if phase == "whole" else folder / f"step={phase}.ckpt"
    pl.seed_everything(1 if phase == "whole" else 2, verbose=False)
    trainer.fit(module, PromptDataModule(letter_rows(16)), ckpt_path=path, **ANY_CHECKPOINT)
    ended = {**plain(module.policy.state_dict()), **plain(dict(module.policy.named_buffers()))}
    base = module.policy.frozen_base
    kept = all(torch.equal(start[name], ended[name]) for name in base)
    if phase == "whole" and averaging != "none" and trainer.global_rank == 0:
        module.policy.save_pretrained(folder / "exported")
    return {"trained": trained.weights, "ended": ended, "base kept": kept, "steps": trainer.global_step}


if __name__ == "__main__":
    given = [Path(sys.argv[1]), *sys.argv[2:4]]
    results: dict[str, Any] = {}
    for name in sys.argv[4:]:
        try:
            results[name] = run(*given, name)
        except Exception as error:  # one row must not keep the others from being tried
            results[name] = {"error": f"{type(error).__name__}: {error}"}
    ended = given[0] / given[2] / f"rank{os.environ.get('RANK', '0')}.pt"
    ended.parent.mkdir(exist_ok=True)
    torch.save(results, ended)
