"""Metrics of a rollout for the log: rewards by component, lengths, truncation, the gap between sampler and policy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import get_args

import torch
from torch import Tensor

from rlframework.completions import Completions, StopReason
from rlframework.functional.advantages import group_spread, group_std
from rlframework.functional.ratios import effective_sample_share
from rlframework.functional.surrogates import ratio_of
from rlframework.loop.callback import RolloutRecord
from rlframework.metrics.tally import Tally
from rlframework.rollout import Rollout
from rlframework.turns import CallFault


def tally_rollout(tally: Tally, record: RolloutRecord, seconds: float) -> None:
    """Add the metrics of a rollout to the tally of its first optimizer step.

    Args:
        tally: The metrics of the step.
        record: The rollout.
        seconds: Time that it took.
    """
    rollout, scores = record.rollout, record.scores
    # No figure is a folder of another: scores are leaves of one folder, what else was said of them of another.
    tally.mean("reward/total", scores.total)
    for name, values in scores.components.items():
        judgement = scores.judgements[name]
        tally.mean(f"reward/{name}", values)
        tally.mean(f"judgement/{name}/abstained", values.isnan().float(), judgement.checked)
        tally.mean(f"judgement/{name}/errors", judgement.error_flags.float(), judgement.checked)
        if name in scores.optional:
            absent = values.isnan() & judgement.checked & ~scores.total.isnan()
            tally.mean(f"judgement/{name}/counted_as_0", absent.float())
        for metric, figures in judgement.metrics.items():
            tally.mean(f"judgement/{name}/{metric}", figures)
    tally.mean("reward_std_in_group", group_std(scores.total))
    tally.mean("zero_std_groups", (group_spread(scores.total) == 0).float())
    tally.mean("completion_length", torch.tensor([float(row.sampled_tokens) for row in record.completions]))
    tally.mean("truncated", rollout.truncated.float())
    tally.mean("rollout_seconds", torch.tensor(seconds))
    # An episode that could not start has no turns.
    if any(row.turns or row.failure for row in record.completions):
        _tally_episodes(tally, record.completions)


def _tally_episodes(tally: Tally, completions: Completions) -> None:
    """Add the mean of each figure over episodes; the same names on every rank, whatever happened there."""
    rows = completions.rows

    def per_row(name: str, values: Iterable[float]) -> None:
        tally.mean(f"episode/{name}", torch.tensor([float(value) for value in values]))

    per_row("turns", (sum(turn.by == "policy" for turn in row.turns) for row in rows))
    per_row("return", (sum(turn.reward for turn in row.turns) if row.failure is None else math.nan for row in rows))
    per_row("given_tokens", (len(row.ids) - row.sampled_tokens for row in rows))
    per_row("shortened_tokens", (sum(turn.shortened for turn in row.turns) for row in rows))
    per_row("environment_seconds", (sum(turn.seconds for turn in row.turns) for row in rows))
    per_row("calls/all", (len(row.calls) for row in rows))
    for fault in get_args(CallFault):
        per_row(f"calls/{fault}", (sum(call.fault == fault for call in row.calls) for row in rows))
    for reason in get_args(StopReason):
        per_row(f"ended_by/{reason}", (row.stop_reason == reason for row in rows))


def tally_gap(tally: Tally, rollout: Rollout) -> None:
    """Add how far the sampler's log-probabilities are from the policy's, where both are known.

    Args:
        tally: The metrics of the step.
        rollout: The rollout, ``(B, T)``.
    """
    if rollout.old_logprobs is None or rollout.sampler_logprobs is None:
        return
    gap = (rollout.old_logprobs - rollout.sampler_logprobs).abs()
    tally.mean("sampler_gap", gap, rollout.loss_mask)
    tally.max("sampler_gap_max", gap, rollout.loss_mask)


def tally_staleness(tally: Tally, logprobs: Tensor, batch: Rollout) -> None:
    """Add how far the policy that learns is from what sampled a minibatch, and what that leaves of its sample size.

    Args:
        tally: The metrics of the step.
        logprobs: ``(B, T)`` of the present policy, without gradient.
        batch: The minibatch, with the sampler's log-probabilities.
    """
    if batch.sampler_logprobs is None:
        return
    gap = (logprobs - batch.sampler_logprobs).masked_fill(~batch.loss_mask, 0.0).nan_to_num(0.0)
    tally.mean("sampler_gap", gap.abs(), batch.loss_mask)
    tally.max("sampler_gap_max", gap.abs(), batch.loss_mask)
    size = effective_sample_share(ratio_of(gap), batch.loss_mask)
    tally.mean("ess", size.expand_as(batch.loss_mask), batch.loss_mask)
