"""Runs that are killed, for test_killed.py: ``python killed_runs.py <folder> <setting> <kill> <at>``.

The run goes on from the newest checkpoint in its folder, is killed as it is told, or ends and leaves its weights there.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from peft import LoraConfig
from pytorch_lightning import callbacks as shipped
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework.algorithms import GRPO, SFT
from rlframework.data import DemonstrationDataModule, PromptDataModule, ReasoningGymPrompts
from rlframework.environments import Environment, Episode, Observation, PlainGlue
from rlframework.policies import CausalLMPolicy
from rlframework.rewards import EpisodeReturn
from rlframework.rewards.base import RowReward
from rlframework.samplers import BatchedSampler, DynamicSampling, EpisodeSampler
from rlframework.testing import SnapshotSampler, letter_rows, letter_tokenizer, tiny_policy
from tests.loop.test_standing import Moments, Watch


class Vowels(RowReward):
    """Share of vowels, and a random number that only an exact resume draws again."""

    def score_row(self, completion: Any) -> float:
        share = sum(letter in "aeiou" for letter in completion.text) / max(len(completion.text), 1)
        return share + 0.01 * float(torch.rand(()))


class Letters(RowReward):
    """The share alone: a thread beside the one that learns must not draw random numbers of all."""

    def score_row(self, completion: Any) -> float:
        return sum(letter in "aeiou" for letter in completion.text) / max(len(completion.text), 1)


class Late(SnapshotSampler):
    """Answers after a while that is another each time."""

    def ask(self, prompts: Any, *, step: int, version: Any) -> Any:
        time.sleep(random.Random(time.time_ns()).uniform(0, 0.05))
        return super().ask(prompts, step=step, version=version)


class Dice(Environment):
    """Says letters that its luck chooses, and pays for vowels in what was said."""

    def start(self, row: Any, luck: Any) -> Episode:
        return Throws(luck)


class Throws(Episode):
    def __init__(self, luck: Any) -> None:
        self.luck = luck

    def step(self, turn: Any) -> Observation:
        letters = "".join(self.luck.choice(list("abcde"), 2))
        return Observation(letters, reward=sum(letter in "aeiou" for letter in turn.text))


def policy(dropout: float = 0.1, lora: bool = False) -> CausalLMPolicy:
    adapter = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], lora_dropout=dropout) if lora else None
    model = tiny_policy().model
    model.config.max_position_embeddings = 512
    made = CausalLMPolicy(model, letter_tokenizer(), lora=adapter)
    for layer in made.model.get_base_model().model.layers if lora else made.model.model.layers:
        layer.self_attn.attention_dropout = dropout
    return made


SIZES: dict[str, Any] = {"prompts_per_rollout": 4, "minibatches_per_rollout": 4, "learning_rate": 1e-2}
SAMPLER = BatchedSampler(group_size=4, max_tokens=4)


def grpo(**options: Any) -> GRPO:
    defaults = {"schedule": "linear", "warmup_steps": 2, "validation": {"vowels": Vowels()}}
    trained = options.pop("policy", None) or policy()
    sampler = options.pop("sampler", SAMPLER)
    reward = options.pop("reward", None) or Vowels()
    return GRPO(trained, reward, sampler, **{**SIZES, **defaults, **options})


def prompts(rows: int = 10) -> PromptDataModule:
    return PromptDataModule(letter_rows(rows), letter_rows(2))


def setting(name: str) -> tuple[pl.LightningModule, pl.LightningDataModule, dict[str, Any], list[pl.Callback]]:
    """Return algorithm, data, options of the Trainer and callbacks of a setting."""
    if name == "accumulation":
        return grpo(), prompts(), {"accumulate_grad_batches": 2, "val_check_interval": 3}, []
    if name == "passes":
        return grpo(passes_per_rollout=2), prompts(), {}, []
    if name == "lora":
        return grpo(policy=policy(lora=True), kl_coefficient=0.1), prompts(), {"accumulate_grad_batches": 4}, []
    if name == "kl":
        return grpo(kl_coefficient=0.1, passes_per_rollout=2), prompts(), {"accumulate_grad_batches": 2}, []
    if name == "episodes":
        trained, longer = policy(), BatchedSampler(group_size=4, max_tokens=30)
        sampler = EpisodeSampler(longer, Dice(), max_turns=3, glue=PlainGlue(trained.tokenizer, "x", "y"))
        options = {"reward": EpisodeReturn() + Vowels(), "kl_coefficient": 0.1, "passes_per_rollout": 2}
        return grpo(policy=trained, sampler=sampler, **options), prompts(), {"accumulate_grad_batches": 2}, []
    if name == "filter":
        kept = DynamicSampling(SAMPLER, Vowels(), keep=4)
        return grpo(sampler=kept, prompts_per_rollout=8), prompts(20), {"accumulate_grad_batches": 2}, []
    if name == "dropout":
        return grpo(policy=policy(dropout=0.5)), prompts(), {"accumulate_grad_batches": 2}, []
    if name == "ranks":
        return grpo(minibatches_per_rollout=2), prompts(), {"strategy": "ddp", "devices": 2}, []
    if name in ("ahead", "ahead ranks", "ahead drained"):
        one = name == "ahead drained"
        options = {"rollouts_ahead": 1 if one else 2, "passes_per_rollout": 2, "validation": None}
        ranks = {"strategy": "ddp", "devices": 2} if name == "ahead ranks" else {}
        trained = grpo(sampler=Late(SAMPLER, one), reward=Letters(), minibatches_per_rollout=2, **options)
        return trained, PromptDataModule(letter_rows(10)), ranks, []
    if name == "sft":
        rows = [{"prompt": row["prompt"], "completion": "abc"[: 1 + i % 3]} for i, row in enumerate(letter_rows(18))]
        trained = SFT(policy(), demonstrations_per_step=4, learning_rate=1e-2)
        return trained, DemonstrationDataModule(rows[:16], rows[16:]), {"accumulate_grad_batches": 2}, []
    if name == "gym":
        # Endless prompts, made by epoch.
        data = ReasoningGymPrompts("chain_sum", epoch_length=10, validation_rows=2, structured=False)
        return grpo(), data, {"accumulate_grad_batches": 2}, []
    if name == "ema":
        return grpo(), prompts(), {"accumulate_grad_batches": 2}, [shipped.EMAWeightAveraging(decay=0.8)]
    raise ValueError(name)


def newest(folder: Path) -> Path | None:
    found = sorted(folder.glob("*.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    return found[-1] if found else None


def main(folder: Path, name: str, kill: str, at: int) -> None:
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def act(trainer: pl.Trainer, moment: str) -> None:
        if kill == "save":
            trainer.save_checkpoint(folder / f"by_hand-{time.time_ns()}.ckpt")
            die()
        if kill == "die":
            die()
        if kill == "inside" and trainer.is_global_zero:
            # A save that takes longer than the time until the end.
            threading.Timer(random.Random(at).uniform(0, 0.02), die).start()
            trainer.save_checkpoint(folder / f"by_hand-{time.time_ns()}.ckpt")
        if kill == "signal":
            timer = threading.Timer(random.Random(at).uniform(0, 0.3), os.kill, (os.getpid(), signal.SIGUSR1))
            timers.append(timer)
            timer.start()

    timers: list[threading.Timer] = []

    def every(trainer: pl.Trainer, moment: str) -> None:
        number = len(moments.seen) - 1
        if moment.endswith("on_train_end"):
            for timer in timers:
                timer.cancel()  # Lightning's handler goes, and the signal would end the process.
        if number == at:
            act(trainer, moment)
        if kill == "signal" and list(folder.glob("hpc_ckpt_*.ckpt")):
            die()

    moments = Moments(every)
    pl.seed_everything(1 if newest(folder) is None else time.time_ns() % 1000, verbose=False)
    module, data, options, callbacks = setting(name)
    saver = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0, "logger": False}
    trainer = pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        max_epochs=3,
        log_every_n_steps=1,
        callbacks=[*callbacks, Watch(moments), saver],
        **{**quiet, **options},
    )
    trainer.fit(module, data, ckpt_path=None if kill == "signal" else newest(folder))
    if trainer.is_global_zero:
        state = {key: value for key, value in module.state_dict().items() if not key.endswith("inv_freq")}
        torch.save({"weights": state, "steps": trainer.global_step}, folder / "end.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
