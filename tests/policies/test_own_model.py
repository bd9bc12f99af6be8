"""A plain torch model as a policy, as recipes/own_model.py and docs/write_your_own/policy.md have it."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from rlframework import SFT, BatchedSampler, DemonstrationDataModule, Policy, SharedPrefixSampler
from rlframework.rollout import Rollout
from rlframework.testing import letter_prompts, letter_tokenizer

RECIPE = Path(__file__).parents[2] / "recipes" / "own_model.py"
NAMES = runpy.run_path(str(RECIPE))


def policy(seed: int = 0) -> Policy:
    torch.manual_seed(seed)
    tokenizer = letter_tokenizer()
    return NAMES["DecoderPolicy"](NAMES["Decoder"](len(tokenizer), width=16, layers=1, heads=2), tokenizer).eval()


def rollout(one: Policy, temperature: float = 0.7, prompts: int = 3, kind: Any = BatchedSampler) -> Rollout:
    completions = kind(group_size=3, max_tokens=7, temperature=temperature).sample(one, letter_prompts(prompts))
    return Rollout.of(completions, pad_id=one.pad_id, temperature=temperature)


def scored(one: Policy, batch: Rollout) -> torch.Tensor:
    return one.logprobs(batch).logprobs.masked_fill(~batch.completion_mask, 0.0)


def test_the_wrapper_is_short_and_the_model_is_plain_torch() -> None:
    classes = {node.name: node for node in ast.parse(RECIPE.read_text()).body if isinstance(node, ast.ClassDef)}
    wrapper = classes["DecoderPolicy"]
    assert wrapper.end_lineno - wrapper.lineno < 40
    assert {type(part).__module__.partition(".")[0] for part in policy().model.modules()} == {"torch", "<run_path>"}


def test_learning_sees_the_probabilities_that_were_sampled_from() -> None:
    one = policy()
    batch = rollout(one)
    assert batch.prompt_mask.sum(1).unique().numel() > 1, "no left padding"
    torch.testing.assert_close(scored(one, batch), batch.sampler_logprobs, atol=1e-5, rtol=0)


def test_a_row_alone_scores_as_in_company() -> None:
    one = policy()
    batch = rollout(one)
    for row in range(len(batch)):
        alone = batch.select(slice(row, row + 1)).trim()
        width = alone.completion_ids.shape[1]
        torch.testing.assert_close(scored(one, alone)[0], scored(one, batch)[row, :width], atol=1e-5, rtol=0)


def test_both_samplers_draw_the_same() -> None:
    one = policy()
    first, second = (rollout(one, kind=kind) for kind in (BatchedSampler, SharedPrefixSampler))
    assert torch.equal(first.completion_ids, second.completion_ids)


def test_every_weight_gets_a_gradient() -> None:
    one = policy().train()
    scored(one, rollout(policy())).sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in one.parameters())


def test_it_learns(grpo, fit, tmp_path: Path) -> None:
    one = policy()
    rows = [{"prompt": letter, "completion": letter + "x"} for letter in "abcdefgh"]
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_epochs=20, default_root_dir=tmp_path, enable_model_summary=False, **quiet)
    trainer.fit(SFT(one, demonstrations_per_step=4, learning_rate=1e-2), DemonstrationDataModule(rows))
    assert float(trainer.callback_metrics["train/loss"]) < 1.5
    rewards = []
    algorithm = grpo(one, learning_rate=1e-2, passes_per_rollout=2)
    log = algorithm.log

    def keep(name: str, value: Any, *arguments: Any, **options: Any) -> None:
        if name == "train/reward/total":
            rewards.append(float(value))
        log(name, value, *arguments, **options)

    algorithm.log = keep
    fit(algorithm, prompts=16, max_epochs=6)
    assert sum(rewards[-4:]) > sum(rewards[:4]) + 0.5
