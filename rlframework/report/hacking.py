"""Reward hacking in one picture: the curves of accuracy and of the reward, or of tool calls, of some runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rlframework.report.curves import read_metrics
from rlframework.utilities.imports import require


class Run(NamedTuple):
    """A run to draw: its ``metrics.csv``, as Lightning's CSVLogger writes it, and its accuracy at step 0."""

    metrics: Path
    accuracy_before: float


class CallsRun(NamedTuple):
    """A run of episodes to draw: its ``metrics.csv``, and its accuracy and calls of an episode at step 0."""

    metrics: Path
    accuracy_before: float
    calls_before: float


def plot_reward_and_accuracy(runs: Mapping[str, Run], picture: str | Path) -> Path:
    """Draw the reward of the rollouts and the held-out accuracy of each run over its optimizer steps.

    Args:
        runs: By the title of its panel; each logs ``val/accuracy``.
        picture: Where the PNG goes.

    Raises:
        ImportError: matplotlib is not installed.
    """

    def draw(panel: Any, run: Run) -> None:
        columns = read_metrics(run.metrics)
        panel.plot(*columns["train/reward/total"], label="reward, in training", color=_GREY, linewidth=2)
        _accuracy(panel, columns, run.accuracy_before)
        panel.legend(fontsize=8, loc="center right")

    return _panels(runs, draw, picture)


def plot_calls_and_accuracy(runs: Mapping[str, CallsRun], picture: str | Path) -> Path:
    """Draw the tool calls of an episode and the held-out accuracy of each run over its optimizer steps.

    Args:
        runs: By the title of its panel; each logs ``val/accuracy`` and ``val/calls``.
        picture: Where the PNG goes.

    Raises:
        ImportError: matplotlib is not installed.
    """

    def draw(panel: Any, run: CallsRun) -> None:
        columns = read_metrics(run.metrics)
        _accuracy(panel, columns, run.accuracy_before)
        steps, calls = columns["val/calls"]
        beside = panel.twinx()
        beside.plot(
            [0, *steps], [run.calls_before, *calls], label="calls of an episode (right axis)", color=_GREY, linewidth=2
        )
        beside.set_ylim(bottom=0)
        lines = [*panel.get_lines(), *beside.get_lines()]
        panel.legend(lines, [line.get_label() for line in lines], fontsize=8, loc="center right")

    return _panels(runs, draw, picture)


_GREY, _RED = "#b0b7c3", "#d1495b"


def _accuracy(panel: Any, columns: Mapping[str, Any], before: float) -> None:
    steps, accuracy = columns["val/accuracy"]
    panel.plot([0, *steps], [before, *accuracy], label="right answers, held out", color=_RED, marker="o")


def _panels(runs: Mapping[str, Any], draw: Callable[[Any, Any], None], picture: str | Path) -> Path:
    """Draw each run in a panel of its own."""
    require("matplotlib", "report").use("Agg")
    pyplot = require("matplotlib.pyplot", "report")
    figure, panels = pyplot.subplots(1, len(runs), figsize=(5 * len(runs), 3.6), squeeze=False)
    for panel, (title, run) in zip(panels[0], runs.items(), strict=True):
        draw(panel, run)
        panel.set_title(title.replace("_", " "), fontsize=10)
        panel.set_xlabel("optimizer step")
        panel.set_ylim(-0.02, 1.05)
        panel.grid(alpha=0.25)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
    return Path(picture)
