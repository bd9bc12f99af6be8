"""From prompts to a rollout: sample, score, weigh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rlframework.completions import Completions
from rlframework.functional.advantages import group_spread, group_std
from rlframework.loop.optimizer_step import step_weights
from rlframework.metrics.tally import Tally
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.rewards.base import Scores
from rlframework.rewards.waiting import stoppable
from rlframework.rollout import Rollout
from rlframework.samplers.batched import left_pad
from rlframework.utilities.distributed import gather_rows, on_any_rank, replica, sum_over_replicas

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

    In this order: completions, rewards, the log-probabilities that steps compare with, advantages, token weights.
    Only the models run in the Trainer's precision; under half precision it would round rewards and weights.

    Raises:
        RuntimeError: No completion has a total, a reward fails more often than ``reward_limits`` allow,
            the sampler samples something else than the policy, or an option lacks its log-probabilities.
        ValueError: ``advantages()`` or ``token_weights()`` returned a wrong shape, or the sampler what none may
            return (`RolloutWatch`).
    """
    with algorithm.inference(), stoppable():
        completions = algorithm.sampler.sample(algorithm.policy, prompts, step=step)
    algorithm.watch.completions(algorithm.sampler, completions)
    scores = algorithm.reward.evaluate(completions)
    algorithm.watch.scores(scores)
    algorithm.reward_limits.observe(scores.judgements, lambda counts: sum_over_replicas(algorithm.trainer, counts))
    rollout = assemble(completions, scores, algorithm.policy.pad_id, algorithm.sampler.temperature)
    if algorithm.mask_truncated:
        rollout.loss_mask = rollout.completion_mask & ~rollout.truncated.unsqueeze(1)
    rollout = rollout.to(algorithm.device)
    with algorithm.inference():
        algorithm.sampler_check.observe(algorithm.policy, algorithm.sampler, completions, rollout, step)
    old = _old_logprobs(algorithm, rollout, step) if _needs_old_logprobs(algorithm) else None
    rollout = replace(
        rollout,
        old_logprobs=old,
        reference_logprobs=_scored_by(algorithm.reference, rollout, algorithm) if algorithm.reference else None,
    )
    dropped = rollout.truncated & (algorithm.mask_truncated and not algorithm.count_masked)
    rollout = replace(
        rollout,
        sampler_correction=_correction(algorithm, rollout),
        advantages=_advantages(algorithm, rollout, scores, dropped),
        weights=step_weights(algorithm, algorithm.token_weights, rollout.loss_mask, ~dropped),
    )
    return Collected(step, completions, scores, rollout)


def tally_rollout(tally: Tally, collected: Collected, seconds: float) -> None:
    """Add what there is to say of a rollout to the figures of its first optimizer step."""
    rollout, scores = collected.rollout, collected.scores
    tally.mean("reward", scores.total)
    for name, values in scores.components.items():
        judgement = scores.judgements[name]
        tally.mean(f"reward/{name}", values)
        tally.mean(f"reward/{name}/abstained", values.isnan().float(), judgement.checked)
        tally.mean(f"reward/{name}/errors", judgement.error_flags.float(), judgement.checked)
        if name in scores.optional:
            absent = values.isnan() & judgement.checked & ~scores.total.isnan()
            tally.mean(f"reward/{name}/counted_as_0", absent.float())
        for metric, figures in judgement.metrics.items():
            tally.mean(f"reward/{name}/{metric}", figures)
    tally.mean("reward_std_in_group", group_std(scores.total))
    tally.mean("zero_std_groups", (group_spread(scores.total) == 0).float())
    tally.mean("completion_length", rollout.completion_mask.sum(1).float())
    tally.mean("truncated", rollout.truncated.float())
    tally.mean("rollout_seconds", torch.tensor(seconds))


def tally_gap(tally: Tally, rollout: Rollout) -> None:
    """Add how far the sampler's log-probabilities are from the policy's, where both are known."""
    if rollout.old_logprobs is None or rollout.sampler_logprobs is None:
        return
    gap = (rollout.old_logprobs - rollout.sampler_logprobs).abs()
    tally.mean("sampler_gap", gap, rollout.completion_mask)
    tally.max("sampler_gap_max", gap, rollout.completion_mask)


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


def _needs_old_logprobs(algorithm: PolicyGradient) -> bool:
    """Whether the policy that samples has to score the rollout: a step sees it changed, or an option compares."""
    in_reward = algorithm.reference is not None and algorithm.kl.in_reward
    return algorithm.steps_per_rollout > 1 or algorithm.sampler_correction is not None or in_reward


def _old_logprobs(algorithm: PolicyGradient, rollout: Rollout, step: int) -> Tensor:
    """Return ``(B, T)``: the sampler's own log-probabilities where they are the policy's, and else a forward pass.

    One group of every rollout, another each time, is scored to see that they are, to float32's rounding.
    """
    sampler, known = algorithm.sampler, rollout.sampler_logprobs
    trusted = sampler.samples_policy_itself and not sampler.truncates and algorithm.sampler_correction is None
    # A divergence to the reference is taken of two forward passes, whose rounding is the same where the policies are.
    penalised = algorithm.reference is not None and algorithm.kl.in_reward
    if not trusted or penalised or known is None or not algorithm.reuses_sampler_logprobs:
        return _scored_by(algorithm.policy, rollout, algorithm)
    start = step % rollout.num_groups * rollout.group_size
    rows = slice(start, start + rollout.group_size)
    group = rollout.select(rows).trim()
    with algorithm.inference():
        scored = algorithm.policy.logprobs(group).logprobs
    gap = (scored - known[rows, : scored.shape[1]]).masked_fill(~group.completion_mask, 0.0).abs().max()
    if not on_any_rank(not gap <= 1e-4, algorithm.policy):
        return known.masked_fill(~rollout.completion_mask, 0.0)
    algorithm.reuses_sampler_logprobs = False
    rank_zero_info(
        f"The sampler's log-probabilities are off by up to {float(gap):.2g} from the policy's: the policy scores every "
        "rollout itself."
    )
    return _scored_by(algorithm.policy, rollout, algorithm)


def _correction(algorithm: PolicyGradient, rollout: Rollout) -> Tensor | None:
    """Return ``(B, T)`` or ``(B, 1)``, or None."""
    if algorithm.sampler_correction is None or rollout.old_logprobs is None:
        return None
    if rollout.sampler_logprobs is None:
        raise RuntimeError(
            f"{type(algorithm.sampler_correction).__name__} needs the sampler's log-probabilities, and "
            f"{type(algorithm.sampler).__name__} gave none for some completions; return them in Completion.logprobs, "
            "or leave sampler_correction out"
        )
    return algorithm.sampler_correction.factor(rollout.old_logprobs, rollout.sampler_logprobs, rollout.loss_mask)


def _advantages(algorithm: PolicyGradient, rollout: Rollout, scores: Scores, dropped: Tensor) -> Tensor:
    """Return this rank's ``(B, 1)``, computed from the rewards of all ranks."""
    penalty = torch.zeros_like(rollout.rewards)
    if rollout.old_logprobs is not None and rollout.reference_logprobs is not None:
        term = algorithm.kl.reward_penalty(rollout.old_logprobs, rollout.reference_logprobs, rollout.loss_mask)
        penalty = penalty if term is None else algorithm.kl_coefficient * term

    def everyone(values: Tensor, less: Tensor | float = 0.0) -> Tensor:
        kept = (values.to(dropped.device).flatten() - less).masked_fill(dropped, float("nan"))
        return gather_rows(algorithm.trainer, kept.view_as(values))

    if gather_rows(algorithm.trainer, scores.total.to(dropped.device)).isnan().all():
        raise RuntimeError(_nothing_to_learn_from(scores))
    # A row without a total is in no statistics, of the components neither.
    components = {
        name: everyone(values.masked_fill(scores.total.isnan(), float("nan")))
        for name, values in scores.components.items()
    }
    total = everyone(scores.total, penalty)
    advantages = algorithm.advantages_of_scores(Scores(total, components, scores.weights))
    if advantages.shape != total.shape:
        raise ValueError(f"advantages() returned {tuple(advantages.shape)} for rewards {tuple(total.shape)}")
    rank, _ = replica(algorithm.trainer)
    mine = advantages.chunk(len(total) // len(scores.total))[rank]
    return mine.float().nan_to_num(0.0).reshape(-1, 1)


def _nothing_to_learn_from(scores: Scores) -> str:
    absent = [f"{name} on {int(values.isnan().sum())}" for name, values in scores.components.items()]
    return (
        f"rewards abstained (NaN) on all {scores.total.numel()} completions of a rollout: {', '.join(absent)}. A row "
        "abstains with each of its rewards that is not optional(...), and nothing can be learned from it; check the "
        "columns of the data and what the rewards expect"
    )


def _scored_by(policy: Policy, rollout: Rollout, algorithm: PolicyGradient) -> Tensor:
    """Return ``(B, T)`` log-probabilities, minibatch by minibatch to bound memory; 0 on padding."""
    # In the very minibatches that will be learned from: in others sums round otherwise, and a divergence that is 0
    # becomes noise, which AdamW would turn into whole steps.
    order = algorithm.minibatch_order(rollout)
    parts = rollout.select(order).split(algorithm.minibatches_per_rollout)
    scores = torch.zeros_like(rollout.weights)
    with algorithm.inference():
        for rows, part in zip(order.chunk(len(parts)), parts, strict=True):
            logprobs = policy.logprobs(part).logprobs.masked_fill(~part.completion_mask, 0.0)
            scores[rows, : logprobs.shape[1]] = logprobs.to(scores.dtype)
    return scores
