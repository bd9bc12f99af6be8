"""Sizes of TRL as ours: the same steps on the same generations, counted out micro-batch by micro-batch."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import product

import pytest

from rlframework.from_trl.sizes import Sizes, sizes_of

GROUP = 4


def steps_of_trl(rows: int, slices: int, accumulate: int, iterations: int, generations: int) -> list[Counter[int]]:
    """Return the share of each generation in every optimizer step, as GRPOTrainer's `_prepare_inputs` deals them."""
    micro = [step // (slices * iterations) for step in range(generations * slices * iterations)]
    windows = [micro[start : start + accumulate] for start in range(0, len(micro), accumulate)]
    return [shares(window, slices) for window in windows]


def steps_of_ours(sizes: Sizes, prompts: int, generations: int) -> list[Counter[int]]:
    """Return the same of a run here, whose rollouts may hold several of TRL's generations."""
    several = sizes.prompts // prompts
    steps = []
    for rollout in range(generations // several):
        within = [rollout * several + number for number in range(several)]
        steps += [shares(within, 1)] * (sizes.passes * sizes.minibatches // sizes.accumulate)
    return steps


def shares(window: list[int], slices: int) -> Counter[int]:
    return Counter({one: Fraction(count, len(window)) for one, count in Counter(window).items()})


@pytest.mark.parametrize("devices", [1, 2])
def test_an_optimizer_step_sees_the_same_generations(devices: int) -> None:
    seen = Counter()
    for rows, slices, accumulate, iterations in product((4, 8), (1, 2, 4, 8), (1, 2, 4, 8), (1, 2, 3)):
        try:
            sizes = sizes_of(rows, devices, GROUP, slices, accumulate, iterations)
        except ValueError:
            seen["refused"] += 1
            continue
        prompts, generations = rows * devices * slices // GROUP, 24
        assert steps_of_ours(sizes, prompts, generations) == steps_of_trl(
            rows, slices, accumulate, iterations, generations
        )
        assert sizes.prompts % (devices * sizes.minibatches) == 0, "whole groups"
        assert sizes.minibatches % sizes.accumulate == 0
        seen["one rollout, several generations" if sizes.prompts > prompts else "as it is"] += 1
    assert seen["as it is"] > 40
    assert seen["one rollout, several generations"] > 5
    assert seen["refused"] > 3


def test_micro_batches_of_whole_groups_stay_as_they_are() -> None:
    assert sizes_of(8, 1, 8, 4, 4, 1) == Sizes(4, 4, 4, 1)
    assert sizes_of(16, 2, 8, 8, 4, 2) == Sizes(32, 8, 4, 2)


def test_micro_batches_of_parts_of_groups_become_whole_groups_and_it_is_said() -> None:
    sizes = sizes_of(2, 1, 8, 8, 8, 1)
    assert sizes[:4] == (2, 2, 2, 1)
    assert "whole groups, 8 rows" in sizes.notes[0]


def test_what_trl_refuses_is_refused() -> None:
    with pytest.raises(ValueError, match="12 completions, and TRL refuses"):
        sizes_of(4, 1, 8, 3, 3, 1)


def test_a_step_that_takes_parts_of_two_generations_is_refused() -> None:
    with pytest.raises(ValueError, match="cuts through generations of 4 x 1"):
        sizes_of(8, 1, 8, 4, 3, 1)


def test_a_group_that_would_be_cut_by_devices_is_refused_with_a_number() -> None:
    with pytest.raises(ValueError, match="a multiple of 4 prompts"):
        sizes_of(4, 4, 8, 1, 1, 1)
