"""The punishment of long completions, by hand."""

from __future__ import annotations

import pytest

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import SoftOverlong


def completions(*lengths: int) -> Completions:
    prompt = Prompt([1], "?")
    return Completions([Completion(prompt, [2] * n, "x" * 99, "stop") for n in lengths], len(lengths))


def test_it_grows_over_the_margin_and_stays_beyond_the_budget() -> None:
    # max_tokens - margin = 12: 0 up to there, then (12 - n) / 8, then -1.
    scores = SoftOverlong(max_tokens=20, margin=8).score(completions(0, 1, 12, 13, 16, 19, 20, 21, 500))
    assert scores.tolist() == [[0.0, 0.0, 0.0, -0.125, -0.5, -0.875, -1.0, -1.0, -1.0]]


def test_a_margin_of_the_whole_budget_punishes_every_token() -> None:
    assert SoftOverlong(4, 4).score(completions(0, 1, 2, 4)).tolist() == [[0.0, -0.25, -0.5, -1.0]]


def test_it_is_a_reward_like_any_other() -> None:
    total = (0.5 * SoftOverlong(4, 4, name="brevity")).evaluate(completions(2, 4))
    assert total.total.tolist() == [[-0.25, -0.5]]
    assert total.components["brevity"].tolist() == [[-0.5, -1.0]]
    assert SoftOverlong(4, 4).name == "soft_overlong"


@pytest.mark.parametrize("margin", [0, -1, 21])
def test_a_margin_outside_of_the_budget_is_refused(margin: int) -> None:
    with pytest.raises(ValueError, match=f"got margin={margin} and max_tokens=20"):
        SoftOverlong(max_tokens=20, margin=margin)
