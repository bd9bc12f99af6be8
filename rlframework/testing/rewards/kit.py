"""The proof kit for rewards: what every reward has to be, tried on a few cases within seconds."""

from __future__ import annotations

from collections.abc import Sequence

from rlframework.rewards.base import full_name
from rlframework.rewards.function import Source
from rlframework.testing.report import CheckError, CheckReport
from rlframework.testing.rewards.cases import Given, as_cases
from rlframework.testing.rewards.checks import CHECKS
from rlframework.testing.rewards.subject import Subject
from rlframework.testing.running import chosen_checks, run_check
from rlframework.utilities.errors import described


def check_reward(
    reward: Source,
    cases: Sequence[Given],
    *,
    limit_s: float = 5.0,
    compares_rows: bool = False,
    accept_above: float = 0.5,
    only: str | Sequence[str] | None = None,
    raise_on_failure: bool = True,
) -> CheckReport:
    """Prove a reward before a policy learns from it: call it in every way that a run may, and in some that break it.

    A reward cannot be proven right in general; the cases say what right is. ``rlframework reward-report`` looks for
    answers that it should not pay for.

    Args:
        reward: A reward, its class (made without arguments in each process that needs one), or a plain function.
        cases: Tuples of a completion (a text or a `Completion`), its row of data, and optionally what it should get:
            ``"accept"``, ``"refuse"``, ``"abstain"``, or an exact score. A dozen will do; take some of each kind.
        limit_s: Seconds that one completion may take, for any text.
        compares_rows: Say True if a score depends on the other completions of the group.
        accept_above: A score above it accepts.
        only: Name or names of the checks to run, as in ``rlframework.testing.rewards.checks.CHECKS``; by default all.
        raise_on_failure: Raise if a check fails; False to look at the report instead.

    Returns:
        What each check found.

    Raises:
        CheckError: Some checks fail; an AssertionError that names them and says how to correct each.
        TypeError: It is no reward, or a case is no such tuple.
        ValueError: There is no such check, there are no cases, or an expectation is unknown.

    Example:
        >>> def right(completion, answer):
        ...     return float(completion.strip() == answer)
        >>> def first_letter(completion, answer):
        ...     return float(completion[0] == answer)
        >>> cases = [("4", {"answer": "4"}, "accept"), ("5", {"answer": "4"}, "refuse")]
        >>> check_reward(right, cases, only=["length", "expectations"]).ok
        True
        >>> check_reward(first_letter, [*cases, ("", {"answer": "4"})], raise_on_failure=False, only="failures").failed
        ['failures']
    """
    subject = Subject(reward, as_cases(cases), limit_s, compares_rows, accept_above)
    checks = chosen_checks(CHECKS, only)
    remedy = "score whatever text comes; return None (or NaN) where the row cannot be judged"
    try:
        report = CheckReport(
            full_name(subject.reward), [run_check(check, subject, described, remedy) for check in checks]
        )
    finally:
        subject.elsewhere.close()
    if raise_on_failure and not report.ok:
        raise CheckError(report)
    return report
