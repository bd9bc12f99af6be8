"""What a step costs here and in TRL as prompts, groups or completions grow: a picture each, its figures beside it.

    make bench-plots                        # some minutes; ARGS="--redraw" draws the figures of last time

The tiny model; 4 prompts x 8 completions of 44 tokens on average behind prompts of 256, but for what a picture varies.
Medians over the steps of one run, the first left out; how it is measured is said in against_trl.py.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot

from against_trl import compare, prepare_process
from table import facts
from work import PROMPTS, Shape

BASE = Shape("tiny", prompt=256)
# Axis: what is varied, its values, and how it is called.
AXES: dict[str, tuple[list[int], str]] = {
    "prompt": ([32, 64, 128, 256, 512, 1024], "prompt length (tokens)"),
    "group": ([2, 4, 8, 16], "group size (completions per prompt)"),
    "completion": ([16, 32, 64, 128, 256], "mean completion length (tokens)"),
}
PANELS = {
    "update": "forward + backward (s)",
    "rollout": "rollout (s)",
    "peak_mib": "peak memory above the start (MiB)",
}
LINES = {"trl": ("TRL", "#8a93a3", "o"), "rlframework": ("rlframework", "#2f6fde", "s")}
IMAGES = Path(__file__).parents[1] / "docs" / "images"


def sweep(axis: str, steps: int) -> dict[str, Any]:
    """Measure both sides at every value of an axis."""
    points = []
    for value in AXES[axis][0]:
        varied: dict[str, Any] = {axis: value}
        costs = compare(replace(BASE, **varied), runs=1, steps=steps)["median"]
        points.append({**varied, **{side: {part: costs[side][part] for part in PANELS} for side in LINES}})
        print(f"{axis} {value} done", flush=True)
    return {**facts(), "model": BASE.body, "prompts": PROMPTS, "steps": steps, "base": vars(BASE), "points": points}


def draw(axis: str, figures: dict[str, Any], picture: Path) -> None:
    """Draw one panel for each cost, both scales logarithmic: equal distances are equal ratios."""
    values = [point[axis] for point in figures["points"]]
    figure, panels = pyplot.subplots(1, len(PANELS), figsize=(12, 3.6))
    for panel, (part, title) in zip(panels, PANELS.items(), strict=True):
        for side, (label, colour, marker) in LINES.items():
            costs = [point[side][part] for point in figures["points"]]
            panel.plot(values, costs, label=label, color=colour, marker=marker, linewidth=2)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_xticks(values, [str(value) for value in values])
        panel.set_xlabel(AXES[axis][1])
        panel.set_ylabel(title)
        panel.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:g}"))
        panel.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        panel.grid(alpha=0.25)
    panels[0].legend(framealpha=0.6)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=IMAGES, help="folder of the pictures (default: docs/images)")
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES), help="what to vary (default: all)")
    parser.add_argument("--steps", type=int, default=3, help="measured steps at each point")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--redraw", action="store_true", help="draw the figures that are there, measure nothing")
    options = parser.parse_args()
    matplotlib.use("Agg")
    options.output.mkdir(parents=True, exist_ok=True)
    if not options.redraw:
        prepare_process(options.threads)
    for axis in options.axes:
        data = options.output / f"cost_by_{axis}.json"
        if not options.redraw:
            data.write_text(json.dumps(sweep(axis, options.steps), indent=2) + "\n")
        draw(axis, json.loads(data.read_text()), data.with_suffix(".png"))
        print(f"{data.with_suffix('.png')}, figures in {data.name}")


if __name__ == "__main__":
    main()
