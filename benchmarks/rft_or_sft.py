"""What recipes/rft_vs_sft.py found, in one picture and tables; and the chart that says which way to take.

    .venv/bin/python benchmarks/rft_or_sft.py                           # draw the stored figures again
    .venv/bin/python benchmarks/rft_or_sft.py runs/rft_vs_sft.jsonl     # store those of the recipe, and draw them

Shares are means over the seeds. Their intervals, and those of the differences, are over the held-out problems, which are
the same for all seeds; between seeds lie other bases and other labelled problems as well.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import combinations, groupby
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib
import torch
from matplotlib import pyplot
from matplotlib.patches import FancyBboxPatch

from rlframework.functional.confidence import grouped_interval, paired_bootstrap
from table import facts

ROOT = Path(__file__).parents[1]
RESULTS, IMAGES = ROOT / "benchmarks" / "results" / "rft_vs_sft.json", ROOT / "docs" / "images"
BUDGETS = (20_000, 50_000, 200_000)
COLOURS = {
    "SFT on answers": "#8a93a3",
    "SFT on workings": "#e08a1e",
    "GRPO": "#2f6fde",
    "SFT on workings, then GRPO": "#7b3fb5",
    "GRPO without labels": "#2a9d6f",
}


def summary(lines: list[dict[str, Any]], tuning: int) -> dict[str, Any]:
    """Return the figures of each start, way and number of labels, and the differences between the ways."""
    judged = [line for line in lines if line["seed"] != tuning]
    rows = [row_of(list(runs)) for _, runs in groupby(sorted(judged, key=_place), key=_place)]
    return {**facts(), "heldout": len(judged[0]["right"]), "rows": rows, "differences": list(_differences(judged))}


def _place(line: dict[str, Any]) -> tuple[str, int, str]:
    return line["start"], line["labels"], line["way"]


def row_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of one way, with so many labels, over its seeds."""
    start, labels, way = _place(runs[0])
    right = torch.tensor([run["right"] for run in runs]).float().mean(0)
    steps = range(len(runs[0]["spent"]))
    return {
        "start": start,
        "labels": labels,
        "way": way,
        "phases": runs[0]["phases"],
        "seeds": [run["seed"] for run in runs],
        "heldout": [run["heldout"][run["best"]] for run in runs],
        "interval": grouped_interval(right.tolist(), len(runs)),
        "labelled": fmean(run["labelled"][run["best"]] for run in runs),
        "last": fmean(run["heldout"][-1] for run in runs),
        "step": [run["spent"][run["best"]][0] for run in runs],
        "tokens": fmean(run["spent"][run["best"]][1] for run in runs),
        "seconds": fmean(run["spent"][run["best"]][2] for run in runs),
        "within": {budget: fmean(within(run, budget) for run in runs) for budget in BUDGETS},
        "curve": [[fmean(run["spent"][i][1] for run in runs), fmean(run["heldout"][i] for run in runs)] for i in steps],
    }


def within(run: dict[str, Any], budget: int) -> float:
    """Return the held-out accuracy of the step that validation would choose of those that a budget of tokens allows."""
    affordable = [number for number, (_, tokens, _) in enumerate(run["spent"]) if tokens <= budget]
    return run["heldout"][max(affordable, key=run["validation"].__getitem__)]


def _differences(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    by_start = groupby(sorted(lines, key=_place), key=lambda line: line["start"])
    for start, runs in by_start:
        right: dict[tuple[str, int], list[list[int]]] = {}
        for run in runs:
            right.setdefault((run["way"], run["labels"]), []).append(run["right"])
        for (first, second) in combinations(right, 2):
            if first[1] == second[1] or 0 in (first[1], second[1]):
                means = [torch.tensor(right[which]).float().mean(0) for which in (first, second)]
                found = paired_bootstrap(means[1] - means[0])
                yield {
                    "start": start, "first": first, "second": second,
                    **{name: round(float(value), 4) for name, value in found._asdict().items()},
                }


def draw(figures: dict[str, Any], picture: Path) -> None:
    """Draw accuracy against labels and against tokens, a line of panels for each start."""
    starts = {"primed": "primed: right now and then", "base": "base: never in the layout asked for"}
    figure, panels = pyplot.subplots(len(starts), 2, figsize=(9.5, 8), sharey=True)
    for line, (start, title) in zip(panels, starts.items(), strict=True):
        rows = [row for row in figures["rows"] if row["start"] == start]
        _against_labels(line[0], rows)
        _against_tokens(line[1], rows)
        line[0].set_ylabel(f"{title}\nheld-out accuracy", fontsize=11)
    handles, names = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=3, fontsize=10, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)


def _against_labels(panel: Any, rows: list[dict[str, Any]]) -> None:
    places = {labels: place for place, labels in enumerate(sorted({row["labels"] for row in rows}))}
    for shift, (way, colour) in enumerate(COLOURS.items()):
        mine = sorted((row for row in rows if row["way"] == way), key=lambda row: row["labels"])
        x = [places[row["labels"]] + 0.08 * (shift - 2) for row in mine]
        shares = [fmean(row["heldout"]) for row in mine]
        bounds = [[share - row["interval"][0], row["interval"][1] - share] for share, row in zip(shares, mine, strict=True)]
        panel.errorbar(x, shares, yerr=list(zip(*bounds, strict=True)), color=colour, marker="o", capsize=3, label=way)
        for place, row in zip(x, mine, strict=True):
            panel.scatter([place] * len(row["heldout"]), row["heldout"], color=colour, s=9, alpha=0.5)
    panel.set_xticks(list(places.values()), [str(labels) for labels in places])
    panel.set_xlabel("labelled problems")
    panel.set_ylim(-0.03, 1.03)
    panel.grid(alpha=0.25)


def _against_tokens(panel: Any, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        tokens, shares = zip(*row["curve"][1:], strict=True)
        style = "--" if row["labels"] == 8 else "-"
        panel.plot(tokens, shares, style, color=COLOURS[row["way"]], marker="o", markersize=3)
    panel.set_xscale("log")
    panel.set_xlabel("tokens through the model (dashed: 8 labelled problems)")
    panel.grid(alpha=0.25)
