"""What is refused before the first rollout, and what a run says of its sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytorch_lightning as pl

from rlframework.samplers.base import GroupSampler

if TYPE_CHECKING:
    from rlframework.algorithms.base import PolicyGradient


def check_arguments(sampler: GroupSampler, kl_coefficient: float) -> None:
    """Refuse groups of one, samples that are all alike, and a negative weight of the KL term.

    Raises:
        ValueError: One of them.
    """
    if sampler.group_size < 2:
        raise ValueError(
            f"group_size={sampler.group_size}: advantages compare the completions of one prompt, so a group needs at "
            "least 2"
        )
    if sampler.temperature == 0:
        raise ValueError("temperature=0 makes every completion of a group the same; train with a temperature above 0")
    if kl_coefficient < 0:
        raise ValueError(f"kl_coefficient must not be negative, got {kl_coefficient}")


def check_positions(algorithm: PolicyGradient) -> None:
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


def describe(algorithm: PolicyGradient) -> str:
    """Say what follows from the sizes."""
    prompts, sampler = algorithm.prompts_per_rollout, algorithm.sampler
    parts, steps = algorithm.minibatches_per_rollout, algorithm.steps_per_rollout
    kind = "on-policy" if steps == 1 else "off-policy after the first step"
    return (
        f"A rollout is {prompts} prompts x {sampler.group_size} = {prompts * sampler.group_size} completions of at "
        f"most {sampler.max_tokens} tokens, in {parts} minibatch{'es' * (parts > 1)}: {steps} optimizer "
        f"step{'s' * (steps > 1)} per rollout ({kind})."
    )
