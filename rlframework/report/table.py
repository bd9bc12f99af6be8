"""The before/after comparison, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlframework.report.evaluation import Evaluation
from rlframework.utilities.imports import require

LONGEST_LINE = 32


def print_comparison(evaluations: Sequence[Evaluation], caption: str = "") -> None:
    """Print one row per evaluation: each measure with its 95 % interval, and n.

    Args:
        evaluations: Rows measured on the same prompts with the same sampler.
        caption: Said below the table, such as what was held fixed.

    Raises:
        ImportError: rich is not installed.
    """
    table = require("rich.table", "report").Table(caption=caption or None, caption_style="dim")
    table.add_column("")
    for measure in evaluations[0].scores:
        table.add_column(measure, justify="right")
        table.add_column("95 % interval", justify="center", style="dim")
    table.add_column("n", justify="right")
    for row in evaluations:
        cells = []
        for measure in row.scores:
            low, high = row.interval(measure)
            cells += [f"{row.share(measure):.3f}", f"{low:.3f} - {high:.3f}"]
        table.add_row(row.name, *cells, str(row.n))
    require("rich.console", "report").Console().print(table)


def print_figures(figures: Mapping[str, Mapping[str, Any]], caption: str = "") -> None:
    """Print the figures of one evaluation: a row for each measure, and for each k of its pass@k and maj@k.

    Args:
        figures: As `Evaluation.figures` returns them.
        caption: Said below the table.

    Raises:
        ImportError: rich is not installed.
    """
    table = require("rich.table", "report").Table()
    table.add_column("measure")
    table.add_column("mean", justify="right")
    table.add_column("95 % interval", justify="center", style="dim")
    for name, found in figures.items():
        lines = [(name, found["mean"], found.get("interval"))]
        for kind, label in (("pass_at_k", "pass@"), ("maj_at_k", "maj@")):
            lines += [(f"  {label}{k}", one["share"], one["interval"]) for k, one in found.get(kind, {}).items()]
        for label, mean, interval in lines:
            table.add_row(label, f"{mean:.3f}", "{:.3f} - {:.3f}".format(*interval) if interval else "")
    console = require("rich.console", "report").Console(highlight=False)
    console.print(table)
    console.print(caption, style="dim", markup=False)


def print_examples(evaluations: Sequence[Evaluation], measure: str, count: int = 3) -> None:
    """Print what each evaluation answered to the same few prompts, with the verdict of one measure.

    The first prompts of the set are shown, not chosen ones.

    Args:
        evaluations: Of the same prompts; a column for each.
        measure: Name of the measure that says what is right.
        count: How many prompts to show.

    Raises:
        ImportError: rich is not installed.
    """
    markup = require("rich.markup", "report")
    table = require("rich.table", "report").Table(title="The first held-out problems", show_lines=True)
    problems = [str(row.prompt.column("prompt")) for row in evaluations[0].completions.rows[:count]]
    # A formula is read in one piece; a text takes its share of the width.
    table.add_column("problem", no_wrap=max(map(len, problems), default=0) <= LONGEST_LINE, overflow="fold")
    for row in evaluations:
        table.add_column(row.name, overflow="fold")
    for number in range(min(count, evaluations[0].n)):
        cells = []
        for row in evaluations:
            right = row.scores[measure].flatten()[number] == 1
            sign = "[green]right[/green]" if right else "[red]wrong[/red]"
            cells.append(f"{markup.escape(row.completions.rows[number].text)}\n{sign}")
        table.add_row(markup.escape(problems[number]), *cells)
    require("rich.console", "report").Console().print(table)
