"""Observations: what an environment gave is read, and nothing is learned from it."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework.rollout import Rollout
from rlframework.testing.algorithms.checks.invariance import TOLERANCE
from rlframework.testing.algorithms.script import Script
from rlframework.testing.algorithms.trial import Drift, Trial, difference
from rlframework.testing.report import Violation

# Each ends with the same letter as the other: in a table of bigrams what follows is then as likely.
SHORT = [["a(d)b.", "b.", "c(e)a.", "d(a)b"], ["e(b).", "c.", "a(c)d(e).", "b(d)e."]]
LONG = [["a(bad)b.", "b.", "c(dabe)a.", "d(ca)b"], ["e(cab).", "c.", "a(dec)d(e).", "b(ad)e."]]
REWARDS = [[1.0, 0.0, 0.0, 0.5], [0.0, 1.0, 1.0, 0.0]]


def observations(trial: Trial) -> str:
    """What an environment gave moves nothing: its tokens, their number, and the log-probabilities in their place."""
    short, long = (Script(["a", "bc"], rows, torch.tensor(REWARDS)) for rows in (SHORT, LONG))
    plain = trial.learning_record(short, [Drift(_shift)])
    changed = trial.record(long, [Drift(_shift), _Junk()])
    change = difference(plain.gradient, changed.gradient)
    if not change <= TOLERANCE:
        raise Violation(
            f"with other and more tokens between the policy's turns the gradient changes by {change:.1%} of its "
            "largest entry",
            "use batch.loss_mask, never batch.completion_mask, in every sum, mean and count over tokens: the latter "
            "holds what an environment gave",
        )
    rows = changed.collected[0].completions
    sampled = sum(row.sampled_tokens for row in rows)
    given = sum(len(row.ids) for row in rows) - sampled
    return f"{given} other tokens between {sampled} sampled ones change nothing (relative difference {change:.0e})"


def _shift(batch: Rollout) -> Tensor:
    """Return a shift of up to 0.4 nats, ``(B, T)``: of a token by itself and by how many were sampled before it."""
    number = batch.loss_mask.long().cumsum(1)
    return 0.4 * torch.sin(3.0 * (batch.completion_ids + 2 * batch.prompt_ids[:, -1:]) + number)


class _Junk(pl.Callback):
    """Puts numbers that mean nothing in the place of the log-probabilities of what was given."""

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        given = batch.completion_mask & ~batch.loss_mask
        for name in ("old_logprobs", "reference_logprobs", "sampler_logprobs"):
            if (values := getattr(batch, name)) is not None:
                setattr(batch, name, values.masked_fill(given, -3.0))
