"""Running the checks of a proof kit: choosing them, and making a finding of what they return or raise."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from pytorch_lightning.utilities.seed import isolate_rng

from rlframework.testing.report import CheckStatus, Finding, Violation

Subject = TypeVar("Subject")


def chosen_checks(
    checks: Mapping[str, Callable[[Subject], str]], only: str | Sequence[str] | None
) -> list[Callable[[Subject], str]]:
    """Return the checks of these names; all of them for None.

    Args:
        checks: All checks by name.
        only: The name or names of those to run.

    Raises:
        ValueError: There is no check of a name.
    """
    names = list(checks) if only is None else [only] if isinstance(only, str) else list(only)
    unknown = [name for name in names if name not in checks]
    if unknown:
        raise ValueError(f"there is no check {', '.join(unknown)}; the checks are {', '.join(checks)}")
    return [checks[name] for name in names]


def run_check(
    check: Callable[[Subject], str], subject: Subject, described: Callable[[Exception], str], remedy: str
) -> Finding:
    """Run one check and return what it found.

    Args:
        check: Raises `Violation` if the subject lacks the property. Whatever else is raised is a finding, too: the
            other checks still have something to say.
        subject: What is checked.
        described: Puts an exception of the subject into words.
        remedy: How to correct a subject that raises.
    """
    started = time.perf_counter()
    verdict, mend = CheckStatus.PASSED, ""
    with isolate_rng():
        torch.manual_seed(0)
        try:
            seen = check(subject)
        except Violation as violation:
            verdict = CheckStatus.STATED if violation.stated else CheckStatus.FAILED
            seen, mend = violation.finding, violation.remedy
        except Exception as error:
            verdict, seen, mend = CheckStatus.FAILED, f"it raised {described(error)}", remedy
    question = (inspect.getdoc(check) or "").partition("\n")[0]
    name = getattr(check, "__name__", repr(check))
    return Finding(name, question, verdict, seen, mend, time.perf_counter() - started)
