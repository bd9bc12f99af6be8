"""The road of a real model through Unsloth: ``python -m tests.unsloth.real_run MODEL FOLDER DTYPE``."""

from __future__ import annotations

import unsloth  # isort: skip  # noqa: F401  # first of all: it replaces parts of what is imported below

import resource
import sys
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
import torch
from peft import LoraConfig

from rlframework import GRPO, PromptDataModule, UnslothPolicy, UnslothSampler
from rlframework.completions import Completion, Completions
from rlframework.policies.scoring.right_padded import RightPadded
from rlframework.prompt import Prompt
from rlframework.rewards import RowReward
from rlframework.rollout import Rollout


class Digits(RowReward):
    """Share of digits."""

    def score_row(self, completion: Completion) -> float:
        return sum(letter.isdigit() for letter in completion.text) / max(len(completion.text), 1)


def group(policy: UnslothPolicy, prompt: int = 121, tokens: int = 11) -> Rollout:
    """Return eight answers to a prompt, as long as those of the recipe with the real model."""
    ids = torch.randint(3, 40_000, (8, prompt + tokens), generator=torch.Generator().manual_seed(0)).tolist()
    asked = Prompt(ids[0][:prompt], "")
    rows = [Completion(asked, row[prompt:], "", "length") for row in ids]
    return Rollout.of(Completions(rows, 8), pad_id=policy.pad_id)


def cpu_seconds(policy: UnslothPolicy, way: str) -> float:
    """Return the CPU seconds of scoring a group and of its gradient."""
    rollout = group(policy)
    score = policy.logprobs if way == "shared" else partial(RightPadded().score, policy)
    for _ in range(2):  # The first one also proves the way.
        before = resource.getrusage(resource.RUSAGE_SELF)
        score(rollout).logprobs.sum().backward()
        after = resource.getrusage(resource.RUSAGE_SELF)
        policy.zero_grad()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(model: Path, folder: Path, dtype: str) -> None:
    lora = LoraConfig(
        r=16, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )
    policy = UnslothPolicy(model, lora, dtype=dtype, max_seq_length=256)
    rows = [{"prompt": f"What is {first} + {first + 3}?"} for first in range(8)]
    sampler = UnslothSampler(group_size=4, max_tokens=12)
    algorithm = GRPO(policy, Digits(), sampler, prompts_per_rollout=2, learning_rate=5e-4)
    trainer = pl.Trainer(max_steps=2, accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.fit(algorithm, PromptDataModule(rows))
    policy.save_adapter(folder / "adapter")
    again = UnslothPolicy(folder / "adapter", dtype=dtype, max_seq_length=256)
    with torch.no_grad():
        logprobs = [made.eval().logprobs(group(made)).logprobs for made in (policy, again)]
    seconds = {way: cpu_seconds(policy, way) for way in ("shared", "right-padded")}
    torch.save({"steps": trainer.global_step, "logprobs": logprobs, "seconds": seconds}, folder / "found.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
