"""Sizes of a run: TRL's count of completions by device and micro-batch as prompts, minibatches and passes."""

from __future__ import annotations

from math import gcd
from typing import NamedTuple


class Sizes(NamedTuple):
    """Sizes as this library counts them.

    Args:
        prompts: Prompts of a rollout, over all devices.
        minibatches: Parts that a rollout is cut into.
        accumulate: Minibatches of an optimizer step.
        passes: Passes over a rollout.
        notes: What is not the same, in words.
    """

    prompts: int
    minibatches: int
    accumulate: int
    passes: int
    notes: tuple[str, ...] = ()


def sizes_of(rows: int, devices: int, group: int, slices: int, accumulate: int, iterations: int) -> Sizes:
    """Return the sizes of a run of TRL.

    A generation of TRL is ``rows * devices * slices`` completions, learned from in ``slices`` micro-batches,
    ``iterations`` times over; an optimizer step takes ``accumulate`` micro-batches.

    Args:
        rows: ``per_device_train_batch_size``.
        devices: Processes.
        group: ``num_generations``.
        slices: ``steps_per_generation``.
        accumulate: ``gradient_accumulation_steps``.
        iterations: ``num_iterations``.

    Raises:
        ValueError: TRL refuses such sizes, or steps and generations do not fall together.

    Example:
        >>> sizes_of(rows=8, devices=1, group=8, slices=4, accumulate=4, iterations=1)
        Sizes(prompts=4, minibatches=4, accumulate=4, passes=1, notes=())
        >>> sizes_of(rows=2, devices=4, group=8, slices=8, accumulate=4, iterations=2)[:4]
        (8, 2, 1, 2)
    """
    completions = rows * devices * slices
    if completions % group:
        raise ValueError(
            f"{rows} rows x {devices} devices x {slices} steps are {completions} completions, and TRL refuses a number "
            f"that num_generations={group} does not divide; for other numbers of processes give --devices"
        )
    prompts, notes = completions // group, []
    if slices % accumulate == 0:
        steps, passes = slices // accumulate, iterations
    elif (slices * iterations) % accumulate == 0 and accumulate % slices == 0:
        # Each step sees the whole generation several times over, which is its mean.
        steps, passes = 1, slices * iterations // accumulate
    elif accumulate % (slices * iterations) == 0:
        several = accumulate // (slices * iterations)
        prompts, steps, passes = prompts * several, 1, 1
        notes.append(
            f"an optimizer step of TRL takes {several} generations here, all of the same weights: they are one "
            f"rollout of {prompts} prompts. Its mean over tokens (dapo, cispo, vespo) is one over all of them; TRL's "
            f"is the mean of {several} means"
        )
    else:
        raise ValueError(
            f"gradient_accumulation_steps={accumulate} cuts through generations of {slices} x {iterations} "
            "micro-batches: an optimizer step there takes a part of one and a part of the next. Here a step stays "
            "inside a rollout; choose prompts_per_rollout, minibatches_per_rollout, passes_per_rollout and "
            "accumulate_grad_batches anew"
        )
    if prompts % (devices * steps):
        raise ValueError(
            f"{prompts} prompts on {devices} devices in {steps} steps are no whole groups, and a group stays on one "
            f"device and in one step here (TRL cuts through groups of {group}); choose a multiple of "
            f"{devices * steps} prompts"
        )
    parts = gcd(prompts // (devices * steps), min(accumulate, slices * iterations))
    if (ours := prompts // (devices * steps * parts) * group) != rows:
        notes.append(
            f"a minibatch is whole groups, {ours} rows on a device; a micro-batch of TRL is {rows}. That takes other "
            "memory and makes no other gradient"
        )
    return Sizes(prompts, steps * parts, parts, passes, tuple(notes))
