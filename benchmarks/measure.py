"""What is measured of a run: seconds of its steps and their parts, tokens read, and the peak of memory."""

from __future__ import annotations

import ctypes
import gc
import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers

from work import Work


@dataclass
class Figures:
    """One entry per step (memory: per run).

    Args:
        step: Seconds of everything between the ends of two steps.
        step_cpu: Seconds that the process computed in it, on all cores.
        rollout: Seconds of sampling.
        update: Seconds of the training forward and backward pass.
        tokens: Positions that the body of the model reads in the training forward pass.
        peak_mib: Peak of the resident set above what it was before the run.
    """

    step: list[float] = field(default_factory=list)
    step_cpu: list[float] = field(default_factory=list)
    rollout: list[float] = field(default_factory=list)
    update: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)


class StepClock:
    """Notes the time between the ends of two steps."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self.ended = time.perf_counter(), time.process_time()

    def tick(self) -> None:
        now = time.perf_counter(), time.process_time()
        self.figures.step.append(now[0] - self.ended[0])
        self.figures.step_cpu.append(now[1] - self.ended[1])
        self.ended = now


def timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """Return the function, noting how long each call takes."""

    def call(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        result = function(*arguments, **options)
        seconds.append(time.perf_counter() - started)
        return result

    return call


def count_tokens(model: Any, figures: Figures) -> None:
    """Note how many positions every forward pass with gradients reads."""

    def count(module: Any, arguments: Any, options: dict[str, Any]) -> None:
        if torch.is_grad_enabled():
            figures.tokens.append(options["input_ids"].numel())

    model.model.register_forward_pre_hook(count, with_kwargs=True)


def measured(train: Callable[[Work, Figures], None], work: Work) -> Figures:
    """Train once and return the figures of all steps but the first."""
    figures = Figures()
    gc.collect()
    # What the other side has freed goes back to the system; else it would hide what this one takes.
    ctypes.CDLL(None).malloc_trim(0)
    resident = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    train(work, figures)
    kept = {name: values[1 - work.steps :] for name, values in vars(figures).items()}
    return Figures(**{**kept, "peak_mib": [memory("VmHWM") - resident]})


def quiet() -> None:
    """Keep warnings, logs and progress bars out of the figures."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()


def memory(name: str) -> float:
    """Return an entry of /proc/self/status in MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def joined(runs: list[Figures]) -> dict[str, list[float]]:
    """Return every part of all runs in one list."""
    return {part: list(chain.from_iterable(getattr(run, part) for run in runs)) for part in vars(runs[0])}


def medians(figures: dict[str, list[float]]) -> dict[str, float]:
    return {part: median(values) for part, values in figures.items()}
