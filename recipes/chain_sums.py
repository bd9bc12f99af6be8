"""A base model that is bad at sums becomes good at them, on a CPU, without labels.

    make demo                          # or: .venv/bin/python recipes/chain_sums.py --algorithm DAPO --seed 3

The tiny base is made here (a Qwen3 of about 110 thousand weights; cached), primed with a few careless demonstrations of
the answer's layout, and then trained with GRPO, or any other algorithm, on four verifiable rewards. The skill is latent
in the base by construction: it has seen solved sums, but ignores the layout asked for. What training adds is that it is
used. Two cores, about a minute; GRPO ends at 0.97 to 1.00, and docs/algorithms/index.md has the others.
"""

from __future__ import annotations

import time
from pathlib import Path

import transformers
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework import CausalLMPolicy, PromptDataModule, SharedPrefixSampler, algorithms, rewards
from rlframework.loggers import AppendingCSVLogger
from rlframework.report import Comparison
from rlframework.run_report import save_run_report
from rlframework.tasks import chain_sums, create_base
from rlframework.tasks.tiny.run import recipe_parser, sizes, tiny_trainer
from rlframework.utilities.paths import writable_folder

MEASURES = {"accuracy": rewards.CorrectAnswer(), "format": rewards.ExactFormat(score=1.0)}
RULES = rewards.ExactFormat() + rewards.ApproximateFormat() + rewards.AnswerCheck() + rewards.NumberCheck()
SETTINGS = {"reward": RULES, "prompts_per_rollout": 16, "learning_rate": 7e-4, "betas": (0.9, 0.95), "warmup_steps": 5}
# MaxRL divides by a group's mean reward, so no rule may take points away.
SPECIAL = {"MaxRL": {"reward": rewards.CorrectAnswer()}}


def main(name: str, seed: int, output: Path, steps: int, n_heldout: int) -> None:
    """Make the base, train it, and compare before with after."""
    transformers.utils.logging.disable_progress_bar()
    logger = AppendingCSVLogger(output, name="chain_sums")
    run = writable_folder(logger.log_dir)
    started = time.perf_counter()
    base, primed = create_base(seed)
    facts = {"algorithm": name, "seed": seed, "seconds_base": time.perf_counter() - started}

    policy, sampler = CausalLMPolicy(primed), SharedPrefixSampler(group_size=8, max_tokens=48, seed=seed)
    problems = chain_sums.splits(seed, n_train=16 * steps, n_heldout=n_heldout)  # one epoch: no problem twice
    data = PromptDataModule(problems.train, problems.heldout, template=rewards.AnswerTemplate())
    settings = {**SETTINGS, **SPECIAL.get(name, {})}
    algorithm = getattr(algorithms, name)(policy, sampler=sampler, validation=MEASURES, seed=seed, **settings)
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
    comparison.add(f"+ {name}", policy)
    comparison.print(examples=3)
    comparison.save(run, facts)
    save_run_report(run)
    print(f"Run folder, with report.html, curves.png and every completion: {run}")


if __name__ == "__main__":
    parser = recipe_parser(__doc__, steps=80)
    parser.add_argument("--algorithm", choices=algorithms.NAMES, default="GRPO", help="%(choices)s", metavar="NAME")
    options = parser.parse_args()
    main(options.algorithm, options.seed, options.output, *sizes(options))
