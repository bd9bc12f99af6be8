"""A run folder, read again: its figures, rollouts, events, settings, checkpoints and what was measured."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from rlframework.callbacks.rollout_writer import read_run
from rlframework.report.curves import Points, read_metrics
from rlframework.utilities.run_files import EVALUATIONS, EVENTS, METRICS, SETTINGS, SUMMARY, newest_run

_STEP = re.compile(r"step=(\d+)")


class RunFolder:
    r"""The folder of a run, as callbacks and loggers left it; what is missing or half written is left out.

    Args:
        path: The folder, or one above it, such as ``runs/mine``: the newest run below is taken.

    Attributes:
        path: The folder with the files.

    Raises:
        FileNotFoundError: There is no run in it.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp(), "mine", "version_0")
        >>> folder.mkdir(parents=True)
        >>> _ = (folder / "metrics.csv").write_text("step,train/reward/total\n0,0.5\n1,0.75\n2,0.")
        >>> run = RunFolder(folder.parent)
        >>> run.path.name, run.figures()
        ('version_0', {'train/reward/total': ([1, 2], [0.5, 0.75])})
    """

    def __init__(self, path: str | Path) -> None:
        self.path = newest_run(path)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the run in words, from ``run.json``, as `RunWriter` wrote it."""
        return _read_json(self.path / SETTINGS)

    @property
    def summary(self) -> dict[str, Any]:
        """The accuracies, times and memory of the run, from ``summary.json``, as a recipe wrote it."""
        return _read_json(self.path / SUMMARY)

    def figures(self) -> dict[str, Points]:
        """Return (steps, values) by the name of the figure; steps are optimizer steps that were done."""
        metrics = self.path / METRICS
        return read_metrics(metrics) if metrics.is_file() else {}

    def rollouts(self) -> list[dict[str, Any]]:
        """Return the completions that the run has learned from, of all ranks, in the order of their rollouts."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # half a line, of a run that goes on
            try:
                rollouts = read_run(self.path)
            except FileNotFoundError:
                return []
        return [row for ranks in rollouts.values() for rows in ranks for row in rows]

    def events(self) -> list[dict[str, Any]]:
        """Return what happened, in the order of time, as `RunWriter` wrote it."""
        return list(_lines(self.path / EVENTS))

    def evaluations(self) -> dict[str, list[dict[str, Any]]]:
        """Return the held-out completions of each row of the recipe's comparison, by the row's name."""
        found: dict[str, list[dict[str, Any]]] = {}
        for line in _lines(self.path / EVALUATIONS):
            if isinstance(name := line.get("name"), str):
                found.setdefault(name, []).append(line)
        return found

    def checkpoints(self) -> list[tuple[int, Path]]:
        """Return the checkpoints, each with the optimizer steps that were done, the fewest first."""
        files = chain(self.path.glob("*.ckpt"), self.path.glob("*/*.ckpt"))
        steps = ((_step_of(file), file) for file in files if not file.name.startswith("."))
        return sorted((step, file) for step, file in steps if step is not None)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a file of lines; a line that is none is left out, and so is all of a missing file."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found


def _step_of(checkpoint: Path) -> int | None:
    """Return the optimizer steps of a checkpoint: from its name, else from what it holds; None if neither says it."""
    if named := _STEP.search(checkpoint.name):
        return int(named[1])
    file = checkpoint / "meta.pt" if checkpoint.is_dir() else checkpoint
    try:
        return int(torch.load(file, map_location="meta", weights_only=True, mmap=True)["global_step"])
    except (OSError, RuntimeError, KeyError, ValueError, EOFError):
        return None
