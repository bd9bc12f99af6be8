"""Response of advantages to rewards: shift, scale, order, groups of equal rewards, abstentions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rlframework.testing.algorithms.script import Script
from rlframework.testing.algorithms.trial import Record, Trial
from rlframework.testing.report import Violation

TOLERANCE = 2e-3
"""Relative; epsilons in denominators are above rounding and below this, at rewards of about 100."""

LETTERS = "abcde"
ADVANTAGES = "advantages()"


def script_of(rewards: Tensor) -> Script:
    """Return one-token completions that earn these rewards, ``(N, G)``."""
    N, G = rewards.shape
    prompts = [LETTERS[n % len(LETTERS)] for n in range(N)]
    return Script(prompts, [[f"{LETTERS[(n + g) % len(LETTERS)]}." for g in range(G)] for n in range(N)], rewards)


def answer(trial: Trial, rewards: Tensor) -> Record:
    """Train one step on these rewards; advantages must be finite.

    Raises:
        Violation: They are not.
    """
    record = trial.record(script_of(rewards))
    if not (record.advantages.isfinite().all() and record.gradient.isfinite().all()):
        raise Violation(
            f"rewards {_listed(rewards)} have advantages {_listed(record.advantages)} and a gradient of "
            f"{record.gradient.abs().max().item()}",
            "a denominator is 0: add an epsilon, or use a function of rlframework.functional.advantages",
        )
    return record


def reward_shift_and_scale(trial: Trial) -> str:
    """Adding a constant to rewards or scaling them leaves the proportions in a group; better never counts less."""
    rewards = 100 * torch.rand(6, 4, generator=torch.Generator().manual_seed(3))
    plain = answer(trial, rewards).advantages
    if not plain.abs().max() > 0:
        raise Violation("rewards that all differ have advantages of 0", f"{ADVANTAGES} must tell good rows from bad")
    _check_order(rewards, plain)
    shifted = _shift_response(plain, answer(trial, rewards + 50.0).advantages)
    scaled = _scale_response(plain, answer(trial, 4.0 * rewards).advantages, 4.0)
    if scaled.startswith(_POWER):
        more = _scale_response(plain, answer(trial, 16.0 * rewards).advantages, 16.0)
        if more != scaled:
            raise Violation(
                f"with rewards times 4 the advantages are {scaled}, and with rewards times 16 {more}",
                "an epsilon, or a bound on the deviation, must be small beside the spread of the rewards",
            )
    spread = ""
    if (shifted, scaled) == (_UNCHANGED, _UNCHANGED):
        spread = "; " + _check_spread(trial)
    return f"r + c: {shifted}; c r: {scaled}{spread}"


_UNCHANGED = "unchanged"
_POWER = "proportional to c to the power of"


def _check_order(rewards: Tensor, advantages: Tensor) -> None:
    better = rewards.unsqueeze(2) > rewards.unsqueeze(1)  # (N, G, G)
    less = advantages.unsqueeze(2) < advantages.unsqueeze(1)
    wrong = (better & less).nonzero()
    if len(wrong):
        n = int(wrong[0, 0])
        raise Violation(
            f"{len(wrong)} of {int(better.sum())} times a better row of a group has the smaller advantage: rewards "
            f"{_listed(rewards[n])}, advantages {_listed(advantages[n])}",
            f"check the sign in {ADVANTAGES} and that it reduces over the group, dim=1 of (N, G), with keepdim=True",
        )


def _line(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return slope ``(N,)``, intercept ``(N,)`` and largest relative residual of a line through each group."""
    x, y = before - before.mean(1, keepdim=True), after - after.mean(1, keepdim=True)
    slope = (x * y).sum(1) / x.square().sum(1).clamp(min=1e-12)
    intercept = after.mean(1) - slope * before.mean(1)
    residual = (y - slope.unsqueeze(1) * x).abs().max() / after.abs().max().clamp(min=1e-12)
    return slope, intercept, residual.item()


def _same(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= TOLERANCE * one.abs().max())


def _shift_response(before: Tensor, after: Tensor) -> str:
    if _same(before, after):
        return _UNCHANGED
    slope, _, residual = _line(before, after)
    if residual > TOLERANCE or not (slope > 0).all():
        raise Violation(
            f"after adding 50 to all rewards a group's advantages {_listed(before[0])} are {_listed(after[0])}: they "
            "stand in other proportions",
            f"subtract a baseline from the rewards in {ADVANTAGES} before anything else is done with them",
        )
    # Slope 1 is a push on all rows, other slopes weigh groups by their level.
    if bool(((slope - 1).abs() <= TOLERANCE).all()):
        return "moves all rows of a group alike (its baseline is not the group's)"
    return "weighs groups by the level of their rewards"


def _scale_response(before: Tensor, after: Tensor, factor: float) -> str:
    if _same(before, after):
        return _UNCHANGED
    if _same(factor * before, after):
        return "proportional"
    slope, _, residual = _line(before, after)
    alike = residual <= TOLERANCE and bool(((slope / slope.mean() - 1).abs() <= TOLERANCE).all())
    # Between the two degrees: rewards divided by a power of the standard deviation below 1.
    if not alike or not 1 - TOLERANCE <= slope.mean() <= factor * (1 + TOLERANCE):
        raise Violation(
            f"with rewards times {factor:g} the advantages are multiplied by {_listed(slope)} in the groups: this is "
            f"not one number from 1 to {factor:g}",
            "divide centred rewards by a standard deviation (degree 0), by nothing (degree 1) or by a power of the "
            "deviation between the two, not by a variance or a sum of squares; an epsilon must be small beside the "
            "spread of the rewards",
        )
    degree = math.log(slope.mean().item()) / math.log(factor)
    if abs(degree - 1) <= TOLERANCE:
        return "proportional, up to a constant baseline"
    return f"{_POWER} {abs(round(degree, 2)):g}"


def _check_spread(trial: Trial) -> str:
    """Look at the standard deviation of advantages that have been normalised, where all groups have one mean."""
    deviations = torch.tensor([[-3.0, -1.0, 0.0, 4.0], [-1.0, -1.0, 1.0, 1.0], [-2.0, 0.0, 0.0, 2.0]])
    advantages = answer(trial, 50.0 + 10.0 * deviations).advantages
    for rows, where in ((advantages, "in each group"), (advantages.reshape(1, -1), "over the rollout")):
        n = rows.shape[1]
        spread = rows.std(1)
        if bool(((spread - 1).abs() <= TOLERANCE).all()):
            return f"standard deviation 1 {where}"
        if bool(((rows.std(1, correction=0) - 1).abs() <= TOLERANCE).all()):
            raise Violation(
                f"the standard deviation of the advantages {where} is {spread.mean():.4f} = sqrt({n} / {n - 1}): the "
                f"rewards were divided by a biased one, with {n} in place of {n - 1} below",
                "use rewards.std(1) with Bessel's correction, or group_std and batch_std of "
                "rlframework.functional.advantages",
            )
    return f"standard deviation {advantages.std():.3g} over the rollout"


def zero_variance(trial: Trial) -> str:
    """A group whose rewards are all equal teaches nothing, and neither does a rollout of equal rewards."""
    # The floating-point mean of 7 or 21 times 0.7 is another number.
    flat = torch.tensor([0.7, 1.0, 0.0]).unsqueeze(1).expand(3, 7)
    for level in (0.7, 0.0, 1.0):
        rewards = torch.full((3, 7), level)
        advantages = answer(trial, rewards).advantages
        if advantages.abs().max() > 0 and not _moves_with(trial, rewards, slice(None)):
            raise Violation(
                f"a rollout whose rewards are all {level:g} has advantages of up to {advantages.abs().max():.2g}",
                "the mean of equal numbers is off by rounding, dividing by their spread blows it up, and AdamW makes a "
                "whole step of the smallest gradient; return exactly 0 where max - min is 0, as group_normalized does",
            )
    mixed = torch.cat([flat, torch.tensor([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]])])
    pushed = answer(trial, mixed).advantages[:3]
    return _judge_flat_groups(trial, mixed, pushed)


def _judge_flat_groups(trial: Trial, rewards: Tensor, advantages: Tensor) -> str:
    uneven = (advantages.amax(1) - advantages.amin(1)).max()
    if uneven > 1e-6:
        raise Violation(
            f"a group of equal rewards has different advantages, apart by up to {uneven:.2g}",
            f"{ADVANTAGES} must give equal rewards of a group equal advantages",
        )
    if advantages.abs().max() == 0:
        return "equal rewards have advantages of 0, in a group and in a rollout"
    if _moves_with(trial, rewards, slice(0, 1)):
        return "a group of equal rewards pushes, the more the higher they are: the baseline is not the group's"
    raise Violation(
        f"groups of equal rewards have advantages {_listed(advantages[:, 0])}, whatever their reward is",
        "return exactly 0 where max - min of a group is 0, as group_centered and group_normalized do",
    )


def _moves_with(trial: Trial, rewards: Tensor, groups: slice) -> bool:
    """Return whether more reward for all rows of these groups alone is more advantage: then pushing them is meant."""
    more = rewards.clone()
    more[groups] += 0.25
    rise = answer(trial, more).advantages[groups] - answer(trial, rewards).advantages[groups]
    return bool((rise > 1e-3).all())


def abstention(trial: Trial) -> str:
    """A reward that abstains (NaN) gives its row advantage 0, and the rest of the group still learns."""
    rewards = torch.tensor([[1.0, float("nan"), 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]])
    record = answer(trial, rewards)
    group = record.advantages[0]
    if group[1] != 0:
        raise Violation(
            f"a row without reward has advantage {group[1].item():.3g}",
            "nan_to_num(0.0) belongs behind the last step of advantages(), not before the first: 0 is a wrong answer",
        )
    if not group[0] > group[2]:
        raise Violation(
            f"one NaN silences its group: rewards {_listed(rewards[0])} have advantages {_listed(group)}",
            "use nanmean(1, keepdim=True) and group_std, or the functions of rlframework.functional.advantages",
        )
    return "a NaN reward has advantage 0 and its group goes on without it"


def _listed(values: Tensor) -> str:
    return "[" + ", ".join(f"{value:.3g}" for value in values.flatten()[:6].tolist()) + "]"
