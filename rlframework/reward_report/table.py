"""The reward report in the terminal."""

from __future__ import annotations

from typing import Any

from rlframework.reward_report.probes import Expects
from rlframework.reward_report.result import Mistake, ProbeResult, RewardReport
from rlframework.utilities.imports import require

SHOWN_CHARACTERS = 160


def report_table(report: RewardReport) -> Any:
    """Return a table with a row for every probe, by family.

    Raises:
        ImportError: rich is not installed.
    """
    table = require("rich.table", "report").Table(
        title=f"{report.reward} on {report.rows} rows",
        title_style="bold",
        pad_edge=False,
        caption=_caption(report),
        box=require("rich.box", "report").SIMPLE_HEAD,
    )
    table.add_column("probe", no_wrap=True)
    for column in ("rows", "accepted", "none", "wrong", "mean"):
        table.add_column(column, justify="right", no_wrap=True)
    families = list(dict.fromkeys(result.family for result in report.results))
    for family in families:
        table.add_section()
        inside = [result for result in report.results if result.family == family]
        due = "accept" if inside[0].expects is Expects.ACCEPT else "refuse"
        table.add_row(f"[bold]{due}: {family}[/bold]")
        for result in inside:
            table.add_row(*_cells(result))
    return table


def _caption(report: RewardReport) -> str:
    unusable = f"; {len(report.unusable)} more rows have no usable answer" if report.unusable else ""
    unjudged = f"; the right answers of {report.unjudged} rows got no score" if report.unjudged else ""
    return f"accepted is a score above {report.accept_above:g}: {report.threshold}{unusable}{unjudged}"


def _cells(result: ProbeResult) -> list[str]:
    escape = require("rich.markup", "report").escape
    colour = "red" if result.wrong or result.failed else "green"
    wrong = f"{result.wrong} ({result.rate:.0%})" if result.wrong else "0"
    silent = result.abstained + result.failed
    return [
        f"  {escape(result.probe)}",
        str(result.rows),
        str(result.accepted),
        f"[red]{silent}[/red]" if result.failed else str(silent or "-"),
        f"[{colour}]{wrong}[/{colour}]",
        "-" if result.mean_score is None else f"{result.mean_score:.2f}",
    ]


def print_reward_report(report: RewardReport, max_false_refusals: float = 0.0, examples: int = 8) -> None:
    """Print the table, the worst example of the probes that went wrong, and the verdict.

    Args:
        report: What to print.
        max_false_refusals: Share of refused right answers to put up with.
        examples: At most so many.

    Raises:
        ImportError: rich is not installed.
    """
    console = require("rich.console", "report").Console()
    escape = require("rich.markup", "report").escape
    console.print(report_table(report))
    wrong = sorted((result for result in report.results if result.mistakes), key=lambda result: -result.rate)
    for result in wrong[:examples]:
        deed = "refused" if result.expects is Expects.ACCEPT else "accepted"
        console.print(f"[red]{deed}[/red]  {escape(result.probe)}: {escape(_example(result.mistakes[0]))}")
    if len(wrong) > examples:
        console.print(f"[dim]and {len(wrong) - examples} more probes; the page shows them all[/dim]")
    partly = [f"{probe} ({share:.0%})" for probe, share in report.paid_in_part().items()]
    if partly:
        console.print(f"refused, and paid a part of a right answer all the same: {escape(', '.join(partly))}")
    problems = list(report.problems(max_false_refusals))
    for problem in problems:
        console.print(f"[bold red]{escape(problem)}[/bold red]")
    if not problems:
        rows = f"{report.rows - report.unjudged:,} of {report.rows + len(report.unusable):,} rows"
        tried = f"{len(report.results)} probes on {rows}"
        console.print(f"[bold green]fit for training as far as {tried} can tell[/bold green]")


def _example(mistake: Mistake) -> str:
    text = mistake.completion
    if len(text) > SHOWN_CHARACTERS:
        half = SHOWN_CHARACTERS // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return f"score {mistake.score:g}, expected {mistake.gold!r}, completion {text!r}"
