"""Resources: memory, files, threads and processes that episodes take and give back."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any

import psutil

from rlframework.testing.environments.subject import Subject
from rlframework.testing.report import Violation
from rlframework.utilities.errors import described

CLOSED_EPISODES = 20
PATIENCE_S = 10.0
MOST_BYTES, MOST_BYTES_IN_ALL = 100, 2**15
"""What an episode may leave behind, and what all may: caches of Python and of libraries grow for a while."""


def close(subject: Subject) -> str:
    """An episode can be closed at any time, and gives back its files, threads and processes."""
    row, script = subject.rows[0], subject.scripts()[0]
    subject.play(row, script)  # What all episodes share may be opened by the first.
    with _own_garbage():
        _close_many(subject, row, script)
    return f"{CLOSED_EPISODES} episodes, closed after 0 to {min(len(script), CLOSED_EPISODES - 1)} turns, left nothing"


def _close_many(subject: Subject, row: Mapping[str, Any], script: Sequence[str]) -> None:
    before = _held()
    for number in range(CLOSED_EPISODES):
        said = script[: number % (len(script) + 1)]
        episode = subject.begin(dict(row))
        subject.answers(episode, said)
        try:
            episode.close()
        except Exception as error:
            raise Violation(
                f"close() after {len(said)} turns raised {described(error)}",
                "let close() work at any time, also right after start(): a run closes every episode, and one that "
                "cannot be closed has failed",
            ) from error
        del episode
    gc.collect()
    for what, count in _held().items():
        if count - before[what] >= CLOSED_EPISODES // 2:
            raise Violation(
                f"after {CLOSED_EPISODES} closed episodes there are {count - before[what]} more {what}",
                "close in close() what an episode opens",
            )


def _held() -> dict[str, int]:
    process = psutil.Process()
    return {
        "open files": process.num_fds() if hasattr(process, "num_fds") else len(process.open_files()),
        "threads": threading.active_count(),
        "processes": len(process.children()),
    }


@contextmanager
def _own_garbage() -> Iterator[None]:
    """Enter a context in which collecting garbage looks at what was made inside alone, and takes no time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def memory(subject: Subject) -> str:
    """Memory does not grow with the number of episodes."""
    plays = cycle([(row, script) for row, script in subject.plays()])
    started = time.monotonic()
    sizes: list[int] = []
    warm_up = max(subject.episodes // 10, 2)
    counts = [0] * 3
    tracemalloc.start()
    try:
        with _own_garbage():
            # A tenth to warm up, then two halves: what grows for good grows in both.
            for part, number in enumerate((warm_up, *[(subject.episodes - warm_up) // 2] * 2)):
                for row, script in islice(plays, number):
                    if time.monotonic() - started > PATIENCE_S * (part + 1) / 3:
                        break
                    subject.play(row, script)
                    counts[part] += 1
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    if not all(counts):
        return f"not tried: {sum(counts)} episodes took {PATIENCE_S:g} s"
    growth = min((sizes[1] - sizes[0]) / counts[1], (sizes[2] - sizes[1]) / counts[2])
    if growth > MOST_BYTES and sizes[2] - sizes[0] > MOST_BYTES_IN_ALL:
        raise Violation(
            f"every episode leaves {growth:,.0f} bytes behind ({sum(counts):,} episodes)",
            "keep no list of episodes, rows or turns on the environment or in a module; a cache needs a size",
        )
    return f"{sum(counts):,} episodes left nothing behind"
