"""What is done alike with and without Unsloth."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from peft import LoraConfig
from torch import Tensor

from rlframework.algorithms import GRPO
from rlframework.completions import Completion, Completions
from rlframework.data import PromptDataModule
from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies import CausalLMPolicy
from rlframework.prompt import Prompt
from rlframework.rewards.base import RowReward
from rlframework.rollout import Rollout
from rlframework.samplers import BatchedSampler
from rlframework.testing import letter_prompts, letter_rows

LORA = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"])
ADAPTER = "adapter"


class Vowels(RowReward):
    """Share of vowels."""

    def score_row(self, completion: Completion) -> float:
        return sum(letter in "aeiou" for letter in completion.text) / max(len(completion.text), 1)


def batch() -> Rollout:
    """Return ragged rows in two groups of two."""
    tokens = iter(torch.randint(3, 39, (99,), generator=torch.Generator().manual_seed(4)).tolist())
    prompts = [Prompt(list(islice(tokens, length)), "") for length in (9, 2)]
    answers = [(prompts[0], 3), (prompts[0], 12), (prompts[1], 6), (prompts[1], 1)]
    rows = [Completion(prompt, list(islice(tokens, length)), "", "stop") for prompt, length in answers]
    return Rollout.of(Completions(rows, 2), pad_id=0, temperature=0.8)


def scored(policy: CausalLMPolicy, score: Callable[..., TokenLogProbs]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return log-probabilities and the gradient of a weighted sum of them, by name."""
    policy.zero_grad()
    rollout = batch()
    logprobs = score(rollout).logprobs.masked_fill(~rollout.completion_mask, 0.0)
    (logprobs * torch.linspace(-1, 2, logprobs.numel()).view_as(logprobs)).sum().backward()
    gradients = {name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None}
    policy.zero_grad()
    return logprobs.detach(), gradients


def sampler(kind: type[BatchedSampler]) -> BatchedSampler:
    return kind(group_size=3, max_tokens=10, temperature=0.9, seed=5)


def ids_and_logprobs(completions: Completions) -> tuple[list[list[int]], list[list[float]]]:
    return [row.ids for row in completions], [row.logprobs for row in completions]


def train(policy: CausalLMPolicy, kind: type[BatchedSampler], folder: Path, steps: int = 3) -> dict[str, Any]:
    """Take steps through Lightning; return the trained weights, and the reward before and after."""
    algorithm = GRPO(
        policy,
        Vowels(),
        kind(group_size=8, max_tokens=8),
        prompts_per_rollout=8,
        learning_rate=0.05,
        schedule="constant",
        kl_coefficient=0.01,
    )
    frozen = {name: p.detach().clone() for name, p in policy.named_parameters() if not p.requires_grad}
    rewards = [_reward(policy, kind)]
    trainer = pl.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(algorithm, PromptDataModule(letter_rows(8 * steps)))
    rewards.append(_reward(policy, kind))
    return {
        "steps": trainer.global_step,
        "weights": {name: p.detach().clone() for name, p in policy.named_parameters() if p.requires_grad},
        "frozen": all(torch.equal(p, frozen[name]) for name, p in policy.named_parameters() if name in frozen),
        "rewards": rewards,
    }


@torch.no_grad()
def _reward(policy: CausalLMPolicy, kind: type[BatchedSampler]) -> float:
    policy.eval()
    completions = kind(group_size=32, max_tokens=8, seed=9).sample(policy, letter_prompts(8))
    return Vowels().score(completions).mean().item()
