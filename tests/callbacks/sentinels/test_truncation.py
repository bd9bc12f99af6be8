"""Completions that the budget cuts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rlframework.callbacks.sentinels import Truncation
from rlframework.samplers import BatchedSampler
from tests.callbacks.sentinels.provoked import said


def test_it_sees_that_the_budget_cuts_nearly_all(grpo: Callable, fit: Callable) -> None:
    sentinel, algorithm = Truncation(), grpo(sampler=BatchedSampler(group_size=4, max_tokens=2), learning_rate=0.0)
    (line,) = said(sentinel, lambda: fit(algorithm, prompts=96, callbacks=[sentinel]))
    assert "of the completions were cut by the token budget, in each of the last 10 rollouts (limit 50%)" in line


def test_it_is_quiet_while_the_share_falls_and_below_the_limit() -> None:
    sentinel = Truncation()
    falling = [0.99 - 0.01 * step for step in range(40)]
    assert not any(sentinel.look({"train/truncated": share}) for share in [*falling, 0.4, *[0.9] * 9])
    assert sentinel.look({"train/truncated": 0.9})


@pytest.mark.parametrize(("limit", "rollouts"), [(0.0, 10), (1.5, 10), (0.5, 1)])
def test_numbers_out_of_range_are_refused(limit: float, rollouts: int) -> None:
    with pytest.raises(ValueError, match=f"limit={limit} and rollouts={rollouts}"):
        Truncation(limit, rollouts)
