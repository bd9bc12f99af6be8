"""Prompts by success rate against uniform ones: chain sums of two to nine terms, at equal steps and completions.

    .venv/bin/python benchmarks/curriculum.py --seed 0 --arm bounds       # about a minute; docs/data.md has the table

A pool of 96 problems, twelve of each number of terms, is asked again and again for 80 rollouts of 8 prompts by 8
answers. ``uniform`` is what a `RolloutLoader` does. ``bounds`` draws a prompt whose success rate is outside 0.1 to 0.9
a tenth as often as the others, and ``solved`` one above 0.9 three tenths as often; the rate is a running mean of its
groups, and a prompt that was never asked counts as inside. Measured is greedy accuracy on 256 other problems of the
same kind.
"""

from __future__ import annotations

import argparse
import json
from random import Random
from statistics import fmean
from typing import Any

import numpy as np
import pytorch_lightning as pl

from rlframework import GRPO, CausalLMPolicy, PromptDataModule, RolloutCallback, SharedPrefixSampler, rewards
from rlframework.functional.advantages import group_spread
from rlframework.loop.loader import RolloutLoader
from rlframework.prompt import Prompt
from rlframework.tasks import create_base

# Bounds of the rate, and the weight of a prompt outside of them.
ARMS = {"uniform": (0.0, 1.0, 1.0), "bounds": (0.1, 0.9, 0.1), "solved": (0.0, 0.9, 0.3)}
REWARDS = {
    "right": rewards.CorrectAnswer(),
    "rules": rewards.ExactFormat() + rewards.ApproximateFormat() + rewards.AnswerCheck() + rewards.NumberCheck(),
}
PROMPTS, GROUP, HELD_OUT = 8, 8, 256


class BySuccess(RolloutLoader):
    """Draws the prompts of each rollout by their success rates."""

    rates: dict[int, float]
    arm: str

    def prompts_of(self, epoch: int, number: int) -> list[Prompt]:
        low, high, weight = ARMS[self.arm]
        rates = [self.rates.get(place, (low + high) / 2) for place in range(len(self.prompts))]
        weights = np.array([1.0 if low <= rate <= high else weight for rate in rates])
        random = np.random.default_rng((self.seed, epoch, number))
        chosen = random.choice(len(rates), self.prompts_per_rollout, replace=False, p=weights / weights.sum())
        return [self.prompts[place] for place in chosen]


class Watcher(RolloutCallback):
    """Keeps the success rate of each prompt, the share of groups without spread, and the accuracy of validations."""

    def __init__(self) -> None:
        self.rates: dict[int, float] = {}
        self.flat: list[float] = []
        self.accuracy: list[float] = []

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: Any, record: Any) -> None:
        right = rewards.CorrectAnswer().evaluate(record.completions).total.mean(1).tolist()
        for group, rate in zip(record.completions.groups(), right, strict=True):
            place = group[0].prompt.index
            self.rates[place] = (rate + self.rates.get(place, rate)) / 2
        self.flat.append(float((group_spread(record.scores.total) == 0).float().mean()))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.accuracy.append(float(trainer.callback_metrics["val/accuracy"]))


def problem(random: Random, terms: int) -> dict[str, str]:
    total = random.randint(1, 9)
    prompt = str(total)
    for _ in range(terms - 1):
        step = random.choice([step for step in range(-9, 10) if step and 0 <= total + step <= 20])
        total += step
        prompt += f"{step:+d}"
    return {"prompt": f"{prompt}=?", "answer": str(total)}


def problems(n: int, random: Random, exclude: list[dict[str, str]]) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    seen = {row["prompt"] for row in exclude}
    while len(rows) < n:
        row = problem(random, 2 + len(rows) % 8)
        if row["prompt"] not in seen:
            seen.add(row["prompt"])
            rows.append(row)
    return rows


def main(seed: int, arm: str, reward: str, steps: int, pool: int) -> dict[str, Any]:
    watcher = Watcher()

    class Learner(GRPO):
        def rollout_loader(self, prompts: Any) -> RolloutLoader:
            if arm == "uniform":
                return super().rollout_loader(prompts)
            loader = BySuccess(prompts, self, PROMPTS, seed=seed)
            loader.rates, loader.arm = watcher.rates, arm
            return loader

    held_out = problems(HELD_OUT, Random(777), [])
    train = problems(pool, Random(f"train {seed}"), held_out)
    data = PromptDataModule(train, held_out, template=rewards.AnswerTemplate())
    settings: dict[str, Any] = {"learning_rate": 7e-4, "betas": (0.9, 0.95), "warmup_steps": 5, "seed": seed}
    sampler = SharedPrefixSampler(group_size=GROUP, max_tokens=96, seed=seed)
    measures = {"accuracy": rewards.CorrectAnswer()}
    policy = CausalLMPolicy(create_base(seed, progress=False).primed)
    learner = Learner(policy, REWARDS[reward], sampler, prompts_per_rollout=PROMPTS, validation=measures, **settings)
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_checkpointing": False, "enable_model_summary": False}
    every: dict[str, Any] = {"val_check_interval": min(10, steps), "check_val_every_n_epoch": None, "max_epochs": -1}
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        logger=False,
        callbacks=[watcher],
        **quiet,
        **every,
    )
    trainer.fit(learner, data)
    figures = {"accuracy": watcher.accuracy[-1], "mean_accuracy": fmean(watcher.accuracy), "flat": fmean(watcher.flat)}
    return {"seed": seed, "arm": arm, "reward": reward, **{name: round(value, 3) for name, value in figures.items()}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of base, pool and samples")
    parser.add_argument("--arm", choices=ARMS, default="uniform")
    parser.add_argument("--reward", choices=REWARDS, default="rules")
    parser.add_argument("--steps", type=int, default=80, help="optimizer steps, of one rollout each")
    parser.add_argument("--pool", type=int, default=96, help="training problems")
    print(json.dumps(main(**vars(parser.parse_args()))))
