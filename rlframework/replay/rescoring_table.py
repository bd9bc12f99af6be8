"""A rescoring in the terminal: sides that change, groups that gain or lose spread, ranks, and examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rlframework.replay.rescoring import Rescoring, Sides
from rlframework.utilities.harmless import harmless
from rlframework.utilities.imports import require


def print_rescoring(found: Rescoring, paid_above: float = 0.0, examples: int = 3, console: Any = None) -> None:
    """Print what another reward would have done to a run.

    Args:
        found: The run under the other reward.
        paid_above: A reward above it pays.
        examples: How many completions are shown, those whose advantage changes most.
        console: Of rich; by default a new one.

    Raises:
        ImportError: rich is not installed.
    """
    out = console or require("rich.console", "report").Console(highlight=False)
    groups, rollouts = len(found.rows) // found.group_size, len({row.rollout for row in found.rows})
    out.print(
        f"{len(found.rows):,} completions in {groups:,} groups of {rollouts:,} rollouts, judged by {found.reward}",
        markup=False,
    )
    means = [values[~values.isnan()].mean().item() for values in (found.before, found.now)]
    out.print(f"mean reward {means[0]:.4g} before, {means[1]:.4g} now")
    out.print(
        _table(f"completions paid (above {paid_above:g})", found.paid(paid_above), ("paid", "unpaid", "abstains"))
    )
    out.print(_table("completions pushed", found.pushed(), ("up", "down", "not at all", "abstains")))
    out.print(_table("groups by the spread of their rewards", found.spread(), ("spread", "none")))
    ranks = [f"{name} {_rank(found.correlation(name == 'advantages'))}" for name in ("rewards", "advantages")]
    out.print(f"rank correlation of before and now: {', '.join(ranks)}")
    if found.failures:
        place, reason = found.failures[0]
        out.print(
            f"{len(found.failures):,} checks failed; the first, of completion {place}: {harmless(reason)}",
            style="red",
            markup=False,
        )
    for row in found.most_changed(examples):
        out.print(
            f"\nrollout {row.rollout}, prompt {row.completion.prompt.index}: reward {row.before:.4g} -> {row.now:.4g}, "
            f"advantage {row.advantage_before:.3g} -> {row.advantage_now:.3g}",
            style="bold",
        )
        out.print(harmless(row.completion.prompt.text), style="dim", markup=False)
        out.print(harmless(row.completion.transcript), markup=False)


def _table(title: str, sides: Sides, names: Sequence[str]) -> Any:
    """Return a table with a row for each side before, and a column for each side now."""
    present = [name for name in names if any(name in pair for pair in sides)]
    table = require("rich.table", "report").Table(title=title, title_justify="left")
    table.add_column("before")
    for name in present:
        table.add_column(f"now {name}", justify="right")
    for before in present:
        cells = [(f"{sides[before, now]:,}", "" if before == now else "bold") for now in present]
        table.add_row(before, *(f"[{style}]{cell}[/]" if style and cell != "0" else cell for cell, style in cells))
    return table


def _rank(value: float) -> str:
    return "unknown, as one of them is constant" if math.isnan(value) else f"{value:.3f}"
