"""The calculator: exact, and nothing but arithmetic; and its short calls."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from rlframework.environments import Toolbox
from rlframework.environments.tool_error import ToolError
from rlframework.tasks.calculator import MOST_CHARACTERS, LineCalls, calculate
from rlframework.turns import Turn


def test_it_calculates_as_python_does_with_integers() -> None:
    random = Random(0)
    for _ in range(200):
        a, b, c = (random.randint(0, 9999) for _ in range(3))
        first, second = random.choice("+-*"), random.choice("+-*")
        text = random.choice(["{} {} {} {} {}", "({} {} {}) {} {}", "{} {} ({} {} {})", "-{}{}{}{}{}"])
        expression = text.format(a, first, b, second, c)
        assert calculate(expression) == str(eval(expression))


def test_it_is_exact() -> None:
    assert calculate("1 / 3 + 1 / 6") == "1/2"
    assert calculate("0.1 + 0.2") == "3/10"
    assert calculate("9007199254740993.0 * 1") == "9007199254740993"
    assert calculate(" 6 / 3 ") == "2"
    assert calculate("7.5 / .5 - 5.") == "10"


@pytest.mark.parametrize(
    "expression",
    [
        *["", " ", "()", "+", "1 +", "1 2", "(1", "1)", "1\n+ 2", "007", "2 ** 3", "2 // 3", "5 % 2", "1, 2", "1,200"],
        *["x", "1e3", "1_000", "0x10", "1j", "True", "__import__('os')", "(3)(4)", "3(4)", "1 if 1 else 2", "12 = 12"],
        *["(1).real", "1..", "\u0661 + 1", "2 \u00d7 3", "[1]", "'1'", "(" * 200, "(" * 99 + "1", "1;2", "\x00"],
    ],
)
def test_anything_else_is_told(expression: str) -> None:
    with pytest.raises(ToolError, match="no arithmetic"):
        calculate(expression)


def test_division_by_zero_and_endless_expressions_are_told() -> None:
    with pytest.raises(ToolError, match="divides by zero"):
        calculate("1 / (2 - 2)")
    with pytest.raises(ToolError, match="201 characters, and may have 200"):
        calculate("1" * 201)


def test_the_longest_expressions_are_calculated() -> None:
    assert calculate("-" * 199 + "1") == "-1"
    assert calculate("(" * 99 + "7" + ")" * 99) == "7"
    assert len(calculate("9" * 99 + "*" + "9" * 100)) == 199
    assert MOST_CHARACTERS == 200


def said(text: str) -> list[str]:
    """What a toolbox with the calculator says of a turn."""
    episode = Toolbox([calculate], calls=LineCalls()).start({}, np.random.default_rng(0))
    observation = episode.step(Turn(0, 1, "policy", text, LineCalls().calls(text)))
    return [] if observation is None else list(observation.texts)


def test_calls_stand_on_a_line() -> None:
    assert said("calculate((412 - 96) * 37)") == ["11692"]
    assert said(" calculate(1 + 1) \nThen I\ncalculate(2*3)") == ["2", "6"]
    assert said("I calculate(1 + 1)") == []
    assert said("calculate 1 + 1") == []
    assert said("\\boxed{42}") == []


def test_mistakes_in_a_call_are_told() -> None:
    assert said("calculate((412 - 96 * 37") == ["Error: the call has no ) at its end."]
    assert said("calculate(twelve)") == ["Error: this is no arithmetic; use numbers, + - * / and parentheses"]
    assert said("calculate(1 + 1) is 2") == ["Error: the call has no ) at its end."]
