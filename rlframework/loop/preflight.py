"""What is refused before the first rollout, and what a run says of its sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch import Tensor, nn

from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel
from rlframework.utilities.arguments import at_least
from rlframework.utilities.distributed import replica

if TYPE_CHECKING:
    from rlframework.algorithms.base import PolicyGradient
    from rlframework.loop.rollout_algorithm import RolloutModule


def check_arguments(algorithm: PolicyGradient) -> None:
    """Refuse groups of one, samples alike or truncated, no end token, numbers out of range, options that contradict.

    Raises:
        ValueError: One of them.
    """
    sampler = algorithm.sampler
    if sampler.group_size < 2:
        raise ValueError(
            f"group_size={sampler.group_size}: advantages compare the completions of one prompt, so a group needs at "
            "least 2"
        )
    if sampler.temperature == 0:
        raise ValueError("temperature=0 makes every completion of a group the same; train with a temperature above 0")
    if sampler.truncates and algorithm.sampler_correction is None:
        raise ValueError(
            f"top_k={sampler.top_k}, top_p={sampler.top_p}, min_p={sampler.min_p}: samples of a truncated distribution "
            "are not the policy's own, and importance ratios would take them for it. Leave truncation to the "
            "validation_sampler, or weigh the samples with sampler_correction=TokenTruncation()"
        )
    if not algorithm.policy.eos_ids:
        raise ValueError(
            "neither the tokenizer nor the model's generation_config has an end token: every completion would be cut "
            f"at max_tokens={sampler.max_tokens}. Set tokenizer.eos_token before passing it"
        )
    if not 0 <= algorithm.kl_coefficient < math.inf:
        raise ValueError(
            f"{type(algorithm).__name__}: kl_coefficient must not be negative, got {algorithm.kl_coefficient}; give a "
            "finite number, 0 for no reference"
        )
    at_least(algorithm, 0, off_policy_threshold=algorithm.off_policy_threshold)
    if algorithm.ratio_cap is not None and algorithm.ratio_cap <= 1:
        raise ValueError(
            f"ratio_cap={algorithm.ratio_cap} bounds the ratio itself, and that is 1 on-policy; it must be above 1"
        )
    if not 0 < algorithm.top_entropy_share <= 1:
        raise ValueError(f"top_entropy_share must be in (0, 1], got {algorithm.top_entropy_share}")
    if algorithm.sequence_ratio and algorithm.top_entropy_share < 1:
        raise ValueError(
            f"top_entropy_share={algorithm.top_entropy_share} leaves out tokens, and the surrogate of "
            f"{type(algorithm).__name__} is one number per completion, through which every token would still learn"
        )
    if algorithm.count_masked and not algorithm.mask_truncated:
        raise ValueError("count_masked says what becomes of masked rows; it needs mask_truncated=True")


def checked_surrogate(surrogate: Tensor, mask: Tensor) -> Tensor:
    """Return the surrogate if it has one number per token or per row.

    Raises:
        ValueError: It has not; broadcasting would make something else of it.
    """
    if surrogate.shape not in (mask.shape, (len(mask), 1)):
        raise ValueError(
            f"surrogate() returned {tuple(surrogate.shape)}; expected (B, T) = {tuple(mask.shape)} or (B, 1)"
        )
    return surrogate


def check_positions(algorithm: RolloutModule) -> None:
    """Refuse prompts that leave no room for a completion, rather than meet one after hours.

    Raises:
        ValueError: With how many there are, how long, and the model's positions.
    """
    prompts = getattr(algorithm.trainer.datamodule, "prompts", {})  # type: ignore[attr-defined]
    lengths = [len(prompt.ids) for split in prompts.values() for prompt in split]
    room, budget = algorithm.policy.max_positions, algorithm.sampler.max_tokens
    long = [length for length in lengths if room is not None and length + budget > room]
    if long:
        raise ValueError(
            f"{len(long)} of {len(lengths)} prompts (the longest of {max(long)} tokens) and max_tokens={budget} exceed "
            f"the {room} positions of the model; lower max_tokens, or set max_prompt_tokens and too_long='drop' of the "
            "PromptDataModule"
        )
    if reason := algorithm.policy.changing_rotation(lengths, budget):
        raise ValueError(reason)


def check_golds(reward: RewardModel, splits: Mapping[str, Sequence[Prompt]]) -> None:
    """Count the rows that a reward has nothing to compare with, before training: unverifiable golds, missing answers.

    Args:
        reward: Its terms are asked one by one.
        splits: Prompts by what they are for, ``"train"`` or ``"validation"``.

    Raises:
        ValueError: It is so of every row of the training data.
        KeyError: A row lacks the column.
    """
    parts = [part for part in reward.components() if part.weight != 0]
    for split, prompts in splits.items():
        for part in parts:
            blank = [prompt.index for prompt in prompts if not part.reward.can_judge(prompt)]
            if not blank:
                continue
            found = (
                f"{len(blank)} of {len(prompts)} {split} rows ({len(blank) / len(prompts):.1%}) hold nothing that the "
                f"reward {part.name!r} can compare an answer with: rows {', '.join(map(str, blank[:5]))}"
                + (" ..." if len(blank) > 5 else "")
            )
            if split == "train" and part.required and len(blank) == len(prompts):
                raise ValueError(f"{found}. Is the column the right one?")
            becomes = (
                "abstain, and teach nothing: fill them, or leave the rows out" if part.required else "get 0 for it"
            )
            rank_zero_warn(f"{found}. Their completions {becomes}")


def check_groups(algorithm: RolloutModule) -> None:
    """Refuse a sampler whose groups cannot be cut into minibatches, rather than after the first rollout.

    Raises:
        ValueError: With how many there are of each, on a rank.
    """
    prompts, parts = algorithm.prompts_per_rollout // replica(algorithm.trainer)[1], algorithm.minibatches_per_rollout
    groups, kind = algorithm.sampler.groups_from(prompts), type(algorithm.sampler).__name__
    if groups > prompts:
        raise ValueError(
            f"{kind} returns {groups} groups, and a rank has {prompts} prompts of a rollout; raise prompts_per_rollout"
        )
    if groups % parts:
        raise ValueError(
            f"{groups} groups cannot be cut into {parts} minibatches of equal size: minibatches_per_rollout={parts} "
            f"has to divide what {kind} returns on a rank"
        )


def check_weights(policy: nn.Module) -> None:
    """Refuse weights that are NaN or infinite: whatever is sampled and scored with them says nothing.

    Raises:
        ValueError: With how many there are, and the first.
    """
    weights = [(name, weight) for name, weight in policy.named_parameters() if weight.is_floating_point()]
    here = [(name, weight.detach()) for name, weight in weights if weight.element_size() > 1 and not weight.is_meta]
    here = [(name, weight.to_local() if hasattr(weight, "to_local") else weight) for name, weight in here]
    # The smallest and the largest are found without a copy, and are NaN where one of them is.
    broken = [name for name, weight in here if weight.numel() and not torch.stack(weight.aminmax()).isfinite().all()]
    if broken:
        raise ValueError(
            f"{len(broken)} of {len(weights)} weights of {type(policy).__name__} hold NaN or inf, such as {broken[0]}: "
            "the checkpoint is of a run that diverged, or its numbers do not fit the dtype (bfloat16 reaches further "
            "than float16). Load another checkpoint, or with another dtype=..."
        )


def check_epoch(trainer: pl.Trainer) -> None:
    """Refuse an epoch whose last optimizer step would lack some of its minibatches.

    Raises:
        ValueError: ``limit_train_batches`` is no multiple of the accumulation.
    """
    batches, accumulate = trainer.num_training_batches, trainer.accumulate_grad_batches
    if batches % accumulate and not trainer.fast_dev_run:  # type: ignore[attr-defined]
        raise ValueError(
            f"an epoch of {batches} minibatches ends inside an optimizer step of "
            f"accumulate_grad_batches={accumulate}; choose a multiple in limit_train_batches"
        )


def describe(algorithm: RolloutModule) -> str:
    """Say what follows from the sizes."""
    sampler, replicas = algorithm.sampler, replica(algorithm.trainer)[1]
    asked = algorithm.prompts_per_rollout
    prompts = sampler.groups_from(asked // replicas) * replicas
    among = "" if prompts == asked else f" (chosen among {asked})"
    parts, steps = algorithm.minibatches_per_rollout, algorithm.steps_per_rollout
    kind = "on-policy" if steps == 1 else "off-policy after the first step"
    return (
        f"A rollout is {prompts} prompts{among} x {sampler.group_size} = {prompts * sampler.group_size} completions of "
        f"at most {sampler.max_tokens} tokens, in {parts} minibatch{'es' * (parts > 1)}: {steps} optimizer "
        f"step{'s' * (steps > 1)} per rollout ({kind})."
    )
