"""The measure that looks for an answer anywhere, and what it shares with the reward."""

from __future__ import annotations

import pytest

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import LenientMathCheck, MathCheck


def score(text: str, gold: str, stop_reason: str = "stop", kind: type[MathCheck] = LenientMathCheck) -> float:
    row = Completion(Prompt([1], "?", {"answer": gold}), [2], text, stop_reason)
    return kind().evaluate(Completions([row], 1)).total.item()


@pytest.mark.parametrize(
    ("text", "gold", "right"),
    [
        ("3 + 4 is 7<end_working_out><SOLUTION>7</SOLUTION>", "7", 1.0),
        ("3 + 4 is 7<end_working_out><SOLUTION>8</SOLUTION>", "7", 0.0),  # the layout's answer counts, not another
        (r"Hence \boxed{\frac{1}{2}}, not 3.", "0.5", 1.0),
        (r"Hence \boxed{8}, not 7", "7", 0.0),
        ("He has 3 + 4 = 7 apples left.", "7", 1.0),
        ("7, or rather 8", "7", 0.0),
        ("It costs 2,125.", "2125", 1.0),
        ("So -3/4", "-0.75", 1.0),
        ("No idea.", "7", 0.0),
        ("", "7", 0.0),
        (r"\boxed{<SOLUTION>7}", "7", 0.0),
    ],
)
def test_where_the_answer_is_read(text: str, gold: str, right: float) -> None:
    assert score(text, gold) == right


def test_a_completion_that_was_cut_has_no_answer() -> None:
    assert score("So far 7", "7", "length") == 0.0


def test_the_reward_itself_asks_for_the_layout() -> None:
    assert score("He has 7", "7", kind=MathCheck) == 0.0
