"""Entailment: what follows is paid, and none of the formulas that always follow."""

from __future__ import annotations

from typing import Any

import pytest

from rlframework.rewards.logic import Entailment, EntailmentQuestion, entails, parse_formula
from tests.rewards.logic.rows import verdict, verdicts

CHAIN = {"premises": ["p -> q", "q -> r"]}
DETACH = {"premises": ["p -> q", "p"]}


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        (CHAIN, "p -> r"),
        (CHAIN, "p implies r"),
        (CHAIN, "~p ∨ r"),
        (CHAIN, "~r -> ~p"),
        (CHAIN, "not (p and not r)"),
        (DETACH, "q"),
        (DETACH, "p & q"),
        ({"premises": ["p | q", "~p"]}, "q"),
        ({"premises": ["p -> q", "~q"]}, "~p"),
        ({"premises": ["p <-> q", "q <-> r"]}, "r <-> p"),
        ({"premises": ["p & q & r"]}, "p & r"),
        ({"premises": ["p -> q", "q -> r", "a & b & c"]}, "p -> r"),
    ],
)
def test_conclusions(row: dict[str, Any], answer: str) -> None:
    assert verdict(Entailment(), row, answer) == "correct"


LONG = "a & b & c & d & e & f"
EXPLOITS = [
    ("a premise", CHAIN, "p -> q"),
    ("a premise with other blanks", CHAIN, "  ((p)->(q)) "),
    ("a premise turned round", CHAIN, "~q -> ~p"),
    ("a premise with another operator", CHAIN, "~p | q"),
    ("a premise negated twice", CHAIN, "~~(p -> q)"),
    ("a premise with what changes nothing", CHAIN, "(p -> q) & true"),
    ("a premise with an excluded middle", {"premises": ["p -> q", "q -> r", "a & b & c & d"]}, "(p -> q) & (r | ~r)"),
    ("a premise weakened", {"premises": ["p -> q", "q -> r", "a & b & c"]}, "p -> q | a"),
    ("a premise weakened by a new variable", CHAIN, "q -> r | z"),
    ("half of a conjunction", {"premises": ["p & q", "q -> r"]}, "p"),
    ("all premises joined", CHAIN, "(p -> q) & (q -> r)"),
    ("all premises joined and weakened", CHAIN, "((p -> q) & (q -> r)) | p"),
    ("two short premises joined beside a long one", {"premises": ["p -> q", "q -> r", LONG]}, "(p -> q) & (q -> r)"),
    ("the same weakened", {"premises": ["p -> q", "q -> r", LONG]}, "(p -> q) & (q -> r) | a"),
    ("a new variable that cancels out", CHAIN, "(p -> r) & (z | ~z)"),
    ("a tautology", CHAIN, "p | ~p"),
    ("another tautology", CHAIN, "p -> p"),
    ("a constant", CHAIN, "true"),
    ("a constant as a sign", CHAIN, "⊤"),
    ("a contradiction", CHAIN, "p & ~p"),
    ("false", CHAIN, "false"),
    ("the converse", CHAIN, "r -> p"),
    ("what does not follow", CHAIN, "r"),
    ("an excluded middle of another letter", CHAIN, "z | ~z"),
]


@pytest.mark.parametrize(("row", "answer"), [case[1:] for case in EXPLOITS], ids=[case[0] for case in EXPLOITS])
def test_what_is_not_paid(row: dict[str, Any], answer: str) -> None:
    assert verdict(Entailment(), row, answer) == "incorrect"


@pytest.mark.parametrize(
    "answer",
    [
        "p -> r, p -> q",
        "p -> r; q",
        "p -> r or",
        "p -> r.",
        "therefore p -> r",
        "p ⊢ r",
        "~" * 100 + "p",
        "|".join(f"v{number}" for number in range(17)),
        "p & " * 600 + "p",
        "__import__('os').system('true')",
    ],
)
def test_what_is_no_formula(answer: str) -> None:
    assert verdict(Entailment(), CHAIN, answer) == "malformed"


def test_hedging_by_or_is_weaker_and_judged_as_what_it_says() -> None:
    assert entails([parse_formula(text) for text in DETACH["premises"]], parse_formula("q or ~p"))
    assert verdict(Entailment(), DETACH, "q or ~q") == "incorrect"
    assert verdict(Entailment(), DETACH, "q or p") == "incorrect"  # follows from p alone
    assert verdict(Entailment(), {"premises": ["p | q", "~p"]}, "q or ~q") == "incorrect"


@pytest.mark.parametrize(
    ("premises", "why"),
    [
        ([], "list of formulas"),
        ("p -> q", "list of formulas"),
        (None, "list of formulas"),
        (["p", "~p"], "contradict"),
        (["p & ~p"], "contradict"),
        (["p | ~p", "true"], "tautologies"),
        (["p", "p | q"], "one premise says all"),
        (["p -> q", "~q -> ~p"], "one premise says all"),
        (["p ->"], "no formula"),
        ([1, 2], "no formula"),
        ([" & ".join(f"{letter}{number}" for number in range(9)) for letter in "ab"], "18 variables together"),
    ],
)
def test_premises_that_nothing_can_be_checked_against(premises: Any, why: str) -> None:
    reward = Entailment()
    assert verdict(reward, {"premises": premises}, "q") == "gold_unverifiable"
    with pytest.raises(ValueError, match=why):
        reward.gold(type("Row", (), {"column": lambda self, name: premises})())


def test_looser_settings() -> None:
    assert verdict(Entailment(jointly=False), {"premises": ["p & q", "q -> r"]}, "p") == "correct"
    assert verdict(Entailment(jointly=False), CHAIN, "p -> q") == "incorrect"
    assert verdict(Entailment(max_operands=4), CHAIN, "(p -> q) & (q -> r)") == "correct"
    assert verdict(Entailment(max_operands=1), CHAIN, "p -> r") == "incorrect"


def test_the_question() -> None:
    yes, no = {**CHAIN, "conclusion": "p -> r"}, {**CHAIN, "conclusion": "r -> p"}
    assert verdicts(EntailmentQuestion(), yes, "yes", "Yes.", " YES ", "no") == [*["correct"] * 3, "incorrect"]
    assert verdicts(EntailmentQuestion(), no, "no", "No.", "yes") == ["correct", "correct", "incorrect"]
    junk = ["yes or no", "yes, no", "true", "it follows", "yes yes", "no, it does not", "y", "not no"]
    assert verdicts(EntailmentQuestion(), yes, *junk) == ["malformed"] * len(junk)
    assert verdict(EntailmentQuestion(), {"premises": ["p", "~p"], "conclusion": "z"}, "yes") == "correct"
    assert verdict(EntailmentQuestion(), {**CHAIN, "conclusion": "p -> "}, "yes") == "gold_unverifiable"
    assert verdict(EntailmentQuestion(), {"premises": [], "conclusion": "p"}, "no") == "gold_unverifiable"
