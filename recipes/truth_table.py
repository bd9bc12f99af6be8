"""A base model that is bad at truth tables becomes good at them, on a CPU, without labels.

    .venv/bin/python recipes/truth_table.py --seed 3

The prompt is a formula such as ((p→q)∧p)⊕q=? and the answer its whole column, here 0100: there are 14 of them, each as
likely as any. The reward works the column out from the formula; nobody has to know it beforehand. The tiny base is made
here like that of chain_sums.py: it has seen worked truth tables but ignores the layout asked for, and is primed with a
few careless demonstrations. Two cores, about a minute; docs/rewards/logic.md has the figures.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import transformers
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework import GRPO, CausalLMPolicy, PromptDataModule, SharedPrefixSampler, rewards
from rlframework.loggers import AppendingCSVLogger
from rlframework.report import Comparison
from rlframework.rewards.logic import TruthTable
from rlframework.run_report import save_run_report
from rlframework.tasks import create_base, truth_tables
from rlframework.tasks.tiny.run import recipe_parser, sizes, tiny_trainer
from rlframework.utilities.paths import writable_folder

MEASURES = {"accuracy": TruthTable(name="accuracy"), "format": rewards.ExactFormat(score=1.0)}
RULES = rewards.ExactFormat() + rewards.ApproximateFormat() + TruthTable(correct=8.0, incorrect=-4.0, malformed=-4.0)
SETTINGS: dict[str, Any] = {"prompts_per_rollout": 16, "learning_rate": 7e-4, "betas": (0.9, 0.95), "warmup_steps": 5}


def main(seed: int, output: Path, steps: int, n_heldout: int) -> None:
    """Make the base, train it, and compare before with after."""
    transformers.utils.logging.disable_progress_bar()
    logger = AppendingCSVLogger(output, name="truth_table")
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
    best = ModelCheckpoint(run, "best", "val/accuracy", mode="max")
    last = ModelCheckpoint(run, "last", enable_version_counter=False)
    trainer = tiny_trainer(logger, steps, best, last)  # an ordinary Trainer; take your own, and it moves to GPUs
    started = time.perf_counter()
    trainer.fit(algorithm, data)
    facts |= {"seconds_training": time.perf_counter() - started, "optimizer_steps": trainer.global_step}
    facts["parameters"] = sum(parameter.numel() for parameter in policy.parameters())
    comparison.add("+ GRPO", policy)
    comparison.print(examples=3)
    comparison.save(run, facts)
    save_run_report(run)
    print(f"Run folder, with report.html, curves.png and every completion: {run}")


if __name__ == "__main__":
    options = recipe_parser(__doc__, steps=60).parse_args()
    main(options.seed, options.output, *sizes(options))
