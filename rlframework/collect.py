"""From prompts to a rollout: sample, score, weigh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rlframework.completions import Completions
from rlframework.distributed import gather_rows, replica
from rlframework.functional.advantages import group_spread, group_std
from rlframework.metrics.tally import Tally
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.rewards.base import Scores
from rlframework.rollout import Rollout
from rlframework.samplers.batched import left_pad

if TYPE_CHECKING:
    from rlframework.algorithms.base import PolicyGradient


@dataclass(frozen=True)
class Collected:
    """A rollout as people see it: what callbacks get when it is done.

    Args:
        step: Number of the rollout.
        completions: What was sampled, as text and ids.
        scores: Every reward component of every completion.
        rollout: The tensors that the policy learns from.
    """

    step: int
    completions: Completions
    scores: Scores
    rollout: Rollout


def collect(algorithm: PolicyGradient, prompts: Sequence[Prompt], step: int) -> Collected:
    """Make one rollout from this rank's prompts, with the policy's present weights.

    In this order: completions, rewards, advantages, the log-probabilities that later steps compare with, token weights.
    Only the models run in the Trainer's precision; under half precision it would round rewards and weights.

    Raises:
        RuntimeError: Every reward of every completion is NaN.
        ValueError: ``advantages()`` or ``token_weights()`` returned a wrong shape.
    """
    with algorithm.inference():
        completions = algorithm.sampler.sample(algorithm.policy, prompts, step=step)
    scores = algorithm.reward.evaluate(completions)
    rollout = assemble(completions, scores, algorithm.policy.pad_id, algorithm.sampler.temperature)
    rollout = replace(rollout, advantages=_advantages(algorithm, scores)).to(algorithm.device)
    rollout = replace(
        rollout,
        old_logprobs=_scored_by(algorithm.policy, rollout, algorithm) if algorithm.steps_per_rollout > 1 else None,
        reference_logprobs=_scored_by(algorithm.reference, rollout, algorithm) if algorithm.reference else None,
        weights=_step_weights(algorithm, rollout.completion_mask),
    )
    return Collected(step, completions, scores, rollout)


def tally_rollout(tally: Tally, collected: Collected, seconds: float) -> None:
    """Add what there is to say of a rollout to the figures of its first optimizer step."""
    rollout, scores = collected.rollout, collected.scores
    tally.mean("reward", scores.total)
    for name, values in scores.components.items():
        tally.mean(f"reward/{name}", values)
    tally.mean("reward_std_in_group", group_std(scores.total))
    tally.mean("zero_std_groups", (group_spread(scores.total) == 0).float())
    tally.mean("completion_length", rollout.completion_mask.sum(1).float())
    tally.mean("truncated", rollout.truncated.float())
    tally.mean("rollout_seconds", torch.tensor(seconds))


def assemble(completions: Completions, scores: Scores, pad_id: int, temperature: float) -> Rollout:
    """Turn completions into tensors on the CPU; advantages and weights are still 0.

    A completion without tokens keeps its row, with an empty mask: the group stays whole, and the row counts in its
    statistics.
    """
    rows = completions.rows
    prompt_ids, prompt_mask = left_pad([row.prompt.ids for row in rows], pad_id, "cpu")
    width = max(1, max(len(row.ids) for row in rows))
    completion_mask = torch.arange(width) < torch.tensor([[len(row.ids)] for row in rows])
    logprobs = [torch.tensor(row.logprobs, dtype=torch.float32) for row in rows]
    known = all(len(row.logprobs) == len(row.ids) for row in rows)
    return Rollout(
        prompt_ids=prompt_ids,
        prompt_mask=prompt_mask,
        completion_ids=_right_pad([torch.tensor(row.ids, dtype=torch.int64) for row in rows], width, pad_id),
        completion_mask=completion_mask,
        truncated=torch.tensor([row.truncated for row in rows]),
        rewards=scores.total.flatten(),
        advantages=torch.zeros(len(rows), 1, dtype=torch.float32),
        weights=torch.zeros(len(rows), width, dtype=torch.float32),
        group=torch.arange(completions.num_groups).repeat_interleave(completions.group_size),
        group_size=completions.group_size,
        temperature=temperature,
        sampler_logprobs=_right_pad(logprobs, width, 0.0) if known else None,
    )


def _right_pad(rows: list[Tensor], width: int, value: float) -> Tensor:
    """Return ``(B, width)``."""
    padded = pad_sequence(rows, batch_first=True, padding_value=value)
    return torch.nn.functional.pad(padded, (0, width - padded.shape[1]), value=value)


def _advantages(algorithm: PolicyGradient, scores: Scores) -> Tensor:
    """Return ``(B, 1)``."""
    if scores.total.isnan().all():
        raise RuntimeError(
            f"every reward abstained (NaN) on all {scores.total.numel()} completions of a rollout: "
            f"{', '.join(scores.components)}. Nothing can be learned from it; check the columns of the data and what "
            "the rewards expect"
        )
    advantages = algorithm.advantages(scores.total)
    if advantages.shape != scores.total.shape:
        raise ValueError(f"advantages() returned {tuple(advantages.shape)} for rewards {tuple(scores.total.shape)}")
    return advantages.float().nan_to_num(0.0).reshape(-1, 1)


def _scored_by(policy: Policy, rollout: Rollout, algorithm: PolicyGradient) -> Tensor:
    """Return ``(B, T)`` log-probabilities, minibatch by minibatch to bound memory; 0 on padding."""
    scores = torch.zeros_like(rollout.weights)
    parts = rollout.split(algorithm.minibatches_per_rollout)
    with algorithm.inference():
        for rows, part in zip(scores.chunk(len(parts)), parts, strict=True):
            logprobs = policy.logprobs(part).logprobs.masked_fill(~part.completion_mask, 0.0)
            rows[:, : logprobs.shape[1]] = logprobs
    return scores


def _step_weights(algorithm: PolicyGradient, mask: Tensor) -> Tensor:
    """Return ``(B, T)`` weights, each optimizer step's from all of its rows on all ranks."""
    rank, _ = replica(algorithm.trainer)
    steps = []
    for rows in mask.chunk(algorithm.steps_per_pass):
        everyone = gather_rows(algorithm.trainer, rows)
        weights = algorithm.token_weights(everyone)
        if weights.shape != everyone.shape:
            raise ValueError(f"token_weights() returned {tuple(weights.shape)} for a mask {tuple(everyone.shape)}")
        steps.append(weights.float()[rank * len(rows) : (rank + 1) * len(rows), : rows.shape[1]] * rows)
    return torch.cat(steps)
