"""Both sides of a case, and how far apart they are."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import pytest
import torch

from tests.trl.ours import train_ours
from tests.trl.runs import MAX_TOKENS, Case, Run, double_precision, quiet
from tests.trl.theirs import train_theirs

SAME_METRICS = {
    "train/reward/total": "reward",
    "train/reward/quality": "rewards/quality/mean",
    "train/reward/brevity": "rewards/brevity/mean",
    "train/reward/abstaining": "rewards/abstaining/mean",
    "train/zero_std_groups": "frac_reward_zero_std",
    "train/completion_length": "completions/mean_length",
    "train/truncated": "completions/clipped_ratio",
    "train/entropy": "entropy",
    "train/kl": "kl",
    "train/clip_fraction_low": "clip_ratio/low_mean",
    "train/clip_fraction_high": "clip_ratio/high_mean",
    "train/grad_norm": "grad_norm",
}


class Pair(NamedTuple):
    ours: Run
    theirs: Run


@dataclass
class Errors:
    """The largest differences of a pair, relative to numbers above 1.

    Those of gradients are relative to the norm of each weight's, or to a hundredth of the largest whole gradient of the
    run, whichever is larger.
    """

    advantages: float
    logprobs: float
    loss: float
    gradient: float
    metrics: dict[str, float] = field(default_factory=dict)
    eval_loss: float = 0.0


@contextmanager
def undisturbed(shuffled: bool = False) -> Iterator[None]:
    """Train without messages, without a trace in the random numbers, and with TRL's rows in order if need be."""
    with quiet(), pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
        # It would take most of the time: accelerate collects at the start of every training.
        patch.setattr("gc.collect", lambda *generation: 0)
        if not shuffled:
            # TRL shuffles the rows of a rollout before it cuts them into slices. That decides which rows share a
            # minibatch, and with several slices which share an optimizer step.
            for trainer in ("grpo", "rloo"):
                patch.setattr(f"trl.trainer.{trainer}_trainer.shuffle_sequence_dict", lambda batch: batch)
        yield


def train_both(case: Case, optimizer: str = "sgd", double: bool = False) -> Pair:
    """Train, once, with ``"adamw"``, gradients clipped to norm 1, or with ``"sgd"``, gradients as they are."""
    return _train_both(case, optimizer, double)


@functools.cache
def _train_both(case: Case, optimizer: str, double: bool) -> Pair:
    with undisturbed(case.shuffled), double_precision() if double else nullcontext():
        return run_both(case, optimizer)


def run_both(case: Case, optimizer: str) -> Pair:
    ours = train_ours(case, optimizer)
    return Pair(ours, train_theirs(case, optimizer, ours, list(chain.from_iterable(ours.prompts))))


def errors(case: Case, double: bool = False) -> Errors:
    """Return what is left between both sides, along the gradient itself."""
    return _errors(case, double)


@functools.cache
def _errors(case: Case, double: bool) -> Errors:
    ours, theirs = train_both(case, "sgd", double)
    assert ours.prompts == theirs.prompts
    assert ours.completions == theirs.completions
    assert len(ours.losses) == len(theirs.losses) == case.steps
    largest = max(whole_norm(gradients) for gradients in theirs.gradients)
    gradients = zip(ours.gradients, theirs.gradients, strict=True)
    return Errors(
        advantages=worst(ours.advantages, theirs.advantages),
        # Rows that TRL shuffled stand elsewhere.
        logprobs=0.0 if case.shuffled else worst(ours.logprobs, theirs.logprobs),
        loss=worst_number(ours.losses, theirs.losses) / (MAX_TOKENS if sums_up(case) else 1),
        gradient=max(gradient_error(mine, other, largest) for mine, other in gradients),
        metrics=metric_errors(ours, theirs, unlike_metrics(case)),
        eval_loss=abs(ours.losses[0] - theirs.eval_loss) if case.evaluate else 0.0,
    )


def sums_up(case: Case) -> bool:
    """Whether the loss has sums over the tokens of a completion in it, and their rounding."""
    return case.trainer == "rloo" or case.theirs.get("loss_type") in ("luspo", "vespo")


def worst(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    """Return the largest difference between two lists of tensors, relative to numbers above 1."""
    assert len(ours) == len(theirs) > 0
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.numel() + b.numel()]
    return max(float(((a - b).abs() / b.abs().clamp(min=1.0)).max()) for a, b in pairs)


def worst_number(ours: list[float], theirs: list[float]) -> float:
    assert len(ours) == len(theirs) > 0
    return max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(ours, theirs, strict=True))


def whole_norm(gradients: dict[str, torch.Tensor]) -> float:
    return float(torch.stack([gradient.norm() for gradient in gradients.values()]).norm())


def gradient_error(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], largest: float) -> float:
    """Return the largest error of a weight's gradient, given the largest norm of a whole gradient of the run."""
    assert ours.keys() == theirs.keys()
    # Where there is next to no gradient, as in a step whose advantages are all masked, there is rounding to compare.
    floor = largest / 100
    return max(float((ours[name] - theirs[name]).norm()) / max(float(theirs[name].norm()), floor) for name in theirs)


def weight_errors(pair: Pair) -> torch.Tensor:
    """Return the difference of every weight at the end."""
    assert pair.ours.weights.keys() == pair.theirs.weights.keys()
    differences = [pair.ours.weights[name] - pair.theirs.weights[name] for name in pair.theirs.weights]
    return torch.cat([difference.abs().flatten() for difference in differences])


def metric_errors(ours: Run, theirs: Run, unlike: set[str]) -> dict[str, float]:
    assert len(ours.metrics) == len(theirs.metrics) == len(ours.losses)
    found: dict[str, float] = {}
    for mine, other in zip(ours.metrics, theirs.metrics, strict=True):
        for name, their_name in SAME_METRICS.items():
            if name in mine and their_name in other and name not in unlike:
                error = abs(mine[name] - other[their_name]) / max(1.0, abs(other[their_name]))
                found[name] = max(found.get(name, 0.0), error)
    always = {"train/reward/total", "train/completion_length", "train/truncated", "train/entropy", "train/grad_norm"}
    assert found.keys() >= always
    return found


def unlike_metrics(case: Case) -> set[str]:
    """Return the metrics of one name that mean something else here and there, for this case."""
    settings, unlike = case.theirs, set()
    groups = case.trainer != "rloo" and settings.get("scale_rewards", "group") != "batch"
    if (
        not groups
        or "multi_objective_aggregation" in settings
        or any(j.__name__ == "abstaining" for j, _ in case.rewards)
    ):
        # TRL looks at the spread of the rollout then, of rewards less the KL, or at one that nobody knows.
        unlike.add("train/zero_std_groups")
    if "multi_objective_aggregation" in settings:
        # TRL leaves advantages of 0 a rounding away from it, and so a sign to clip by.
        unlike |= {"train/clip_fraction_low", "train/clip_fraction_high"}
    if settings.get("use_bias_correction_kl", case.trainer != "rloo") or (case.trainer == "rloo" and case.slices > 1):
        # TRL logs the divergence times the ratio; and that of RLOO once for the whole rollout.
        unlike.add("train/kl")
    by_row = case.trainer == "rloo" or settings.get("importance_sampling_level") == "sequence"
    if by_row and settings.get("mask_truncated_completions"):
        # TRL counts masked rows among those that could have been clipped.
        unlike |= {"train/clip_fraction_low", "train/clip_fraction_high"}
    return unlike
