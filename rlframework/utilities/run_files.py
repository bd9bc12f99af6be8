"""Files of a run folder by name, and the folder of the newest run; a look at one loads no torch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

METRICS, SETTINGS, EVENTS = "metrics.csv", "run.json", "events.jsonl"
SUMMARY, EVALUATIONS = "summary.json", "evaluations.jsonl"


def newest_run(path: str | Path) -> Path:
    """Return the folder itself if a run has written into it, else the newest of those up to two floors below.

    Args:
        path: A run folder, or one above it.

    Raises:
        FileNotFoundError: There is no run in it.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp(), "mine", "version_0")
        >>> folder.mkdir(parents=True)
        >>> _ = (folder / "metrics.csv").write_text("step,train/reward/total")
        >>> newest_run(folder.parents[1]).name
        'version_0'
    """
    path = Path(path)
    for places in ([path], path.glob("*/"), path.glob("*/*/")):
        begun = {place: max((file.stat().st_mtime for file in _traces(place)), default=None) for place in places}
        runs = {place: time for place, time in begun.items() if time is not None}
        if runs:
            return max(runs, key=lambda place: (runs[place], str(place)))
    raise FileNotFoundError(
        f"{path} holds no run: neither there nor up to two folders below is {METRICS}, {SETTINGS} or rollouts.jsonl. "
        "AppendingCSVLogger, RunWriter and RolloutWriter write them"
    )


def _traces(folder: Path) -> Iterator[Path]:
    named = (folder / name for name in (METRICS, SETTINGS, EVENTS, SUMMARY))
    return chain((file for file in named if file.is_file()), folder.glob("rollouts*.jsonl"))
