"""The kit catches every planted fault by the check whose name says what is wrong, and says so in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlframework.completions import Completion
from rlframework.prompt import Prompt
from rlframework.rewards import CorrectAnswer, NumberCheck, RowReward
from rlframework.testing import CheckError, check_reward
from rlframework.testing.report import CheckStatus
from rlframework.testing.rewards.cases import as_cases, in_groups, shortened
from rlframework.testing.rewards.checks import CHECKS
from tests.testing.rewards.reward_designs import CASES, FOUR
from tests.testing.rewards.reward_faults import OPTIONS, PLANTED


@pytest.mark.parametrize("reward", PLANTED, ids=lambda reward: reward.__name__)
def test_it_is_caught_by_the_check_of_its_name(reward: Any) -> None:
    name = PLANTED[reward]
    made = reward() if isinstance(reward, type) else reward
    report = check_reward(made, CASES, only=name, raise_on_failure=False, **OPTIONS[reward])
    assert report.failed == [name]
    # By what the check looks for, not by an accident on the way.
    assert not report[name].finding.startswith("it raised")
    assert report[name].remedy


def test_every_check_has_a_fault_that_it_has_to_catch() -> None:
    assert set(PLANTED.values()) == set(CHECKS)


def test_a_failure_is_told_with_the_text_and_the_place() -> None:
    finding = check_reward(LooksUp, CASES, only="failures", raise_on_failure=False)["failures"]
    assert "KeyError: 'Two'" in finding.finding
    assert Path(__file__).name in finding.finding
    assert "'Two and two." in finding.finding


class LooksUp(RowReward):
    def score_row(self, completion: Completion) -> float:
        return {"It": 0.0}[completion.text.split()[0]]


def test_it_raises_with_the_whole_report() -> None:
    with pytest.raises(CheckError, match="correct_answer fails: expectations") as raised:
        check_reward(CorrectAnswer(), [("5", {"answer": "4"}, 1.0)], only=["dtype", "expectations"])
    printed = str(raised.value)
    assert "'5' should get 1 and gets 0 (1 of 1 expectations are not met)" in printed
    assert "passed  dtype" in printed
    assert raised.value.report.subject == "correct_answer"


@pytest.mark.parametrize(
    ("expected", "met"),
    [("accept", True), ("refuse", False), (3.5, True), (3.4, False), ("abstain", False)],
)
def test_expectations(expected: Any, met: bool) -> None:
    cases = [("<SOLUTION>4</SOLUTION>", FOUR, expected), ("4", {"answer": "blue"}, "abstain")]
    report = check_reward(NumberCheck(), cases, only="expectations", accept_above=0.0, raise_on_failure=False)
    assert report.ok is met


@pytest.mark.parametrize(
    ("cases", "error", "words"),
    [
        ([], ValueError, "no cases"),
        ([("4", FOUR, "maybe")], ValueError, "case 0 expects 'maybe'; choose one of accept, refuse, abstain"),
        ([("4", FOUR), ("4",)], TypeError, "case 1"),
        ([(4, FOUR)], TypeError, "a str or Completion first"),
    ],
)
def test_wrong_cases_are_refused(cases: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check_reward(CorrectAnswer(), cases)


def test_what_is_no_reward_or_no_check_is_refused() -> None:
    with pytest.raises(TypeError, match="int is no RewardModel"):
        check_reward(int, CASES)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="a plain function; got 'CorrectAnswer'"):
        check_reward("CorrectAnswer", CASES)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no check speed; the checks are failures, length"):
        check_reward(CorrectAnswer(), CASES, only="speed")


def test_groups_hold_every_case_once_with_its_prompt_and_are_filled_up() -> None:
    completions, places = in_groups(as_cases(CASES), group_size=4)
    assert (completions.num_groups, completions.group_size) == (2, 4)
    assert [completions.rows[place].text for place in places] == [case[0] for case in CASES]
    assert [completions.rows[place].prompt.row for place in places] == [case[1] for case in CASES]
    assert all(len({row.prompt.text for row in group}) == 1 for group in completions.groups())


def test_a_completion_keeps_its_ids_and_its_stop_reason() -> None:
    cut = Completion(Prompt([1], "2 + 2?"), [5, 6], CASES[0][0], "length")
    (case,) = as_cases([(cut, FOUR)])
    assert (case.completion.ids, case.completion.truncated) == ([5, 6], True)
    assert case.completion.prompt.row == FOUR
    assert check_reward(CorrectAnswer(), [(cut, FOUR, "refuse")], only="expectations").ok
    own = Completion(Prompt([1], "?", FOUR), [5], CASES[0][0], "stop")
    assert as_cases([(own, {})])[0].completion is own


def test_a_sum_is_checked_component_by_component() -> None:
    report = check_reward(CorrectAnswer() + 0.5 * NumberCheck(), CASES, only=["abstention"])
    assert report.subject == "correct_answer + 0.5 * number_check"
    assert report["abstention"].verdict is CheckStatus.PASSED


def test_long_and_unprintable_texts_are_shown_short() -> None:
    assert shortened("a\0b") == "'a\\x00b'"
    assert shortened("x" * 1000).endswith("(1,000 characters)")
