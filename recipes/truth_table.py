"""A base model that is bad at truth tables becomes good at them, on a CPU, without labels.

    .venv/bin/python recipes/truth_table.py --seed 3

The prompt is a formula such as ((p→q)∧p)⊕q=? and the answer its whole column, here 0100: there are 14 of them, each as
likely as any. The reward works the column out from the formula; nobody has to know it beforehand. The tiny base is made
here like that of chain_sums.py: it has seen worked truth tables but ignores the layout asked for, and is primed with a
few careless demonstrations. Two cores, about a minute; docs/rewards/logic.md has the figures.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import transformers
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from rlframework import GRPO, CausalLMPolicy, PromptDataModule, SharedPrefixSampler, rewards
from rlframework.callbacks import ProgressBar, RolloutWriter
from rlframework.folders import writable_folder
from rlframework.report import Comparison
from rlframework.rewards.logic import TruthTable
from rlframework.tasks import create_base, truth_tables

MEASURES = {"accuracy": TruthTable(name="accuracy"), "format": rewards.ExactFormat(score=1.0)}
RULES = rewards.ExactFormat() + rewards.ApproximateFormat() + TruthTable(correct=8.0, incorrect=-4.0, malformed=-4.0)
SETTINGS: dict[str, Any] = {"prompts_per_rollout": 16, "learning_rate": 7e-4, "betas": (0.9, 0.95), "warmup_steps": 5}


def make_trainer(run: Path, logger: CSVLogger, steps: int) -> pl.Trainer:
    """An ordinary Trainer; change the accelerator, and it moves."""
    best = ModelCheckpoint(run, "best", "val/accuracy", mode="max", save_last=True)
    return pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        gradient_clip_val=1.0,
        logger=logger,
        log_every_n_steps=1,
        val_check_interval=min(5, steps),
        check_val_every_n_epoch=None,
        callbacks=[ProgressBar(), RolloutWriter(), best],
    )


def main(seed: int, steps: int, output: Path, n_heldout: int) -> None:
    """Make the base, train it, and compare before with after."""
    transformers.utils.logging.disable_progress_bar()
    logger = CSVLogger(output, name="truth_table")
    run = writable_folder(logger.log_dir)
    started = time.perf_counter()
    base, primed = create_base(seed, task=truth_tables)
    facts = {"algorithm": "GRPO", "seed": seed, "seconds_base": time.perf_counter() - started}

    policy, sampler = CausalLMPolicy(primed), SharedPrefixSampler(group_size=8, max_tokens=64, seed=seed)
    problems = truth_tables.splits(seed, n_train=16 * steps, n_heldout=n_heldout)  # one epoch: no problem twice
    data = PromptDataModule(problems.train, problems.heldout, template=rewards.AnswerTemplate())
    algorithm = GRPO(policy, RULES, sampler, validation=MEASURES, seed=seed, **SETTINGS)
    comparison = Comparison(data.tokenize("validation", policy.tokenizer), algorithm.validation_sampler, MEASURES)
    comparison.add("base", CausalLMPolicy(base))
    comparison.add("base + priming", policy)
    comparison.print()
    trainer = make_trainer(run, logger, steps)
    started = time.perf_counter()
    trainer.fit(algorithm, data)
    facts |= {"seconds_training": time.perf_counter() - started, "optimizer_steps": trainer.global_step}
    facts["parameters"] = sum(parameter.numel() for parameter in policy.parameters())
    comparison.add("+ GRPO", policy)
    comparison.print(examples=3)
    comparison.save(run, facts)
    print(f"Run folder, with curves.png and every completion: {run}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of the base, the prompts and the samples")
    parser.add_argument("--steps", type=int, default=60, help="optimizer steps, 60 unless told otherwise")
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder of the run folders")
    parser.add_argument("--smoke", action="store_true", help="3 steps and 32 held-out problems: does it run at all?")
    options = parser.parse_args()
    steps, n_heldout = (3, 32) if options.smoke else (options.steps, 256)
    main(options.seed, steps, options.output, n_heldout)
