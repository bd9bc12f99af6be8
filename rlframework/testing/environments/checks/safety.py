"""Safety: what a policy says makes no environment raise, or take for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from rlframework.testing.environments.hostile import hostile_turns as hostile
from rlframework.testing.environments.subject import Subject, shown
from rlframework.testing.report import Violation
from rlframework.utilities.errors import described


def hostile_turns(subject: Subject) -> str:
    """No hostile turn makes it raise, neither as the first nor after another one."""
    turns = hostile(subject.turns[0])
    for name, text in turns.items():
        for script in ([text, *subject.turns], [*subject.turns[:1], text]):
            try:
                subject.play(subject.rows[0], script)
            except Violation:
                raise
            except Exception as error:
                raise Violation(
                    f"on {name!r} it raised {described(error)}",
                    "tell the policy that it cannot be read, in an Observation: it will say all kinds of things, and "
                    "an exception costs the row its reward",
                ) from error
    return f"none of {len(turns)} makes it raise"


def time_limit(subject: Subject) -> str:
    """No start, step or close takes longer than limit_s, whatever is said."""
    scripts = {f"turns from {shown(script[0], 20)} on": script for script in subject.scripts()}
    scripts |= {f"hostile turn {name!r}": [text] for name, text in hostile(subject.turns[0]).items()}
    # What it loads at its first step is not the episode's fault.
    _timed(subject, "turns", list(subject.turns), 60.0)
    slowest, longest, steps, total = "", 0.0, 0, 0.0
    for name, script in scripts.items():
        for what, seconds in _timed(subject, name, script, subject.limit_s):
            steps, total = steps + 1, total + seconds
            if seconds >= longest:
                slowest, longest = name if what == "step()" else f"{what} of {name}", seconds
    if not steps:
        return "not tried: no episode starts; see failures"
    if longest > subject.limit_s:
        raise Violation(f"{slowest} took {longest:.2f} s; the limit is {subject.limit_s:g} s", _FAST)
    return f"at most {longest:.3f} s ({slowest}), {total / steps * 1000:.2f} ms in the mean"


_FAST = (
    "all rows of a rollout wait for the slowest. Read no more of a turn than is needed, give what waits a time limit "
    "that raises, or pass a larger limit_s"
)


def _timed(subject: Subject, name: str, script: Sequence[str], limit_s: float) -> list[tuple[str, float]]:
    """Return what an episode did and how long each of it took; in a thread, which a hang does not end."""
    done: list[tuple[str, float]] = []
    current = ["start()"]

    def timed(what: str, call: Any, *arguments: Any) -> Any:
        current[0], started = what, time.perf_counter()
        result = call(*arguments)
        done.append((what, time.perf_counter() - started))
        return result

    def body() -> None:
        try:
            episode = timed("start()", subject.begin, dict(subject.rows[0]))
            try:
                for text in script:
                    if timed("step()", subject.step, episode, text).last:
                        break
            finally:
                timed("close()", episode.close)
        except Exception:
            return  # Another check says so.

    thread = threading.Thread(target=body, daemon=True)
    patience_s = (len(script) + 2) * limit_s + 1
    thread.start()
    thread.join(patience_s)
    if thread.is_alive():
        subject.hung = f"{current[0]} did not end on {name}"
        raise Violation(f"{current[0]} on {name} had not ended when all steps had {patience_s:.1f} s together", _FAST)
    return done
