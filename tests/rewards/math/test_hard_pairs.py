"""Pairs that were once judged wrongly, or made the grader raise, or kept it busy for seconds."""

import time

import pytest

from rlframework.rewards.math import grade_answer

WRONG = {
    "letters of a product are no words": [("PQ", "pq"), ("aB", "ab"), ("XY", "xy"), ("DEF", "def")],
    "values without their names": [("2,1", "x=1, y=2"), ("1,2", "x=1, y=2"), ("x=2, y=1", "x=1, y=2")],
    "a number is no set": [(r"x \in 18", "18"), ("[18]", "18"), (r"\{18\}", "18")],
    "words that change a number": [("18 minuses", "18"), ("18 mills", "18"), (r"\text{not} = 18", "18")],
    "letters are no numbers of cases": [("x_a=2, x_b=3", "x=2, x=3"), ("x_m=2, x_n=3", "x=2, x=3")],
    "digits under and behind a line": [(r"\overline{12}5", "125"), (r"\overline{4}2", "42")],
    "no logarithm to base 0": [(r"\log_0 2", "0")],
    "intervals": [("2<x<5", "(2,5)"), ("[2,5]", "2<x<5"), (r"x \in [2,5]", "2<x<5"), ("(2,6)", r"x \in (2,5)")],
    "the letter R": [("R", r"\mathbb{R}"), (r"\mathbb{Z}", r"(-\infty,\infty)")],
    "a small term beside a factorial": [("n!+10^{-200}", "n!"), ("n!+10^{-400}", "n!")],
    "the letter e": [("2e-1", "0.2"), ("1e3e3", "1000"), ("1e9999", "1"), ("1e-3", "1000")],
}
RIGHT = {
    "intervals": [("(2,5)", "2<x<5"), (r"x \in (2,5)", "2<x<5"), ("2<x<5", r"x \in (2,5)")],
    "all numbers": [(r"\mathbb{R}", r"(-\infty,\infty)"), ("ℝ", "all real numbers")],
    "scientific": [("1e3", "1000"), ("6.72e-5", ".0000672"), ("3E8", r"3 \times 10^8")],
    "binomials": [(r"\dbinom{10}{3}", "120"), (r"{10 \choose 3}", "120"), (r"\frac{10!}{3!7!}", "120")],
    "many binomials": [("+".join(rf"\binom{{9}}{{{k}}}" for k in range(10)), "512")],
    "labels": [(r"\text{Area} = 144", "144"), ("So the answer is 18.", "18"), (r"\text{The answer is } 18", "18")],
    "words": [("june 20", r"\text{June 20}"), ("an ellipse", r"\text{ellipse}"), ("NO", "no")],
    "letters": [(r"(\text{D})", r"\text{(D)}")],
    "matrices": [(r"\frac15\begin{pmatrix} 1 \\ -18 \end{pmatrix}", r"\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix}")],
    "bases": [(r"{52}_8", "52_8")],
    "units": [("18 dollars a day", "18"), (r"18 \text{ (dollars)}", "18"), ("28 per cent", r"28\%")],
}
RAISED = ["3000!!", "(10^{5000})!", "for", "nor", "xor", r"\sin(1,2)", "(-1)!", r"\log(1,2,3)"]
BUSY = [
    "n^2" + "".join(rf"+0\binom{{n^{{0.5}}}}{{n/{k}}}" for k in range(2, 6)),
    "n^2" + "".join(rf"+0(n+\frac{{i}}{{{k}}})!" for k in range(2, 6)),
    "n^2" + "".join(rf"+0\tan(n^{{0.{k}}})" for k in range(1, 40)),
    ", ".join(["n^2"] + [rf"{k}n+0\binom{{n}}{{n/2}}" for k in range(2, 12)]),
]


@pytest.mark.parametrize("category", WRONG)
def test_is_refused(category: str) -> None:
    assert [pair for pair in WRONG[category] if grade_answer(*pair) not in ("incorrect", "malformed")] == []


@pytest.mark.parametrize("category", RIGHT)
def test_is_accepted(category: str) -> None:
    assert [pair for pair in RIGHT[category] if grade_answer(*pair) != "correct"] == []


@pytest.mark.parametrize("text", RAISED)
def test_does_not_raise(text: str) -> None:
    for other in ("18", r"\sqrt{2}", "x^2+1", "(1,2)", "5 cm"):
        assert grade_answer(text, other) in ("incorrect", "malformed")
        assert grade_answer(other, text) in ("incorrect", "malformed", "gold_unverifiable")


@pytest.mark.parametrize("answer", BUSY)
def test_is_judged_in_time(answer: str) -> None:
    for gold in ("n^2", ", ".join(["n^2"] + [f"{k}n" for k in range(2, 12)])):
        started = time.perf_counter()
        grade_answer(answer, gold)
        assert time.perf_counter() - started < 4
