"""Equations and boxes read strictly, the three rewards on them, and what the proof kit and the report say of them."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import pytest

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.report import reward_report
from rlframework.reward_report.equation_layouts import OneBox, OneEquation
from rlframework.rewards import EquationLayout, EquationSetup, RightEquation
from rlframework.rewards.math.equation import MAX_EQUATION_CHARACTERS, read_equation
from rlframework.testing import check_reward

READ = [
    ("17 + 25 = 42", 42, 42),
    ("17+25=42", 42, 42),
    (" 17 + 25 = 42.\n", 42, 42),
    ("17 + 25 = 32", 42, 32),
    ("20 - 3 * 4 = 8", 8, 8),
    ("12 / 5 / 2 = 1.2", Fraction(6, 5), Fraction(6, 5)),
    ("3 \u00d7 4 = 12", 12, 12),
    ("12 \u00f7 4 = 3", 3, 3),
    ("7 \u2212 9 = \u22122", -2, -2),
    ("-7 + 9 = +2", 2, 2),
    ("1,250 + 0.5 = 1,250.50", Fraction(2501, 2), Fraction(2501, 2)),
    (r"\boxed{42}", None, 42),
    ("\\boxed{\u22125}", None, -5),
    (r"25 - 17 = \boxed{42}", 8, 42),
    (r"$17 + 25 = \boxed{42}$.", 42, 42),
    ("1 / 2 = .5", Fraction(1, 2), Fraction(1, 2)),
    (".5 + .5 = 1", 1, 1),
    (r"17 + 25 = 42, so $\boxed{42}$.", None, 42),
    ("First 17.\nThen \\boxed{ -4.50 }\n", None, Fraction(-9, 2)),
]

NOT_READ = [
    "", " ", "42", "= 42", "42 = 42", "17 + 25", "17 + 25 =", "17 + = 42", "17 + 25 = 42 apples", "It is 17 + 25 = 42",
    "not 17 + 25 = 42", "17 + 25 = 42 or 43", "17 + 25 = 42 = 43", "17 + 25 = 40 + 2", "17 + 25 = 42, 43",
    "17 + 25 = 42\n17 + 25 = 43", "17 + 25 = 42%", "17 + 25 = 4_2", "17 + 25 = 42e3", "17 + 25 = 4,2", "17 + 25 = 042x",
    "0,042 + 0 = 42", "42 + 0,000 = 42", "042,000 - 41,958 = 42", r"1 / 0 = \boxed{3}",
    "1,7 + 25 = 42", "17 plus 25 = 42", "x + 25 = 42", "3(14) = 42", "3 x 14 = 42", "2 ** 3 = 8", "2 ^ 3 = 8",
    "4! = 24", "(17 + 25) = 42", "17 + 25 = 42..", "17 + 25 = 42?",
    "1 / 0 = 1", "1 + nan = 2", "1 + inf = 2", "٣ + ٤ = ٧",
    r"\boxed{}", r"\boxed{4} \boxed{2}", r"\boxed{42} or 43", r"\boxed{42}\nNo.", r"\boxed{42 or 43}", r"\boxed{42",
    r"\boxed 42", r"\boxed{\boxed{42}}", r"\boxed{42\%}", r"\boxed{17 + 25 = 42}", r"\fbox{42}", r"\boxed{nan}",
]  # fmt: skip


@pytest.mark.parametrize(("text", "setup", "answer"), READ)
def test_it_reads(text: str, setup: Any, answer: Any) -> None:
    assert read_equation(text) == (setup, answer)


@pytest.mark.parametrize("text", NOT_READ)
def test_it_does_not_read(text: str) -> None:
    assert read_equation(text) is None


@pytest.mark.parametrize(
    "text",
    ["1 + " * 100_000 + "1 = 2", "1" * 100_000, "1 + 1 = " + "9" * 100_000, " " * 100_000, "\\boxed{" * 30_000,
     "9" * 90 + "*" + "9" * 90 + " = 1", "1,111" * 50_000, "\\boxed{" + "9" * 100_000 + "}"],
)  # fmt: skip
def test_long_texts_are_read_at_once(text: str) -> None:
    started = time.process_time()
    read_equation(text)
    assert time.process_time() - started < 0.5


def test_an_equation_may_be_as_long_as_it_says() -> None:
    text = "1 + 1 = 2"
    assert read_equation(text.replace(" ", " " * ((MAX_EQUATION_CHARACTERS - 5) // 4))) is not None
    assert read_equation(text.replace(" ", " " * MAX_EQUATION_CHARACTERS)) is None


def completions(*texts: str, answer: Any = "42", stop_reason: Any = "stop") -> Completions:
    prompt = Prompt([1], "?", {"answer": answer})
    return Completions([Completion(prompt, [2], text, stop_reason) for text in texts], len(texts))


# right, setup, layout
LADDER = [
    ("17 + 25 = 42", (1, 1, 1)),
    ("17 + 25 = 32", (0, 1, 1)),
    ("25 - 17 = 8", (0, 0, 1)),
    ("25 - 17 = 42", (0, 0, 1)),
    ("Tom has 42.", (0, 0, 0)),
    (r"\boxed{42}", (1, 0, 1)),
    (r"\boxed{32}", (0, 0, 1)),
]
REWARDS = (RightEquation(), EquationSetup(), EquationLayout())


@pytest.mark.parametrize(("text", "expected"), LADDER)
def test_what_each_component_pays(text: str, expected: tuple[int, ...]) -> None:
    assert tuple(reward.evaluate(completions(text)).total.item() for reward in REWARDS) == expected


@pytest.mark.parametrize("answer", [42, 42.0, "42", " 42.00 "])
def test_numbers_and_texts_are_expected_alike(answer: Any) -> None:
    assert RightEquation().evaluate(completions("17 + 25 = 42", answer=answer)).total.item() == 1


@pytest.mark.parametrize("reward", REWARDS, ids=lambda reward: reward.name)
def test_a_cut_completion_says_nothing(reward: Any) -> None:
    assert reward.evaluate(completions("17 + 25 = 42", stop_reason="length")).total.item() == 0


@pytest.mark.parametrize("answer", ["blue", "", "1/2", float("nan")])
def test_an_answer_that_is_no_number_cannot_be_checked(answer: Any) -> None:
    judged = RightEquation().evaluate(completions("17 + 25 = 42", answer=answer)).judgements["right"]
    assert (judged.scores.isnan() & judged.unverifiable_flags & ~judged.error_flags).all()


def test_the_kit_finds_nothing_to_say() -> None:
    row = {"prompt": "17 + 25?", "answer": "42"}
    total = RightEquation() + 0.5 * EquationSetup() + 0.2 * EquationLayout()
    cases = [(text, row, right + 0.5 * setup + 0.2 * layout) for text, (right, setup, layout) in LADDER]
    cases += [(text, row, 0.0) for text in NOT_READ if "boxed" in text]
    assert check_reward(total, cases).ok


ROWS = [{"prompt": f"{a} and {b}?", "answer": str(a + b)} for a, b in [(17, 25), (3, -9), (1000, 250), (0, 0), (2, 98)]]


@pytest.mark.parametrize("layout", [OneEquation(), OneBox()], ids=["equation", "box"])
def test_the_report_finds_no_wrong_answer_paid_and_no_right_one_refused(layout: Any) -> None:
    report = reward_report(RightEquation(), ROWS, template=layout)
    assert (report.false_accepts, report.false_refusals) == (0, 0)
    assert report["gold"].accepted == len(ROWS)
    assert report["cut by the budget"].refused == len(ROWS)
