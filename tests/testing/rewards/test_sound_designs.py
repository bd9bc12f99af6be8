"""The kit lets pass what is unusual and right: rewards that compare, abstain, wait, or work in other processes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from rlframework.rewards import CorrectAnswer, ExactFormat, FunctionReward, NumberCheck
from rlframework.testing.report import CheckStatus
from rlframework.testing.rewards import check_reward
from tests.testing.rewards.reward_designs import CASES, AbstainsOnWords, Shortest, like_trl, pooled, verified, waits

FAST = ["failures", "length", "dtype", "mutation", "order_independence", "batch_independence", "thread_safety"]
WORDS = [("<end_working_out><SOLUTION>blue</SOLUTION>", {"prompt": "Sky?", "answer": "blue"}, "abstain")]


def test_a_pool_of_processes_passes_everything() -> None:
    report = check_reward(FunctionReward(pooled, workers=1), CASES)
    assert {finding.verdict for finding in report.findings} == {CheckStatus.PASSED}


def test_rows_of_a_group_may_be_compared_if_it_is_said() -> None:
    assert check_reward(Shortest, [case[:2] for case in CASES], compares_rows=True, only=FAST).ok


@pytest.mark.parametrize(
    ("reward", "cases"),
    [
        pytest.param(AbstainsOnWords(), [*CASES, *WORDS], id="abstains"),
        pytest.param(waits, CASES, id="async"),
        pytest.param(like_trl, CASES, id="as TRL calls it"),
        pytest.param(verified, CASES, id="by verdict"),
        pytest.param(CorrectAnswer() * ExactFormat(score=1.0), CASES, id="product"),
        pytest.param(CorrectAnswer() + 0.1 * NumberCheck() + 0.1 * ExactFormat(), CASES, id="sum"),
    ],
)
def test_it_passes_what_needs_no_other_process(reward: Any, cases: Any) -> None:
    assert check_reward(reward, cases, only=[*FAST, "abstention", "expectations"], accept_above=0.7).ok


def test_a_function_of_a_notebook_goes_to_another_process_as_its_code() -> None:
    unit = 1.0

    def local(completion: str, answer: str) -> float:
        return unit * (f"<SOLUTION>{answer}<" in completion)

    report = check_reward(local, CASES, only=["determinism", "process_safety"])
    assert report["process_safety"].verdict is CheckStatus.STATED
    assert "as a copy of its code (no module has it at its top)" in report["process_safety"].finding
    assert report["determinism"].finding == "the same three times, and in a fresh process"


@pytest.mark.parametrize("deep", [False, True])
def test_what_cannot_be_sent_away_is_timed_here(deep: bool) -> None:
    held = (number for number in range(3))

    def local(parsed: str | None, answer: str) -> float:
        if deep and held and parsed is not None and parsed.startswith("[["):
            json.loads(parsed)
        return float(parsed == answer)

    report = check_reward(local, CASES, only=["determinism", "process_safety", "time_limit"], raise_on_failure=False)
    assert report.failed == (["process_safety", "time_limit"] if deep else ["process_safety"])
    assert "generator" in report["process_safety"].finding
    assert "not tried in a fresh process" in report["determinism"].finding
    if deep:
        assert "hostile text 'deep lists' made it fail: local: RecursionError" in report["time_limit"].finding


def test_a_hang_here_ends_the_check() -> None:
    held = (number for number in range(3))

    def local(completion: str) -> float:
        time.sleep(3.0 if completion == CASES[1][0] and held else 0.0)
        return 0.0

    report = check_reward(local, CASES, only="time_limit", limit_s=0.05, raise_on_failure=False)
    assert "case 1 had no score after 1.1 s; the limit is 0.05 s" in report["time_limit"].finding
