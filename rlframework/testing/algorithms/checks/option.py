"""The options of every algorithm: each one acts, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import log
from typing import Any

import torch
from torch import Tensor

from rlframework.rollout import Rollout
from rlframework.terms import EntropyBonus, KLInLoss, KLInReward, TokenTruncation
from rlframework.testing.algorithms.script import Script
from rlframework.testing.algorithms.trial import Drift, Record, Trial, difference, random_table
from rlframework.testing.report import Violation

# Rows in which every option has something to act on: a good one that the sampler believed too unlikely, a good one that
# was truncated, a good one and a bad one at a ratio of 3, and a bad one that the sampler believed too likely.
GROUP = ["b.", "cdab", "eb.", "a.", "d."]
REWARDS = [1.0, 1.0, 1.0, 0.0, 0.0]
GAPS = [-0.5, 0.0, 0.0, 0.0, 0.6]
SHIFTS = [0.0, 0.0, log(3.0), log(3.0), 0.0]


@dataclass(frozen=True)
class Option:
    """One option and how to see it at work.

    Args:
        name: What to call it in a report.
        arguments: For the constructor.
        beside: More of them, so that what it does can be seen.
        fault: Says what is wrong with a run with it beside one without, or returns an empty string.
    """

    name: str
    arguments: dict[str, Any]
    fault: Callable[[Record, Record], str]
    beside: dict[str, Any] = field(default_factory=dict)


def _acts(plain: Record, changed: Record) -> str:
    return "" if difference(plain.gradient, changed.gradient) > 1e-4 else "does not change the gradient"


def _rows(record: Record) -> tuple[Rollout, Tensor]:
    """Return the first minibatch and what its tokens count for, ``(B, T)``."""
    return record.steps[0].parts[0], record.steps[0].slopes[0].abs()


def _keeps_to_entropy_mask(plain: Record, changed: Record) -> str:
    rollout, slopes = _rows(changed)
    if rollout.entropy_mask is None:
        return "chooses no tokens"
    stray = slopes[rollout.loss_mask & ~rollout.entropy_mask].max() / slopes.max()
    return _acts(plain, changed) or ("tokens that it leaves out still learn" if stray > 1e-6 else "")


def _leaves_out_bad(plain: Record, changed: Record) -> str:
    # Without a baseline no row has a negative advantage, and there is nothing to leave out.
    return _acts(plain, changed) if plain.advantages.min() < 0 else ""


def _leaves_out_truncated(plain: Record, changed: Record) -> str:
    rollout, slopes = _rows(changed)
    if slopes[rollout.truncated].max() > 0:
        return "truncated completions still learn"
    return _acts(plain, changed)


def _steps_twice(plain: Record, changed: Record) -> str:
    if len(changed.collected) != 1:
        return f"2 steps took {len(changed.collected)} rollouts"
    return ""


OPTIONS = [
    Option("kl_coefficient in the loss", {"kl_coefficient": 0.5, "kl": KLInLoss()}, _acts),
    Option("kl_coefficient in the reward", {"kl_coefficient": 0.5, "kl": KLInReward()}, _acts),
    Option("ratio_cap", {"ratio_cap": 1.5}, _acts),
    Option("off_policy_threshold", {"off_policy_threshold": 0.1}, _leaves_out_bad),
    Option("top_entropy_share", {"top_entropy_share": 0.5}, _keeps_to_entropy_mask, {"kl_coefficient": 0.0}),
    Option("entropy_bonus", {"entropy_bonus": EntropyBonus(0.1)}, _acts),
    Option("mask_truncated", {"mask_truncated": True}, _leaves_out_truncated),
    Option("sampler_correction", {"sampler_correction": TokenTruncation(high=1.2)}, _acts),
    Option("passes_per_rollout", {"passes_per_rollout": 2}, _steps_twice),
]


def options(trial: Trial) -> str:
    """Every option of the base class acts where it has something to act on, or is refused with a ValueError."""
    plain = _record(trial, {})
    faults, refused = [], []
    for option in OPTIONS:
        if option.arguments.keys() & trial.options.keys():
            continue
        try:
            changed = _record(trial, {**option.beside, **option.arguments})
        except ValueError:
            refused.append(option.name)
            continue
        fault = option.fault(plain, changed)
        faults += [f"{option.name} {fault}"] if fault else []
    if not faults:
        faults = _off_policy_fault(trial, plain, refused)
    if faults:
        raise Violation(
            "; ".join(faults),
            "hand **kwargs on to super().__init__, take the ratio from self.log_ratio(), leave training_step() alone; "
            "or refuse what the algorithm has no use for with a ValueError in the constructor",
        )
    acting = f"{len(OPTIONS) - len(refused)} options act"
    return f"{acting}, refused: {', '.join(refused)}" if refused else acting


def _record(trial: Trial, arguments: dict[str, Any], shifts: list[float] = SHIFTS) -> Record:
    prompts = ["a", "eb", "c", "d"]
    N = len(prompts)
    script = Script(prompts, [GROUP] * N, torch.tensor([REWARDS] * N), torch.tensor([GAPS] * N))
    per_row = torch.tensor(shifts).repeat(N).unsqueeze(1)  # (B, 1)
    steps = arguments.get("passes_per_rollout", 1)
    moves: dict[str, Any] = {"table": random_table(1), "moved": 0.5 * (random_table() + random_table(1))}
    return trial.record(script, [Drift(lambda batch: per_row)], steps=steps, **arguments, **moves)


def _off_policy_fault(trial: Trial, plain: Record, refused: list[str]) -> list[str]:
    """Several steps on a rollout are only an option if the ratio counts."""
    if "passes_per_rollout" in refused:
        return []
    fault = _acts(plain, _record(trial, {}, [0.0] * len(SHIFTS)))
    return ["passes_per_rollout: at a ratio of 3 the gradient is that at 1"] if fault else []
