"""Time limits: how long a reward may take for any text that a policy writes."""

from __future__ import annotations

import copy
import threading
import time
from typing import NamedTuple

from rlframework.completions import Completion, Completions
from rlframework.rewards.template import template_of
from rlframework.testing.report import Violation
from rlframework.testing.rewards.cases import answered
from rlframework.testing.rewards.hostile import hostile_texts
from rlframework.testing.rewards.subject import Subject
from rlframework.utilities.errors import described


class Timed(NamedTuple):
    """The time that one completion took, or the reason why it has no score.

    Args:
        seconds: How long it took.
        failure: Why there is no score, or ``""``.
        hung: Whether there was no end to it.
    """

    seconds: float
    failure: str = ""
    hung: bool = False


def time_limit(subject: Subject) -> str:
    """No completion takes longer than limit_s or makes it fail: no case, and no hostile text."""
    sample = subject.cases[0].completion
    texts = {f"case {number}": case.completion for number, case in enumerate(subject.cases)}
    hostile = hostile_texts(template_of(subject.reward), sample.text)
    texts |= {f"hostile text '{name}'": answered(sample.prompt, text) for name, text in hostile.items()}
    timed = _judge_elsewhere if subject.elsewhere.reachable else _judge_in_thread
    timed(subject, sample, 120.0)  # What it loads on its first call is not the completion's fault.
    seconds: dict[str, float] = {}
    for name, completion in texts.items():
        result = timed(subject, completion, subject.limit_s)
        seconds[name] = result.seconds
        if result.hung or result.seconds > subject.limit_s:
            took = f"had no score after {result.seconds:.1f} s" if result.hung else f"took {result.seconds:.1f} s"
            raise Violation(
                f"{name} {took}; the limit is {subject.limit_s:g} s",
                "cap length and nesting before reading, read in linear time, and give what can hang to a WorkerPool",
            )
        if result.failure:
            raise Violation(
                f"{name} made it fail: {result.failure}",
                "score whatever text comes; a text that cannot be read is a wrong answer",
            )
    slowest = max(seconds, key=lambda name: seconds[name])
    return (
        f"at most {seconds[slowest]:.2f} s ({slowest}) for {len(subject.cases)} cases and {len(hostile)} hostile texts"
    )


def _judge_elsewhere(subject: Subject, completion: Completion, limit_s: float) -> Timed:
    started = time.perf_counter()
    outcome = subject.elsewhere.judge_alone(completion, limit_s)
    if outcome.failure:
        hung = outcome.failure == "timeout"
        return Timed(time.perf_counter() - started, outcome.detail, hung)
    return Timed(outcome.value.seconds, next((why for _, why in outcome.value.failures), ""))


def _judge_in_thread(subject: Subject, completion: Completion, limit_s: float) -> Timed:
    """Judge here a reward that cannot be sent away; a hang goes on in its thread until the program ends."""
    results: list[str] = []

    def body() -> None:
        try:
            scores = subject.judge(copy.deepcopy(Completions([completion], 1)))
            results.append(next((why for _, why in scores.failures()), ""))
        except Exception as error:
            results.append(described(error))

    started = time.perf_counter()
    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(2 * limit_s + 1)
    seconds = time.perf_counter() - started
    return Timed(seconds, results[0]) if results else Timed(seconds, hung=True)
