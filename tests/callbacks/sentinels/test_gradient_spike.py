"""A gradient many times as large as those before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rlframework import DrGRPO
from rlframework.callbacks.sentinels import GradientSpike
from tests.callbacks.sentinels.provoked import Vowels, said


class OutOfRange(Vowels):
    """Pays a hundred times as much in the 13th rollout."""

    rows = 0

    def score_row(self, completion) -> float:
        self.rows += 1
        return super().score_row(completion) * (100 if 12 * 16 < self.rows <= 13 * 16 else 1)


def test_it_sees_the_step_of_a_reward_out_of_range(grpo: Callable, fit: Callable) -> None:
    sentinel, algorithm = GradientSpike(steps=20), grpo(kind=DrGRPO, reward=OutOfRange(), learning_rate=1e-4)
    (line,) = said(sentinel, lambda: fit(algorithm, prompts=80, callbacks=[sentinel]))
    assert line.startswith("GradientSpike, since step 13: the gradient norm is")
    assert "times the 90th percentile of the last 12 steps" in line


@pytest.mark.parametrize(("factor", "steps"), [(1.0, 50), (5.0, 3)])
def test_numbers_out_of_range_are_refused(factor: float, steps: int) -> None:
    with pytest.raises(ValueError, match=f"factor={factor} and steps={steps}"):
        GradientSpike(factor, steps)
