"""Thread and process safety: a reward works in any thread, in several at once, and in another process."""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from rlframework.completions import Completions
from rlframework.testing.report import Violation
from rlframework.testing.rewards.subject import Subject, first_difference
from rlframework.utilities.errors import described

THREADS = 8
PATIENCE_S = 60.0


def thread_safety(subject: Subject) -> str:
    """From a thread that is not the main one, and from 8 at once, it gives the same scores."""
    completions = subject.batch()
    plain = subject.scores(copy.deepcopy(completions))
    (alone,) = _from_threads(subject, completions, 1)
    if isinstance(alone, str):
        raise Violation(
            f"outside the main thread it failed: {alone}",
            "do without signal handlers (SIGALRM): give the work to a WorkerPool, whose limits hold in any thread",
        )
    with _frequent_switches():
        results = _from_threads(subject, completions, THREADS)
    for result in (alone, *results):
        if isinstance(result, str):
            raise Violation(f"with {THREADS} threads at once it failed: {result}", _UNSHARED)
        apart = first_difference(plain, result, completions)
        if apart:
            raise Violation(f"with {THREADS} threads at once, {apart}", _UNSHARED)
    return f"the same scores in {THREADS} threads at once, and in one beside the main one"


_UNSHARED = "keep what belongs to one call in local variables, not on self or in a global; lock what has to be shared"


def _from_threads(subject: Subject, completions: Completions, count: int) -> list[Tensor | str]:
    """Return what each thread got: scores, or why there are none."""
    results: list[Tensor | str] = [f"no scores after {PATIENCE_S:g} s"] * count
    together = threading.Barrier(count)
    own = [copy.deepcopy(completions) for _ in range(count)]
    failing = {row for row, _ in subject.judge(copy.deepcopy(completions)).failures()}

    def body(number: int) -> None:
        try:
            together.wait()
            scores = subject.judge(own[number])
            # A row that fails everywhere is a finding of another check.
            failed = [why for row, why in scores.failures() if row not in failing]
            results[number] = failed[0] if failed else scores.total
        except BaseException as error:
            results[number] = described(error)

    # Threads that never end must not keep the program from ending.
    threads = [threading.Thread(target=body, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    return results


@contextmanager
def _frequent_switches() -> Iterator[None]:
    """Let threads take turns a thousand times as often, so that a race shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def process_safety(subject: Subject) -> str:
    """It can be sent to a fresh process and works there."""
    try:
        parcel = subject.elsewhere.parcel
    except Exception as error:
        raise Violation(
            f"it cannot be sent to another process: {type(error).__name__}: {error}",
            "make locks, files, sockets and clients when they are first used, and leave them out in __getstate__; or "
            "pass the class, which each process makes for itself",
        ) from error
    outcome = subject.elsewhere.judge(subject.batch())
    if outcome.failure:
        raise Violation(
            f"in a fresh process it fails: {outcome.detail}",
            "let it carry all that it needs; nothing that the main program did has happened there",
        )
    failures = outcome.value.failures
    if failures:
        raise Violation(
            f"in a fresh process its check fails: {failures[0][1]}",
            "let it carry all that it needs; nothing that the main program did has happened there",
        )
    if parcel.by_value:
        raise Violation(
            f"it works in a fresh process as a copy of its code ({parcel.reason}); a WorkerPool or ddp_spawn would "
            "have to import it",
            "",
            stated=True,
        )
    return f"{len(parcel.content):,} bytes carry it there"
