"""Pulse of a run: whether it is alive, silent, died, failed or ended, with the evidence, from what its folder says."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

State: TypeAlias = Literal["waiting", "running", "silent", "died", "failed", "ended"]

# Silence that calls for attention, and that which is taken for the end: at least so many seconds, so many times the
# usual time between two signs, and so many times the longest that was seen while watching.
_SILENT, _DEAD = (60.0, 5.0, 2.0), (600.0, 20.0, 4.0)


@dataclass(frozen=True)
class Pulse:
    """Whether a run is alive, and what says so.

    Args:
        state: ``"waiting"`` before there is any sign, ``"running"``, ``"silent"`` where it says nothing for longer than
            is usual, ``"died"`` where it has gone without a word, ``"failed"`` after an exception, ``"ended"``.
        evidence: In words, with the numbers.
    """

    state: State
    evidence: str


def pulse(
    now: float,
    last: float | None,
    usual: float | None,
    longest: float,
    events: Sequence[Mapping[str, Any]],
    process: str | None,
) -> Pulse:
    """Say whether a run is alive.

    Args:
        now: Seconds since the epoch.
        last: When a file of the run was last written to.
        usual: Mean seconds from one step in the figures to the next; None if that is not known yet.
        longest: Seconds of the longest silence that was seen while watching.
        events: The run's events, in their order.
        process: ``"there"`` or ``"gone"`` if the run's process can be looked for on this machine, else None.

    Example:
        >>> pulse(now=5000, last=1000, usual=2, longest=0, events=[], process=None).state
        'died'
        >>> pulse(now=1010, last=1000, usual=2, longest=0, events=[], process=None)
        Pulse(state='running', evidence='last sign 10 s ago')
    """
    latest = next((event for event in reversed(events) if event.get("kind") in _TURNS), None)
    if latest is not None and latest["kind"] == "end":
        return Pulse("ended", _told("ended", latest, now))
    if latest is not None and latest["kind"] == "exception":
        return Pulse("failed", _told("ended by an exception", latest, now))
    if last is None:
        return Pulse("waiting", "there is no figure, event or completion yet")
    silence = max(0.0, now - last)
    at = f"last sign at {clock(last)}, {span(silence)} ago"
    unsaid = "no `end` in events.jsonl" if events else "there is no events.jsonl, which would tell an end from a death"
    if process == "gone":
        return Pulse("died", f"its process is no longer on this machine; {at}; {unsaid}")
    pace = "no step is done yet" if usual is None else f"usually every {span(usual)}"
    if silence > _limit(_DEAD, usual, longest) and usual is not None and process is None:
        return Pulse("died", f"taken for dead: {at}, {pace}; {unsaid}")
    if silence > _limit(_SILENT, usual, longest):
        there = "; its process is there: a long step, or it hangs" if process == "there" else ""
        return Pulse("silent", f"{at}, {pace}{there}")
    return Pulse("running", f"last sign {span(silence)} ago" + ("; its process is there" if process == "there" else ""))


# After one of these the others of an attempt are past.
_TURNS = ("start", "resume", "exception", "end")


def clock(seconds: float) -> str:
    """Return a time of day, with the date if that is not today's."""
    then = time.localtime(seconds)
    today = then[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", then)


def span(seconds: float) -> str:
    """Return a length of time in the units that people would take.

    Example:
        >>> span(0.0312), span(7), span(150), span(9000), span(200_000)
        ('0.03 s', '7.0 s', '2 min 30 s', '2 h 30 min', '2 d 7 h')
    """
    for unit, part, names in ((86400, 3600, "d h"), (3600, 60, "h min"), (60, 1, "min s")):
        if seconds >= unit:
            whole, rest = divmod(int(seconds), unit)
            large, small = names.split()
            return f"{whole} {large} {rest // part} {small}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"


def _limit(silence: tuple[float, float, float], usual: float | None, longest: float) -> float:
    least, times_usual, times_longest = silence
    return max(least, times_usual * (usual or 0.0), times_longest * longest)


def _told(what: str, event: Mapping[str, Any], now: float) -> str:
    when = event.get("time")
    at = f" at {clock(when)}, {span(max(0.0, now - when))} ago" if isinstance(when, int | float) else ""
    message = f": {event['message']}" if event.get("message") else ""
    return f"{what}{at}{message}"
