"""A run as its folder tells it so far: figures, the latest completions, events; each look reads only what is new."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rlframework.utilities.processes import process_state
from rlframework.utilities.run_files import EVENTS, METRICS, SETTINGS, newest_run
from rlframework.watch.figures import Figures
from rlframework.watch.pulse import Pulse, pulse
from rlframework.watch.tail import Appended, Tail

# Of a file of completions only the end is read, however large it is: some rows of the newest rollout.
LATEST = 2 << 20
ROWS = 256

_ROLLOUTS = re.compile(r"rollouts(-\d+)?\.jsonl")
_SECONDS = ("train/rollout_seconds", "train/update_seconds")


@dataclass(frozen=True)
class Look:
    """What a run's folder said at one moment.

    Args:
        folder: The run folder.
        time: When the look ended, in seconds since the epoch.
        seconds: How long it took.
        settings: ``run.json``, empty if there is none.
        figures: Values by optimizer step, by name.
        rows: Completions of the newest rollout of each rank, as far as they were read.
        source: Where the completions are from, in words.
        events: Those of ``events.jsonl``, in their order.
        pulse: Whether the run is alive.
        step: Optimizer steps done.
        pace: Seconds of a step on the average of this attempt; None if that is not known yet.
        unread: Bytes of the figures and events that come with the next look.
        unreadable: Lines that could not be read, by file.
    """

    folder: Path
    time: float
    seconds: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] = ()
    source: str = ""
    events: Sequence[Mapping[str, Any]] = ()
    pulse: Pulse = field(default_factory=lambda: Pulse("waiting", ""))
    step: int = 0
    pace: float | None = None
    unread: int = 0
    unreadable: Mapping[str, int] = field(default_factory=dict)


class WatchedRun:
    """Reads the folder of a run again and again, each time only what was appended since.

    Nothing is written there. Files may be missing, half written, replaced, shortened or growing.

    Args:
        folder: The run folder, with ``metrics.csv``, ``rollouts.jsonl`` or ``rollouts-<rank>.jsonl``, ``samples/``,
            ``events.jsonl`` and ``run.json``, each if it is there; or one above it, of which the newest run is taken,
            as soon as there is one, and a newer one once that is over.
    """

    def __init__(self, folder: str | Path) -> None:
        self._given = Path(os.path.abspath(folder))
        self._begin(self._given)

    def _begin(self, folder: Path) -> None:
        self.folder = folder
        self._metrics = Tail(folder / METRICS)
        self._event_lines = Tail(folder / EVENTS)
        self._figures = Figures()
        self._events: list[dict[str, Any]] = []
        self._completions: dict[Path, _Completions] = {}
        self._unreadable: dict[str, int] = {}
        # When the run was last seen to write, by this machine's clock, and by the disk's, which may differ.
        self._last: float | None = None
        self._changed: float | None = None
        self._longest = 0.0
        self._over = False

    def look(self) -> Look:
        """Read what is new, and return all that is known.

        Raises:
            OSError: The folder has gone, or a file is there and cannot be read.
        """
        began = time.time()
        if self._last is None or self._over:
            with suppress(FileNotFoundError):
                newest = newest_run(self._given)
                if newest != self.folder:
                    self._begin(newest)
        names = os.listdir(self.folder)
        metrics, events = self._metrics.read(), self._event_lines.read()
        if metrics.anew:
            self._figures = Figures()
        self._figures.add(metrics.lines)
        self._take_events(events)
        source, rows, changes = self._newest_completions(names)
        now = time.time()
        self._notice([time for time in (metrics.changed, events.changed, *changes) if time is not None], now)
        figures = self._figures.points()
        settings = self._settings() if SETTINGS in names else {}
        step, pace, usual = _pace(figures, self._events, self._last)
        process = process_state(settings.get("process") or {})
        state = pulse(now, self._last, usual, self._longest, self._events, process)
        self._over = state.state in ("ended", "failed", "died")
        return Look(
            folder=self.folder,
            time=now,
            seconds=now - began,
            settings=settings,
            figures=figures,
            rows=rows,
            source=source,
            events=list(self._events),
            pulse=state,
            step=step,
            pace=pace,
            unread=metrics.unread + events.unread,
            unreadable=dict(self._unreadable),
        )

    def _take_events(self, appended: Appended) -> None:
        if appended.anew:
            self._events = []
        new = [event for line in appended.lines if (event := self._parsed(self._event_lines.path, line))]
        if any(event.get("kind") == "resume" for event in new):
            self._longest = 0.0  # The time between two attempts says nothing of the pace of either.
        self._events += new

    def _notice(self, changes: Sequence[float], now: float) -> None:
        """Take note of when the run has last written, and of how long it had not."""
        newest = max(changes, default=None)
        if newest is None or newest == self._changed:
            return
        if self._last is None:
            self._last = min(newest, now)
        else:
            self._longest, self._last = max(self._longest, now - self._last), now
        self._changed = newest

    def _newest_completions(self, names: Iterable[str]) -> tuple[str, list[dict[str, Any]], list[float]]:
        """Return where the newest completions are from, some of them, and when their files were written to."""
        files = [self.folder / name for name in sorted(names) if _ROLLOUTS.fullmatch(name)]
        files = files or [self.folder / "samples" / f"{kind}.jsonl" for kind in ("rollout", "heldout")]
        for file in files:
            known = self._completions.setdefault(file, _Completions(file))
            known.read(partial(self._parsed, file))
        read = [known for file in files if (known := self._completions[file]).rows]
        if not read:
            return "", [], []
        newest = max(read, key=lambda known: known.changed)
        same = [known for known in read if known.key == newest.key]
        rows = [row for known in same for row in known.rows]
        ranks = f", {len(same)} ranks" if len(same) > 1 else ""
        where = f"rollout {newest.key[0]}{ranks}" if newest.key[0] is not None else f"{newest.path.stem} samples"
        return where, rows, [known.changed for known in read]

    def _parsed(self, path: Path, line: bytes) -> dict[str, Any] | None:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            return row
        name = str(path.relative_to(self.folder))
        self._unreadable[name] = self._unreadable.get(name, 0) + 1
        return None

    def _settings(self) -> dict[str, Any]:
        try:
            settings = json.loads((self.folder / SETTINGS).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return settings if isinstance(settings, dict) else {}


class _Completions:
    """The completions of the newest rollout in a file, or some of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self.key: tuple[Any, ...] = ()
        self.changed = 0.0
        self._tail = Tail(path, last=LATEST)

    def read(self, parsed: Callable[[bytes], dict[str, Any] | None]) -> None:
        appended = self._tail.read()
        if appended.anew:
            self.rows = []
        self.changed = appended.changed or 0.0
        new: list[dict[str, Any]] = []
        for line in reversed(appended.lines):
            if (row := parsed(line)) is None:
                continue
            row.pop("completion_ids", None)
            key = tuple(row.get(name) for name in ("rollout", "attempt", "ranks", "step"))
            if new and key != self.key:
                break
            if not new and key != self.key:
                self.rows, self.key = [], key
            new.append(row)
        self.rows = [*self.rows, *reversed(new)][-ROWS:]


def _pace(
    figures: Mapping[str, Mapping[int, float]], events: Sequence[Mapping[str, Any]], last: float | None
) -> tuple[int, float | None, float | None]:
    """Return the step that a run is at, the seconds of a step, and those from one row of figures to the next.

    They are means of this attempt, from its start to the last sign; without events, the last rollout's and update's.
    """
    steps = sorted(set().union(*figures.values()))
    attempt = next((event for event in reversed(events) if event.get("kind") in ("start", "resume")), None)
    told = [event["step"] for event in events[-1:] if isinstance(event.get("step"), int)]
    step = max([*steps[-1:], *told], default=0)
    if attempt is None:
        seconds = [list(figures[name].values())[-1] for name in _SECONDS if figures.get(name)]
        every = steps[-1] - steps[-2] if len(steps) > 1 else 1
        return step, sum(seconds) or None, sum(seconds) * every or None
    first, begun = attempt.get("step"), attempt.get("time")
    since = [one for one in steps if isinstance(first, int) and one > first]
    if not since or last is None or not isinstance(begun, int | float):
        return step, None, None
    took = max(0.0, last - begun)
    return step, took / (since[-1] - first), took / len(since)
