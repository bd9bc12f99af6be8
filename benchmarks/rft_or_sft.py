"""What recipes/rft_vs_sft.py found, in one picture and tables; and the chart that says which way to take.

    .venv/bin/python benchmarks/rft_or_sft.py                           # draw the stored figures again
    .venv/bin/python benchmarks/rft_or_sft.py runs/rft_vs_sft.jsonl     # store those of the recipe, and draw them

Shares are means over the seeds. Intervals, also those of the differences, are over the held-out problems, which are the
same for all seeds; between the seeds lie other bases and other labelled problems as well, which they do not cover.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import combinations, groupby
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib
import torch
from matplotlib import pyplot

from rlframework.functional.confidence import grouped_interval, paired_bootstrap
from table import facts

ROOT = Path(__file__).parents[1]
RESULTS, IMAGES = ROOT / "benchmarks" / "results" / "rft_vs_sft.json", ROOT / "docs" / "images"
TUNING = 10  # the seed on which the recipe chooses
BUDGETS = (20_000, 60_000, 120_000, 250_000)
COLOURS = {
    "SFT on answers": "#8a93a3",
    "SFT on workings": "#e08a1e",
    "GRPO": "#2f6fde",
    "GRPO without labels": "#2a9d6f",
    "SFT on workings, then GRPO": "#7b3fb5",
    "SFT on workings, then GRPO without labels": "#c2417c",
}
STARTS, WAYS = ["primed", "base"], [*COLOURS]


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of each start, way and number of labels, the differences between the ways, and the choices."""
    judged = [line for line in lines if line["seed"] != TUNING]
    rows = [row_of(list(runs)) for _, runs in groupby(sorted(judged, key=_place), key=_place)]
    choices = [
        {**{name: line[name] for name in ("start", "way", "labels", "phases")}, **_at_best(line)}
        for line in lines
        if line["seed"] == TUNING
    ]
    heldout = len(judged[0]["right"])
    return {**facts(), "heldout": heldout, "rows": rows, "differences": list(differences(judged)), "choices": choices}


def _at_best(line: dict[str, Any]) -> dict[str, Any]:
    return {"step": line["spent"][line["best"]][0], "validation": line["validation"][line["best"]]}


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
        "last": {name: fmean(run[name][-1] for run in runs) for name in ("labelled", "heldout")},
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


def differences(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield how much more the second way has right than the first, over the seeds that both were run with.

    Ways are paired that have the same start, and the same labels or none.
    """
    for start, runs in groupby(sorted(lines, key=_place), key=lambda line: line["start"]):
        right: dict[tuple[str, int], dict[int, list[int]]] = {}
        for run in runs:
            right.setdefault((run["way"], run["labels"]), {})[run["seed"]] = run["right"]
        for first, second in combinations(right, 2):
            seeds = sorted(right[first].keys() & right[second].keys())
            if seeds and (first[1] == second[1] or 0 in (first[1], second[1])):
                means = [torch.tensor([right[way][seed] for seed in seeds]).float().mean(0) for way in (first, second)]
                found = paired_bootstrap(means[1] - means[0])._asdict()
                rounded = {name: round(float(value), 4) for name, value in found.items()}
                yield {"start": start, "first": first, "second": second, "seeds": seeds, **rounded}


def tables(figures: dict[str, Any]) -> str:
    """Return the figures as the tables of docs/rft_or_sft.md: each start's, then those within a budget, then pairs."""
    rows = sorted(figures["rows"], key=lambda row: (STARTS.index(row["start"]), WAYS.index(row["way"]), row["labels"]))
    spent = [[*_named(row), *_shares(row), *_costs(row)] for row in rows]
    within = [[*_named(row), *(f"{share:.3f}" for share in row["within"].values())] for row in rows]
    pairs = [
        [pair["start"], *(f"{way}, {labels}" for way, labels in (pair["first"], pair["second"])), _interval(pair)]
        for pair in figures["differences"]
    ]
    choices = [
        [*_named(choice), choice["phases"], choice["step"], choice["validation"]] for choice in figures["choices"]
    ]
    costs = ("labelled problems", "both at the last step", "steps", "thousand tokens", "seconds")
    return "\n\n".join(
        (
            markdown(("start", "method", "labels", "held out, by seed", "mean", "95 % interval", *costs), spent),
            markdown(("start", "method", "labels", *(f"{budget:,} tokens" for budget in BUDGETS)), within),
            markdown(("start", "from", "to", "difference"), pairs),
            markdown(("start", "method", "labels", "steps and rate", "best step", "validation"), choices),
        )
    )


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table of Markdown."""
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows))


def _named(row: dict[str, Any]) -> list[Any]:
    return [row["start"], row["way"], row["labels"]]


def _shares(row: dict[str, Any]) -> list[str]:
    low, high = row["interval"]
    seeds = " / ".join(f"{share:.3f}" for share in row["heldout"])
    return [seeds, f"**{fmean(row['heldout']):.3f}**", f"{low:.3f} - {high:.3f}"]


def _costs(row: dict[str, Any]) -> list[str]:
    steps, last = " / ".join(map(str, row["step"])), row["last"]
    spent = [f"{row['tokens'] / 1000:.0f}", f"{row['seconds']:.1f}"]
    return [f"{row['labelled']:.2f}", f"{last['labelled']:.2f}, {last['heldout']:.3f}", steps, *spent]


def _interval(pair: dict[str, Any]) -> str:
    return f"{pair['mean']:+.3f} ({pair['low']:+.3f} to {pair['high']:+.3f})"


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
    figure.legend(handles, names, loc="lower center", ncols=2, fontsize=10, frameon=False)
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)


def _against_labels(panel: Any, rows: list[dict[str, Any]]) -> None:
    places = {labels: place for place, labels in enumerate(sorted({row["labels"] for row in rows}))}
    for shift, (way, colour) in enumerate(COLOURS.items()):
        mine = sorted((row for row in rows if row["way"] == way), key=lambda row: row["labels"])
        x = [places[row["labels"]] + 0.07 * (shift - 2.5) for row in mine]
        shares = [fmean(row["heldout"]) for row in mine]
        bounds = [
            [share - row["interval"][0], row["interval"][1] - share] for share, row in zip(shares, mine, strict=True)
        ]
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


# Boxes of the chart: middle, text, and the colour of what it is: a question, or what to do.
ASK, DO, NEITHER = "#eef3fd", "#dff3ea", "#f3f0ea"
BOXES: dict[str, tuple[float, float, str, str]] = {
    "rule": (0.30, 0.92, "Can a rule check an answer?\na gold, a test to run, a verifier", ASK),
    "shown": (0.78, 0.92, "Are there good worked examples?", ASK),
    "copy": (0.66, 0.73, "SFT on them", DO),
    "people": (0.90, 0.73, "neither:\npreferences", NEITHER),
    "sampled": (
        0.30,
        0.66,
        "Is one of its answers right now and then,\nin the layout asked for?\nrlframework probe: pass@8",
        ASK,
    ),
    "few": (0.76, 0.50, "Are there worked solutions?", ASK),
    "prime": (0.66, 0.20, "SFT on them;\nGRPO once it is\nright now\nand then", DO),
    "easier": (0.90, 0.20, "easier problems,\nor examples\nin the prompt;\nprobe again", NEITHER),
    "cost": (0.26, 0.38, "Are there worked solutions,\nand is compute short?", ASK),
    "short": (0.12, 0.12, "SFT on them,\nstopped by\nvalidation", DO),
    "reinforce": (0.38, 0.12, "GRPO on the rule,\nwith answers\nalone", DO),
}
ARROWS = [
    ("rule", "shown", "no"),
    ("shown", "copy", "yes"),
    ("shown", "people", "no"),
    ("rule", "sampled", "yes"),
    ("sampled", "few", "no"),
    ("few", "prime", "yes"),
    ("few", "easier", "no"),
    ("sampled", "cost", "yes"),
    ("cost", "short", "yes"),
    ("cost", "reinforce", "no"),
]


def draw_chart(picture: Path) -> None:
    """Draw the questions that decide, and where each answer leads."""
    figure, panel = pyplot.subplots(figsize=(9.5, 7.2))
    panel.set(xlim=(0, 1), ylim=(0, 1))
    panel.axis("off")
    boxes = {
        name: panel.annotate(
            text,
            (x, y),
            ha="center",
            va="center",
            fontsize=12,
            fontweight="bold" if colour == DO else None,
            bbox={"boxstyle": "round,pad=0.5", "facecolor": colour, "edgecolor": "#5b6472"},
        )
        for name, (x, y, text, colour) in BOXES.items()
    }
    figure.canvas.draw()
    for start, end, answer in ARROWS:
        (x, y, *_), (to_x, to_y, *_) = BOXES[start], BOXES[end]
        patches = {"patchA": boxes[start].get_bbox_patch(), "patchB": boxes[end].get_bbox_patch()}
        arrow = {"arrowstyle": "-|>", "color": "#5b6472", "shrinkA": 0, "shrinkB": 0, **patches}
        panel.annotate("", (to_x, to_y), (x, y), arrowprops=arrow)
        blank = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        panel.text((x + to_x) / 2, (y + to_y) / 2, answer, fontsize=11, ha="center", va="center", bbox=blank)
    figure.savefig(picture, dpi=110, bbox_inches="tight")
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="?", help="rft_vs_sft.jsonl of the recipe, to be stored")
    parser.add_argument("--output", type=Path, default=IMAGES, help="folder of the pictures (default: docs/images)")
    options = parser.parse_args()
    matplotlib.use("Agg")
    if options.runs:
        lines = [json.loads(line) for line in options.runs.read_text().splitlines()]
        RESULTS.write_text(json.dumps(summary(lines), indent=1) + "\n")
    figures = json.loads(RESULTS.read_text())
    print(tables(figures))
    draw(figures, options.output / "rft_or_sft.png")
    draw_chart(options.output / "rft_or_sft_chart.png")


if __name__ == "__main__":
    main()
