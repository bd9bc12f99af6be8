"""Comparison of several runs: what was set otherwise, how they ended, and how sure the differences are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlframework.report.evaluation import Evaluation
from rlframework.run_report.facts import RunFacts
from rlframework.run_report.heldout import Change, changes_of
from rlframework.run_report.settings import flat

# They say which run it is, and are no setting of it.
_OF_THE_RUN = ("started", "command", "versions", "commit", "hardware")


def different_settings(runs: Sequence[RunFacts]) -> list[tuple[str, list[str | None]]]:
    """Return the settings in which runs differ: name, and the value of each run, None where it has none.

    Args:
        runs: The runs.
    """
    read = [dict(flat({k: v for k, v in run.settings.items() if k not in _OF_THE_RUN})) for run in runs]
    names = dict.fromkeys(name for settings in read for name in settings)
    rows = [(name, [settings.get(name) for settings in read]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def final_changes(runs: Sequence[RunFacts]) -> list[Change]:
    """Return the paired differences of each run's last row to that of the first run, on the problems that both have.

    Args:
        runs: Runs that have a table.
    """
    lasts = [(run.name, run.evaluations[-1]) for run in runs]
    finals = [Evaluation(name, last.completions, last.scores) for name, last in lasts]
    return changes_of(finals, [(0, place) for place in range(1, len(finals))])


def answers_of_runs(runs: Sequence[RunFacts]) -> dict[str, list[dict[str, Any]]]:
    """Return the held-out answers of all rows of all runs, by run and row; the last ones of the runs come last.

    Args:
        runs: The runs.
    """
    rows = [
        (f"{run.name}: {name}", lines, lines is list(run.answers.values())[-1])
        for run in runs
        for name, lines in run.answers.items()
    ]
    return {name: lines for name, lines, last in sorted(rows, key=lambda row: row[2])}


def distinct_names(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """Return short names of folders, by as many of their last parts as tell them apart.

    Args:
        paths: The parts of each path.

    Raises:
        ValueError: A folder is given twice.

    Example:
        >>> distinct_names([("runs", "a", "version_0"), ("runs", "b", "version_0")])
        ['a/version_0', 'b/version_0']
    """
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ValueError(f"the run {'/'.join(twice)} is given twice; compare it with another one")
    for count in range(2, max(map(len, paths)) + 1):
        if len({path[-count:] for path in paths}) == len(paths):
            return ["/".join(path[-count:]) for path in paths]
    return ["/".join(path) for path in paths]
