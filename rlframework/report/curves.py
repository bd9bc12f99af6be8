"""The learning curves of a run, as one picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any

from rlframework.metrics.figure_names import with_new_names
from rlframework.report.evaluation import Evaluation
from rlframework.utilities.imports import require

Points = tuple[list[int], list[float]]


def plot_curves(metrics: str | Path, picture: str | Path, evaluations: Sequence[Evaluation] = ()) -> Path:
    """Draw held-out accuracy, reward and length over the optimizer steps.

    Args:
        metrics: ``metrics.csv`` as Lightning's CSVLogger writes it.
        picture: Where the PNG goes.
        evaluations: Drawn as bars of ``"accuracy"`` with 95 % intervals in the first panel. The last but one is where
            training started, step 0 of the held-out curve.

    Raises:
        ImportError: matplotlib is not installed.
    """
    require("matplotlib", "report").use("Agg")
    pyplot = require("matplotlib.pyplot", "report")
    columns = read_metrics(metrics)
    figure, panels = pyplot.subplots(1, 4 if evaluations else 3, figsize=(16 if evaluations else 12, 3.6))
    panels = list(panels)
    if evaluations:
        _bars(panels.pop(0), evaluations)
    if len(evaluations) > 1 and "val/accuracy" in columns:
        steps, values = columns["val/accuracy"]
        columns["val/accuracy"] = ([0, *steps], [evaluations[-2].share("accuracy"), *values])
    _lines(panels[0], columns, {"val/accuracy": "held-out, greedy"}, "held-out accuracy in training", (0, 1.05))
    labels = {name: name.removeprefix("train/reward/") for name in columns if name.startswith("train/reward/")}
    _lines(panels[1], columns, labels, "reward of the rollout")
    _lines(panels[2], columns, {"train/completion_length": "tokens per completion"}, "length")
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
    return Path(picture)


def read_metrics(path: str | Path) -> dict[str, Points]:
    """Return (steps, values) by column name of a CSVLogger file; a column has a point where its cell is filled.

    Of a step that a resumed run has logged again the last value counts. Half a line at the end, of a run that is just
    writing it, is left out, and so are a cell that is no number and a row without a step.
    """
    columns: dict[str, dict[int, float]] = {}
    with Path(path).open(newline="", encoding="utf-8-sig", errors="replace") as file:
        for row in csv.DictReader(line for line in file if line.endswith("\n")):
            numbers = {name: number for name, cell in row.items() if (number := _number(cell)) is not None}
            if not isfinite(step := numbers.pop("step", nan)):
                continue
            numbers.pop("epoch", None)
            for name, number in numbers.items():
                columns.setdefault(name, {})[int(step) + 1] = number
    read = {name: (sorted(points), [points[step] for step in sorted(points)]) for name, points in columns.items()}
    return with_new_names(read, "train/")


def _number(cell: Any) -> float | None:
    try:
        return float(cell)
    except (TypeError, ValueError):  # a text, an empty cell, the rest of too long a row
        return None


def _bars(panel: Any, evaluations: Sequence[Evaluation]) -> None:
    shares = [row.share("accuracy") for row in evaluations]
    bounds = [row.interval("accuracy") for row in evaluations]
    below = [share - low for share, (low, _) in zip(shares, bounds, strict=True)]
    above = [high - share for share, (_, high) in zip(shares, bounds, strict=True)]
    colours = ["#b0b7c3"] * (len(shares) - 1) + ["#2f6fde"]
    panel.bar([row.name for row in evaluations], shares, yerr=[below, above], capsize=4, color=colours)
    for x, share in enumerate(shares):
        panel.text(x, 0.03, f"{share:.3f}", ha="center", color="white" if x == len(shares) - 1 else "black")
    panel.set_ylim(0, 1.08)
    panel.set_title(f"held-out accuracy, n = {evaluations[0].n}", fontsize=10)


def _lines(
    panel: Any,
    columns: dict[str, Points],
    labels: dict[str, str],
    title: str,
    limits: tuple[float, float] | None = None,
) -> None:
    for name, label in labels.items():
        if name in columns:
            thick = len(labels) == 1 or label == "total"
            panel.plot(*columns[name], label=label, linewidth=2 if thick else 1, marker="o" if "val" in name else None)
    panel.set_title(title, fontsize=10)
    panel.set_xlabel("optimizer step")
    panel.grid(alpha=0.25)
    if limits:
        panel.set_ylim(*limits)
    if len(labels) > 1:
        panel.legend(fontsize=7, loc="center right", framealpha=0.6)
