"""The importance ratio: 1 where the policy has not moved, and what it does where it has."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework.loop.callback import RolloutCallback, RolloutRecord
from rlframework.rollout import Rollout
from rlframework.testing.algorithms.script import paired_script, ragged_script
from rlframework.testing.algorithms.trial import Drift, Trial, difference, random_table, train
from rlframework.testing.report import Violation

ROLLOUTS = 3
# A ratio beyond any trust region.
_FAR = 10.0


def on_policy_ratio(trial: Trial) -> str:
    """At the first step on every rollout the ratio is 1, and the gradient that of a rollout used once."""
    script, watch = ragged_script(), _FirstSteps()
    asked = trial.follow(script)
    # Without an option that asks for it, nothing may look at what the sampler believes.
    gap = 0.3 if asked.sampler_correction is None and asked.off_policy_threshold is None else 0.0
    moved: dict[str, Any] = {"table": random_table(1), "moved": random_table()}
    record = trial.record(script.believed(gap), [watch], steps=2 * ROLLOUTS, passes_per_rollout=2, **moved)
    if not max(watch.log_ratios) <= 1e-6:
        raise Violation(
            f"log_ratio() is up to {max(watch.log_ratios):.2g} at the first step of a rollout, where it must be 0",
            "importance() of log-ratios that are all 0 must be 0",
        )
    for number in range(ROLLOUTS):
        alone = trial.follow(script, table=random_table(1))
        alone.load_state_dict(watch.states[number])
        again = train(alone, [_SameAdvantages(record.collected[number])])
        change = difference(again.gradient, record.steps[2 * number].gradient)
        if not change <= 1e-5:
            raise Violation(
                f"at the first step on rollout {number + 1} the gradient is off by {change:.1%}: the ratio is not 1",
                "take the ratio from self.log_ratio(logprobs, batch); batch.old_logprobs are those of this rollout "
                "under the policy, batch.sampler_logprobs are another engine's, and a copy of one's own goes stale",
            )
    return f"log-ratio 0 at the first of 2 steps on each of {ROLLOUTS} rollouts, and the gradient as of a single step"


class _FirstSteps(RolloutCallback):
    """Keeps the state and the largest log-ratio at the first step on each rollout."""

    def __init__(self) -> None:
        self.fresh = False
        self.states: list[dict[str, Any]] = []
        self.log_ratios: list[float] = []

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, collected: RolloutRecord) -> None:
        self.fresh = True

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if not self.fresh:
            return
        self.fresh = False
        self.states.append(copy.deepcopy(pl_module.state_dict()))
        with torch.no_grad():
            logprobs = pl_module.policy.logprobs(batch).logprobs.masked_fill(~batch.loss_mask, 0.0)
            self.log_ratios.append(pl_module.log_ratio(logprobs, batch).abs().max().item())


class _SameAdvantages(RolloutCallback):
    """Hands on the advantages of another run: a running baseline would differ, and is not what is asked."""

    def __init__(self, other: RolloutRecord) -> None:
        self.other = other

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, collected: RolloutRecord) -> None:
        collected.rollout.advantages.copy_(self.other.rollout.advantages)


def trust_region(trial: Trial) -> str:
    """A row that has moved against its advantage is pulled back, and a bound that is stated for the ratio is one."""
    shifts = torch.cat([torch.linspace(-0.7, 0.7, 141), torch.tensor([-1e-4, 1e-4])])
    script = paired_script(len(shifts))
    per_row = shifts.repeat_interleave(2).unsqueeze(1)  # (B, 1), nats of each of two tokens
    record = trial.learning_record(script, [Drift(lambda batch: per_row)])
    rollout, slopes = record.steps[0].parts[0], record.steps[0].slopes[0]
    push = _push(slopes, rollout)  # (N, 2): right and wrong answer
    at_one = push[(shifts.abs() < 1e-6).nonzero()[0]].squeeze(0)
    _check_pulled_back(trial, shifts, push / at_one)
    _check_bound(trial)
    return "rows that moved against their advantage are pulled back; " + _bounds(shifts, push / at_one)


def _push(slopes: Tensor, rollout: Rollout) -> Tensor:
    """Return the push of each row in the direction of its advantage, per weight, ``(N, 2)``."""
    weighed = -slopes * rollout.advantages.sign()
    return weighed.amin(1).view(-1, 2)


def _check_pulled_back(trial: Trial, shifts: Tensor, push: Tensor) -> None:
    cap = trial.follow(paired_script(2)).ratio_cap or math.inf
    for g, (sign, kind) in enumerate([(-1, "good"), (1, "bad")]):
        # A cap on the ratio leaves out rows of negative advantage beyond it on purpose; the ratio may be of two tokens.
        against = (sign * shifts > 0) & (2 * shifts < math.log(cap))
        dead = against & (push[:, g] < 1e-3)
        if dead.any():
            ratio = shifts[dead].abs().min() * sign
            raise Violation(
                f"a {kind} answer whose tokens are at ratio {ratio.exp():.2f} has moved against its advantage and is "
                f"not pulled back: the push is {push[dead, g].max():.2g} times that at ratio 1",
                "clip on the side that the advantage pushes to: -min(ratio * A, clip(ratio) * A), as clipped_surrogate",
            )


def _check_bound(trial: Trial) -> None:
    """See that a token at ratio 10 is not pushed ten times as hard, where the algorithm says that it has a bound."""
    script = paired_script(2)
    algorithm = trial.follow(script)
    if not algorithm.bounds_tokens or (algorithm.ratio_cap or 0.0) >= _FAR:
        return
    shift = torch.zeros(4, 2)
    at_one = trial.learning_record(script, [Drift(lambda batch: shift)]).steps[0].slopes[0]
    # Of both answers to the second prompt; an option may leave one of the tokens out.
    token = int(at_one[2].abs().argmax())
    shift[2:, token] = math.log(_FAR)
    slopes = trial.learning_record(script, [Drift(lambda batch: shift)]).steps[0].slopes[0]
    push = (slopes[2, token] / at_one[2, token]).item()
    if not push < 0.9 * _FAR:
        raise Violation(
            f"trust_region is stated, and a good token at ratio {_FAR:g} is pushed {push:.3g} times as hard as at "
            "ratio 1: nothing bounds the ratio",
            "leave trust_region False, so that stale rollouts are corrected by TokenTruncation(), or bound the ratio: "
            "by a clip, as clipped_surrogate, or by ratio_cap",
        )


def _bounds(shifts: Tensor, push: Tensor) -> str:
    """Say where rows that moved with their advantage get no further push: a clip, or a penalty that outweighs it."""
    silent_good = shifts[(shifts > 0) & (push[:, 0] < 1e-3)]
    silent_bad = shifts[(shifts < 0) & (push[:, 1] < 1e-3)]
    if not len(silent_good) and not len(silent_bad):
        return "with it they are pushed on at any ratio from 0.5 to 2"
    good = f"{silent_good.min().exp():.2f}" if len(silent_good) else "2 or more"
    bad = f"{silent_bad.max().exp():.2f}" if len(silent_bad) else "0.5 or less"
    return f"with it they are pushed on up to a ratio of about {good}, and down to {bad}"
