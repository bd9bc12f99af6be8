"""The proof kit for environments: what every environment has to be, tried on a few rows and turns within seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from rlframework.environments.base import Environment
from rlframework.testing.environments.checks import CHECKS
from rlframework.testing.environments.subject import Subject
from rlframework.testing.report import CheckError, CheckReport
from rlframework.testing.running import chosen_checks, run_check
from rlframework.utilities.errors import described


def check_environment(
    environment: Environment,
    rows: Sequence[Mapping[str, Any]],
    turns: Sequence[str],
    *,
    gold: str = "answer",
    tokenizer: PreTrainedTokenizerBase | None = None,
    limit_s: float = 5.0,
    limit_characters: int = 10_000,
    episodes: int = 1000,
    only: str | Sequence[str] | None = None,
    raise_on_failure: bool = True,
) -> CheckReport:
    """Prove an environment before a policy learns in it: play it as a run may, and in ways that break it.

    Args:
        environment: What is checked.
        rows: Rows of data; some, with different golds.
        turns: What a policy may say, right and wrong: a few texts. Each is said first, and all of them in turn.
        gold: Column of the expected answer, if the rows have one.
        tokenizer: The policy's, for calls that are written as its chat template says (`TemplateCalls`).
        limit_s: Seconds that a step may take, whatever is said.
        limit_characters: Characters that a text of the environment may have.
        episodes: Episodes that are played, for 10 s at most, to see whether memory grows.
        only: Name or names of the checks to run, as in ``rlframework.testing.environments.checks.CHECKS``; by default
            all.
        raise_on_failure: Raise if a check fails; False to look at the report instead.

    Returns:
        What each check found.

    Raises:
        CheckError: Some checks fail; an AssertionError that names them and says how to correct each.
        TypeError: It is no environment, or a turn is no text.
        ValueError: There is no such check, or there are no rows or turns.

    Example:
        >>> from rlframework.environments import Environment, Episode, Observation
        >>> class Parrot(Environment):
        ...     def start(self, row, luck):
        ...         return Talking()
        >>> class Talking(Episode):
        ...     def step(self, turn):
        ...         return Observation(turn.text[0])
        >>> report = check_environment(Parrot(), [{}], ["hello"], episodes=20, raise_on_failure=False)
        >>> report.failed, report["hostile_turns"].finding[:57]
        (['hostile_turns'], "on 'empty' it raised IndexError: string index out of rang")
    """
    if not isinstance(environment, Environment):
        raise TypeError(f"{environment!r:.80} is no Environment; pass an object of your subclass, such as MyGame()")
    if not rows or not turns:
        raise ValueError(f"there are {len(rows)} rows and {len(turns)} turns; give some of both")
    strange = next((turn for turn in turns if not isinstance(turn, str)), None)
    if isinstance(turns, str) or strange is not None:
        raise TypeError(f"turns are a list of texts, such as ['4', 'seven']; got {strange or turns!r:.80}")
    calls = environment.calls
    if calls is not None and tokenizer is not None:
        calls = calls.fitted(tokenizer, environment.tools)
    subject = Subject(environment, calls, rows, turns, gold, limit_s, limit_characters, episodes)
    remedy = "answer whatever the policy says; an exception costs the row its reward, and too many of them stop the run"
    findings = [run_check(check, subject, described, remedy) for check in chosen_checks(CHECKS, only)]
    report = CheckReport(type(environment).__name__, findings)
    if raise_on_failure and not report.ok:
        raise CheckError(report)
    return report
