"""The kit catches every planted fault by the check whose name says what is wrong, and passes healthy environments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from rlframework.environments import Environment, Episode, Observation, StepEnvironment
from rlframework.environments.calls import CallFormat
from rlframework.testing import CheckError, check_environment, letter_tokenizer
from rlframework.testing.environments.checks import CHECKS
from rlframework.testing.report import CheckStatus
from rlframework.turns import Call, Turn
from tests.testing.environments.environment_faults import (
    OPTIONS,
    PLANTED,
    Game,
    Guessing,
    Hangs,
    KnowsFewRows,
    TellsAtOnce,
)

ROWS = [{"answer": secret, "lives": 5000} for secret in (4, 7, 11)]
TURNS = ["4", "seven", "7", "11", "8"]


@pytest.mark.parametrize("environment", PLANTED, ids=lambda environment: environment.__name__)
def test_it_is_caught_by_the_check_of_its_name(environment: type[Environment]) -> None:
    name = PLANTED[environment]
    report = check_environment(environment(), ROWS, TURNS, only=name, raise_on_failure=False, **OPTIONS[environment])
    assert report.failed == [name]
    # By what the check looks for, not by an accident on the way.
    assert not report[name].finding.startswith("it raised")
    assert report[name].remedy


def test_every_check_has_a_fault_that_it_has_to_catch() -> None:
    assert set(PLANTED.values()) == set(CHECKS)


def test_a_start_that_raises_is_told_of_rows_and_not_of_turns() -> None:
    report = check_environment(KnowsFewRows(), ROWS, TURNS, only="failures", raise_on_failure=False)
    assert re.match(r"start\(\{.*\}.*\) raised KeyError: 'solution'", report["failures"].finding)
    assert "every row of the data" in report["failures"].remedy


class Dice(Guessing):
    """What happens on the way is drawn from luck."""

    def step(self, turn: Turn) -> Observation | None:
        return Observation(f"You roll {self.luck.integers(2**40)}.", reward=0.1)


class Rolling(Game):
    Playing = Dice


class Answers(CallFormat):
    """A call is a word and a key on a line."""

    def calls(self, text: str) -> list[Call]:
        parts = [line.split() for line in text.splitlines()]
        return [Call(part[0], {"key": part[1]}) for part in parts if len(part) == 2]


class Tools(Environment):
    """As a tool box: every call of a turn gets a text, a turn without one ends the episode."""

    calls = Answers()

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        class Looking(Episode):
            def step(self, turn: Turn) -> Observation | None:
                if not turn.calls:
                    return None
                return Observation([str(row["table"].get(call.arguments["key"], "none")) for call in turn.calls])

        return Looking()


class Counting:
    """A simulator of the five values, with nothing more than it needs."""

    def reset(self, seed: int | None = None) -> tuple[str, dict[str, Any]]:
        self.left = seed
        return f"{seed} left", {}

    def step(self, action: int) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self.left -= action
        return f"{self.left} left", 1.0, self.left <= 0, False, {}


TABLES = [{"answer": gold, "table": {"a": "b", "b": gold}} for gold in ("3", "5")]


@pytest.mark.parametrize(
    ("environment", "rows", "turns"),
    [
        pytest.param(Game(), ROWS, TURNS, id="game"),
        pytest.param(Rolling(), ROWS, TURNS, id="luck"),
        pytest.param(Tools(), TABLES, ["look a", "look a\nlook b", "It is 3"], id="tools"),
        pytest.param(StepEnvironment(Counting, int), [{"seed": 3}, {"seed": 5}], ["1", "2", "none"], id="simulator"),
    ],
)
def test_it_passes_healthy_environments(environment: Environment, rows: Any, turns: Any) -> None:
    report = check_environment(environment, rows, turns, episodes=100, limit_s=60.0)
    assert {finding.verdict for finding in report.findings} == {CheckStatus.PASSED}


def test_it_says_what_luck_changes_and_where_the_gold_stands() -> None:
    assert (
        "with other luck 15 of them differ"
        in check_environment(Rolling(), ROWS, TURNS, only="determinism")["determinism"].finding
    )
    finding = check_environment(Tools(), TABLES, ["look b"], only="gold")["gold"].finding
    assert finding == "the answer to 'look b' (2 of 2 rows) holds it; a policy is paid for asking so"


def test_calls_that_depend_on_the_tokenizer() -> None:
    class OfChat(Answers):
        def fitted(self, tokenizer: Any, tools: Any) -> CallFormat:
            return Answers()

        def calls(self, text: str) -> list[Call]:
            raise RuntimeError("not fitted yet")

    class Chats(Tools):
        calls = OfChat()

    assert check_environment(Chats(), TABLES, ["look b"], tokenizer=letter_tokenizer(), only="observations").ok
    report = check_environment(Chats(), TABLES, ["look b"], only="failures", raise_on_failure=False)
    assert "not fitted yet" in report["failures"].finding


def test_pay_behind_the_end_is_stated() -> None:
    class TooSoon(Guessing):
        def step(self, turn: Turn) -> Observation | None:
            self.guesses += 1
            return Observation("Next.", reward=0.5, done=self.guesses == 2)

    class Rounds(Game):
        Playing = TooSoon

    finding = check_environment(Rounds(), ROWS, TURNS, only="done")["done"]
    assert finding.verdict is CheckStatus.STATED
    assert "'Next.' (reward 0.5)" in finding.finding


def test_after_a_step_that_never_ends_no_other_is_begun() -> None:
    report = check_environment(Hangs(), ROWS, TURNS, limit_s=0.01, raise_on_failure=False)
    assert report.failed == list(CHECKS)
    assert "step() did not end on hostile turn 'empty'" in report["failures"].finding


def test_it_raises_with_the_whole_report() -> None:
    with pytest.raises(CheckError, match="TellsAtOnce fails: gold") as raised:
        check_environment(TellsAtOnce(), ROWS, TURNS, only=["size", "gold"])
    assert "passed  size" in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((Game, ROWS, TURNS), TypeError, "pass an object of your subclass"),
        ((Game(), [], TURNS), ValueError, "0 rows and 5 turns"),
        ((Game(), ROWS, "4"), TypeError, "a list of texts"),
        ((Game(), ROWS, [4]), TypeError, "got 4"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check_environment(*arguments)
    with pytest.raises(ValueError, match="no check speed; the checks are time_limit, failures"):
        check_environment(Game(), ROWS, TURNS, only="speed")
