"""Runs of episodes with the real model for test_calculator.py: ``python episode_runs.py <folder> <model> <kind>``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
from peft import LoraConfig
from pytorch_lightning.callbacks import ModelCheckpoint
from road_runs import Digits, KilledAt

from rlframework import GRPO, SFT, CausalLMPolicy, DemonstrationDataModule, EpisodeSampler, PromptDataModule
from rlframework.callbacks import RolloutWriter
from rlframework.environments import Toolbox
from rlframework.loggers import AppendingCSVLogger
from rlframework.samplers import SharedPrefixSampler
from rlframework.tasks import two_step_problems as task
from rlframework.tasks.calculator import LineCalls, calculate

SHOWN, PROMPTS, PARTS, STEPS = 24, 3, 3, 2
QUIET = {"accelerator": "cpu", "precision": "bf16-mixed", "enable_progress_bar": False, "enable_model_summary": False}


def run(folder: Path, model: str, kind: str) -> None:
    """Show the form of a call, then reinforce; ``killed`` inside the second rollout, from where ``go_on`` goes on."""
    pl.seed_everything(0)
    policy = CausalLMPolicy(model, dtype="bfloat16", lora=LoraConfig(r=8, target_modules="all-linear"))
    problems = task.splits(0, n_train=SHOWN + PROMPTS * STEPS, n_heldout=1).train
    lessons = DemonstrationDataModule([task.with_calculator(row) for row in problems[:SHOWN]], **asked())
    sft = SFT(policy, demonstrations_per_step=4, learning_rate=3e-3, schedule="constant")
    pl.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, **QUIET).fit(sft, lessons)
    sampler = EpisodeSampler(
        SharedPrefixSampler(group_size=3, max_tokens=task.MAX_TOKENS),
        Toolbox([calculate], calls=LineCalls()),
        max_turns=task.MAX_TURNS,
        max_turn_tokens=task.MAX_TURN_TOKENS,
    )
    grpo = GRPO(policy, Digits(), sampler, prompts_per_rollout=PROMPTS, minibatches_per_rollout=PARTS)
    saved = ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    trainer = pl.Trainer(
        max_steps=PARTS * STEPS,
        logger=AppendingCSVLogger(folder, name="log", version=kind),
        log_every_n_steps=1,
        callbacks=[RolloutWriter(), saved, *([KilledAt(PARTS + 1)] if kind == "killed" else [])],
        **QUIET,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = PromptDataModule(problems[SHOWN:], **asked())
        trainer.fit(grpo, data, ckpt_path=folder / f"step={PARTS + 1}.ckpt" if kind == "go_on" else None)
    left = [text for warning in caught if (text := str(warning.message)).startswith("Left ")]
    weights = {name: weight.detach() for name, weight in policy.named_parameters() if weight.requires_grad}
    torch.save({"weights": weights, "left": left}, folder / f"{kind}.pt")


def asked() -> dict[str, str]:
    return {"system_prompt": task.SYSTEM_PROMPT}


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
