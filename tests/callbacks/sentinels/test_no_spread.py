"""Groups of equal rewards, which teach nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rlframework.callbacks.sentinels import NoSpread
from rlframework.rewards import RowReward
from tests.callbacks.sentinels.provoked import OfPrompt, said


class Constant(RowReward):
    def score_row(self, completion) -> float:
        return 0.5


def test_it_sees_groups_without_spread_that_are_not_solved(grpo: Callable, fit: Callable) -> None:
    sentinel, algorithm = NoSpread(), grpo(reward=OfPrompt(), prompts_per_rollout=8)
    (line,) = said(sentinel, lambda: fit(algorithm, prompts=96, callbacks=[sentinel]))
    assert "since step 11: 88% of the groups have equal rewards, and not the best ones" in line
    assert "(limit 80%)" in line


@pytest.mark.parametrize(("action", "steps"), [("warn", 16), ("stop", 11)])
def test_where_no_group_has_spread_it_leaves_the_word_to_the_run(
    action: str, steps: int, grpo: Callable, fit: Callable
) -> None:
    class First(Constant):
        """Pays 1 once, so that the rest is not the best there is."""

        rows = 0

        def score_row(self, completion) -> float:
            self.rows += 1
            return 1.0 if self.rows == 1 else 0.5

    sentinel, algorithm = NoSpread(action=action), grpo(reward=First())
    lines = said(sentinel, lambda: fit(algorithm, prompts=64, callbacks=[sentinel]))
    assert len(lines) == (action == "stop")
    assert algorithm.trainer.global_step == steps


def test_solved_groups_do_not_count(grpo: Callable, fit: Callable) -> None:
    class Solved(OfPrompt):
        def score(self, completions):
            return 1 - super().score(completions)

    sentinel = NoSpread()
    assert not said(
        sentinel, lambda: fit(grpo(reward=Solved(), prompts_per_rollout=8), prompts=96, callbacks=[sentinel])
    )
