"""What Lightning and the framework add to a loop by hand over the same sampler, policy and loss.

    make bench-overhead                     # or: python benchmarks/overhead.py --steps 40 --profile

In ``pl.Trainer.fit(GRPO(...))``, with a CSVLogger that writes every step, all default callbacks, a SampleLogger and
Sentinels, a bare loop takes the same step on its own copy of the model after each of Lightning's: same prompts, same
random numbers, and so the same completions and the same weights. What the bare step takes is not counted as
Lightning's. ``overhead_share`` is the median difference of the pairs over the median bare step; it should be at most
0.05.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger

from against_trl import prepare_process
from ours import algorithm_for
from rlframework import GRPO, PromptDataModule, RolloutCallback, SampleLogger, Sentinels
from rlframework.functional.advantages import group_normalized
from rlframework.functional.surrogates import clipped_surrogate
from rlframework.functional.weights import sequence_mean
from rlframework.rollout import Rollout
from table import facts
from work import Shape, Work, prepared

WARM_UP, BAR, SHOWN = 2, 0.05, 25


class BareLoop:
    """Steps of GRPO by hand: no Lightning, no metrics, no log."""

    def __init__(self, work: Work) -> None:
        parts = algorithm_for(work)
        self.policy: Any = parts.policy.train()
        self.sampler, self.reward = parts.sampler, parts.reward
        self.optimizer = torch.optim.AdamW(self.policy.parameters(), lr=1e-6, weight_decay=0.0, fused=True)

    def step(self, prompts: list[Any], number: int) -> None:
        completions = self.sampler.sample(self.policy, prompts, step=number)
        scores = self.reward.evaluate(completions)
        batch = Rollout.of(completions, scores.total, pad_id=self.policy.pad_id, temperature=self.sampler.temperature)
        advantages = group_normalized(scores.total).view(-1, 1)
        weights = sequence_mean(batch.completion_mask)

        def loss_of(scored: Any) -> torch.Tensor:
            log_ratio = scored.logprobs - scored.logprobs.detach()
            return (weights * clipped_surrogate(log_ratio, advantages, 0.2, 0.2)).sum()

        scored = self.policy.logprobs(batch, objective=loss_of)
        self.optimizer.zero_grad()
        loss_of(scored).backward()
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
        self.optimizer.step()


class Alternate(RolloutCallback):
    """Takes a bare step after each of Lightning's and times both; (wall seconds, CPU seconds) of each step."""

    def __init__(self, bare: BareLoop) -> None:
        self.bare = bare
        self.fit_steps: list[tuple[float, float]] = []
        self.bare_steps: list[tuple[float, float]] = []

    def on_train_start(self, *arguments: Any) -> None:
        self.resumed = now()

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: Any, collected: Any) -> None:
        self.prompts = [group[0].prompt for group in collected.completions.groups()]
        self.number = collected.step

    def on_train_batch_end(self, *arguments: Any) -> None:
        ended = now()
        self.bare.step(self.prompts, self.number)
        self.fit_steps.append(between(self.resumed, ended))
        self.resumed = now()
        self.bare_steps.append(between(ended, self.resumed))


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def between(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    return end[0] - start[0], end[1] - start[1]


def fit(work: Work, algorithm: GRPO, callback: pl.Callback) -> None:
    """Train as a user does: a logger, a progress bar, checkpoints, sentinels; what they print is not shown."""
    logger = CSVLogger(work.folder / "log")
    options: dict[str, Any] = {"log_every_n_steps": 1, "gradient_clip_val": 1.0, "max_epochs": 1, "logger": logger}
    trainer = pl.Trainer(accelerator="cpu", callbacks=[Sentinels(), callback, SampleLogger()], **options)
    with redirect_stdout(StringIO()):
        trainer.fit(algorithm, PromptDataModule(work.rows))


def compare(work: Work) -> dict[str, Any]:
    """Return medians of both and the share of overhead, of wall and of CPU seconds."""
    algorithm, alternate = algorithm_for(work, schedule="constant"), Alternate(BareLoop(work))
    fit(work, algorithm, alternate)
    figures: dict[str, Any] = {}
    for index, suffix in enumerate(("", "_cpu")):
        whole = [step[index] for step in alternate.fit_steps[WARM_UP:]]
        bare = [step[index] for step in alternate.bare_steps[WARM_UP:]]
        difference = median(one - other for one, other in zip(whole, bare, strict=True))
        figures[f"fit_seconds{suffix}"] = median(whole)
        figures[f"bare_seconds{suffix}"] = median(bare)
        figures[f"overhead_share{suffix}"] = difference / median(bare)
    return figures


class OutsideClock:
    """Stands still inside the functions it is given, so that a profile has what is outside of them."""

    def __init__(self) -> None:
        self.skipped = 0.0
        self.stopped: float | None = None

    def __call__(self) -> float:
        return (time.perf_counter() if self.stopped is None else self.stopped) - self.skipped

    def still(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.stopped = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.skipped += time.perf_counter() - self.stopped
                self.stopped = None

        return call


class Profiled(pl.Callback):
    """Profiles all steps but those that warm up."""

    def __init__(self, profile: cProfile.Profile, steps: int) -> None:
        self.profile, self.steps = profile, steps

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx + 1 == WARM_UP:
            self.profile.enable()
        if batch_idx + 1 == self.steps:
            self.profile.disable()


def profile(work: Work) -> str:
    """Return the functions that Lightning's run spends most in, outside rollout, forward and backward pass."""
    algorithm: Any = algorithm_for(work)
    clock = OutsideClock()
    algorithm.sampler.sample = clock.still(algorithm.sampler.sample)
    algorithm.policy.logprobs = clock.still(algorithm.policy.logprobs)
    algorithm.backward = clock.still(algorithm.backward)
    profiler = cProfile.Profile(clock)
    fit(work, algorithm, Profiled(profiler, work.steps))
    counted = work.steps - WARM_UP
    every: dict[Any, Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    most = sorted(every.items(), key=lambda item: -item[1][3])[:SHOWN]
    lines = [f"{'ms a step':>10}{'own':>8}{'calls':>8}  (slowed by the profiler, and each within those that call it)"]
    for (file, line, name), (_, calls, own, cumulative, _) in most:
        numbers = f"{cumulative / counted * 1e3:10.2f}{own / counted * 1e3:8.2f}{calls / counted:8.1f}"
        lines.append(f"{numbers}  {'/'.join(Path(file).parts[-3:])}:{line} {name}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=30, help="pairs of steps that count")
    parser.add_argument("--prompt", type=int, default=256, help="tokens of a prompt")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--profile", action="store_true", help="show where Lightning's run spends the rest")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    prepare_process(options.threads)
    with prepared(Shape("tiny", options.prompt), options.steps + WARM_UP) as work:
        if options.profile:
            print(profile(work))
        figures = compare(work)
    share = figures.pop("overhead_share")
    for name, value in figures.items():
        print(f"{name}={value:.4g}")
    print(f"bar: overhead_share <= {BAR}, {'met' if share <= BAR else 'MISSED'}")
    print(f"overhead_share={share:.4f}")
    if options.json:
        everything = {**facts(), "steps": options.steps, "overhead_share": share, **figures}
        options.json.write_text(json.dumps(everything, indent=2) + "\n")


if __name__ == "__main__":
    main()
