"""Rewards differ and nothing is learned."""

from __future__ import annotations

from collections.abc import Callable

from rlframework.callbacks.sentinels import ZeroGradient
from rlframework.samplers import BatchedSampler
from tests.callbacks.sentinels.provoked import Vowels, said


def test_it_sees_that_every_row_is_left_out(grpo: Callable, fit: Callable) -> None:
    """A budget of one token cuts all but the few that end at once."""
    sentinel, sampler = ZeroGradient(), BatchedSampler(group_size=4, max_tokens=1)
    algorithm = grpo(reward=Vowels(), sampler=sampler, mask_truncated=True, passes_per_rollout=2)
    (line,) = said(sentinel, lambda: fit(algorithm, callbacks=[sentinel], max_steps=10, max_epochs=9))
    assert "the gradient was 0 in every step on the last 3 rollouts" in line


def test_it_is_quiet_where_one_step_of_a_rollout_learns() -> None:
    sentinel = ZeroGradient(rollouts=2)
    steps = [({"groups with spread": 0.5} if n % 3 == 0 else {}) | {"train/grad_norm": float(n % 3)} for n in range(20)]
    assert not any(sentinel.look(step) for step in steps)
    without_spread = [{"groups with spread": 0.0, "train/grad_norm": 0.0}] * 9
    assert not any(sentinel.look(step) for step in without_spread)
