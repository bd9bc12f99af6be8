"""Reward hacking in one picture: the curves of reward and accuracy of some runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rlframework.report.curves import read_metrics
from rlframework.utilities.imports import require


class Run(NamedTuple):
    """A run to draw: its ``metrics.csv``, as Lightning's CSVLogger writes it, and its accuracy at step 0."""

    metrics: Path
    accuracy_before: float


def plot_reward_and_accuracy(runs: Mapping[str, Run], picture: str | Path) -> Path:
    """Draw the reward of the rollouts and the held-out accuracy of each run over its optimizer steps.

    Args:
        runs: By the title of its panel; each logs ``val/accuracy``.
        picture: Where the PNG goes.

    Raises:
        ImportError: matplotlib is not installed.
    """
    require("matplotlib", "report").use("Agg")
    pyplot = require("matplotlib.pyplot", "report")
    figure, panels = pyplot.subplots(1, len(runs), figsize=(5 * len(runs), 3.6), squeeze=False)
    for panel, (title, run) in zip(panels[0], runs.items(), strict=True):
        columns = read_metrics(run.metrics)
        steps, accuracy = columns["val/accuracy"]
        panel.plot(*columns["train/reward/total"], label="reward, in training", color="#b0b7c3", linewidth=2)
        panel.plot(
            [0, *steps], [run.accuracy_before, *accuracy], label="right answers, held out", color="#d1495b", marker="o"
        )
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("optimizer step")
        panel.set_ylim(-0.02, 1.05)
        panel.grid(alpha=0.25)
        panel.legend(fontsize=8, loc="center right")
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
    return Path(picture)
