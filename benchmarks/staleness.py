"""Staleness: what rollouts ahead of learning cost an algorithm, on chain sums with the demo's tiny base and settings.

    .venv/bin/python benchmarks/staleness.py --only "GRPO k=[01] .*lr=0.0007"      # docs/staleness.md has the table

One run is an algorithm, ``rollouts_ahead`` (k), a sampler correction, a learning rate and a seed. Rollouts are sampled
from copies of the policy in this process (`SnapshotSampler`), so that each is exactly k old and no engine adds a gap of
its own; k=0 is an ordinary run without correction. Measured is greedy accuracy on 256 held-out sums after 8, 24 and
80 steps, the worst of every eighth step from step 8 on, the effective sample size and the gap to the sampler. A run
whose line is in the file is not run again, so the script can be stopped and started at any time.
"""

from __future__ import annotations

import argparse
import inspect
import json
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pytorch_lightning as pl
import transformers

from rlframework import CausalLMPolicy, PromptDataModule, SharedPrefixSampler, algorithms, rewards
from rlframework.tasks import chain_sums, create_base
from rlframework.terms import SamplerCorrection, SamplerRatio, TokenTruncation
from rlframework.testing import SnapshotSampler

RESULTS = Path(__file__).parent / "results" / "staleness_cpu.jsonl"
CORRECTIONS: dict[str, Callable[[], SamplerCorrection | None]] = {
    "none": lambda: None,
    "SamplerRatio": SamplerRatio,
    "TokenTruncation": TokenTruncation,
}
# That of the recipe, and three times it.
LEARNING_RATES = (7e-4, 2e-3)
AHEAD = (0, 1, 2, 4)
STEPS, PROMPTS, EVERY = 80, 16, 8
RULES = rewards.ExactFormat() + rewards.ApproximateFormat() + rewards.AnswerCheck() + rewards.NumberCheck()
# MaxRL divides by a group's mean reward, so no rule may take points away.
SPECIAL = {"MaxRL": rewards.CorrectAnswer()}


class Run(NamedTuple):
    """One run; its text is what ``--only`` looks at."""

    algorithm: str
    k: int
    correction: str
    lr: float
    seed: int
    steps: int

    def __str__(self) -> str:
        return f"{self.algorithm} k={self.k} {self.correction} lr={self.lr:g} seed={self.seed}"


class Figures(pl.Callback):
    """Keeps accuracy by step, and what each step says of its staleness."""

    def __init__(self) -> None:
        self.accuracy: dict[int, float] = {}
        self.ess: list[float] = []
        self.gap: list[float] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.accuracy[trainer.global_step] = float(trainer.callback_metrics["val/accuracy"])

    def on_train_batch_end(self, trainer: pl.Trainer, *rest: Any) -> None:
        if "train/ess" in trainer.callback_metrics:
            self.ess.append(float(trainer.callback_metrics["train/ess"]))
            self.gap.append(float(trainer.callback_metrics["train/sampler_gap"]))


def default_correction(name: str) -> str:
    """Return the correction that an algorithm takes ahead of learning where none is given."""
    kind = getattr(algorithms, name)
    bound = kind.trust_region or inspect.signature(kind).parameters["ratio_cap"].default is not None
    return "SamplerRatio" if bound and not kind.sequence_ratio else "TokenTruncation"


def plan(steps: int, seeds: list[int], default: bool) -> Iterator[Run]:
    """Yield every run, with each correction that the algorithm takes, or by ``default`` its own alone."""
    for name in algorithms.NAMES:
        usual = default_correction(name)
        possible = dict.fromkeys([usual] if default else [usual, "TokenTruncation"])
        for lr in LEARNING_RATES:
            for k in AHEAD:
                for correction in possible if k else ["none"]:
                    for seed in seeds:
                        yield Run(name, k, correction, lr, seed, steps)


def learn(run: Run) -> dict[str, Any]:
    """Train, and return what was measured."""
    problems = chain_sums.splits(run.seed, n_train=PROMPTS * run.steps)  # one epoch: no problem twice
    data = PromptDataModule(problems.train, problems.heldout, template=rewards.AnswerTemplate())
    inside = SharedPrefixSampler(group_size=8, max_tokens=chain_sums.MAX_TOKENS, seed=run.seed)
    settings: dict[str, Any] = {"learning_rate": run.lr, "betas": (0.9, 0.95), "warmup_steps": 5, "seed": run.seed}
    learner = getattr(algorithms, run.algorithm)(
        CausalLMPolicy(create_base(run.seed, progress=False).primed),
        SPECIAL.get(run.algorithm, RULES),
        SnapshotSampler(inside) if run.k else inside,
        prompts_per_rollout=PROMPTS,
        rollouts_ahead=run.k,
        sampler_correction=CORRECTIONS[run.correction](),
        validation={"accuracy": rewards.CorrectAnswer()},
        validation_sampler=inside.for_evaluation(),
        **settings,
    )
    figures, started = Figures(), time.process_time()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=run.steps,
        gradient_clip_val=1.0,
        val_check_interval=min(EVERY, run.steps),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        logger=False,
        callbacks=[figures],
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(learner, data)
    accuracy = figures.accuracy
    measured = {f"after_{step}": accuracy[step] for step in (8, 24, 80) if step in accuracy}
    measured["worst"] = min(value for step, value in accuracy.items() if step >= min(8, run.steps))
    if run.k:
        measured |= {"ess": fmean(figures.ess), "least_ess": min(figures.ess), "sampler_gap": fmean(figures.gap)}
    measured["processor_seconds"] = time.process_time() - started
    return {name: round(value, 3) for name, value in measured.items()}


def done(path: Path) -> set[Run]:
    """Return the runs whose lines are in a file."""
    if not path.exists():
        return set()
    lines = map(json.loads, path.read_text().splitlines())
    return {Run(**{name: line[name] for name in Run._fields}) for line in lines}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="runs whose text this pattern is found in", metavar="PATTERN")
    parser.add_argument("--default", action="store_true", help="each algorithm with its own correction alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of base, problems and samples")
    parser.add_argument("--steps", type=int, default=STEPS, help="optimizer steps, of one rollout each")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file that a line of JSON is added to for each")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    for run in plan(options.steps, options.seeds, options.default):
        if re.search(options.only, str(run)) and run not in done(options.results):
            measured = run._asdict() | learn(run)
            with options.results.open("a") as file:
                file.write(json.dumps(measured) + "\n")
            print(run, measured, flush=True)
