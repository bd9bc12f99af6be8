"""A probe in the terminal."""

from __future__ import annotations

from rlframework.report.evaluation import is_share, tries
from rlframework.report.probing.measure import ProbeReport
from rlframework.utilities.imports import require

SHOWN_ANSWERS, SHOWN_CHARACTERS = 3, 200


def print_probe(report: ProbeReport) -> None:
    """Print a few answers, a row for every measure, what a rollout costs, and the verdict.

    Raises:
        ImportError: rich is not installed.
    """
    console = require("rich.console", "report").Console(highlight=False)
    escape = require("rich.markup", "report").escape
    found, size = report.evaluation, report.evaluation.completions.group_size
    for group in list(found.completions.groups())[:SHOWN_ANSWERS]:
        row = group[0]
        console.print(f"[dim]{escape(_short(row.prompt.text, last=True))}[/dim]")
        console.print(f"  {escape(_short(row.text))}{' [red](cut)[/red]' * row.truncated}")
    columns = tries(size)
    table = require("rich.table", "report").Table(box=require("rich.box", "report").SIMPLE_HEAD, pad_edge=False)
    table.add_column("measure", no_wrap=True)
    for name in ("mean", "spread", "abstained", *(f"pass@{k}" for k in columns)):
        table.add_column(name, justify="right")
    for name, scores in found.scores.items():
        passes = [f"{found.pass_at_k(name, k):.2f}" if is_share(found, name) else "" for k in columns]
        abstained = scores.isnan().float().mean().item()
        spread = f"{found.groups_with_spread(name):.0%}"
        table.add_row(name, f"{found.share(name):.3f}", spread, f"{abstained:.0%}" if abstained else "-", *passes)
    console.print(table)
    prompts = found.completions.num_groups
    console.print(
        f"{prompts} prompts x {size} = {found.n} completions of {found.length:.1f} tokens on the average; "
        f"{found.truncated:.0%} were cut at {report.max_tokens}. Spread is the share of groups whose scores differ."
    )
    console.print(
        f"A rollout of {report.rollout_prompts} x {size}: {report.tokens:,.0f} tokens in {report.seconds:.1f} s "
        f"({report.tokens / report.seconds:,.0f} a second), {report.peak_bytes / 2**20:,.0f} MiB above the policy."
    )
    console.print(f"[bold]{escape(report.verdict)}[/bold]")


def _short(text: str, last: bool = False) -> str:
    line = " ".join(text.split())
    if len(line) <= SHOWN_CHARACTERS:
        return line
    return f"... {line[-SHOWN_CHARACTERS:]}" if last else f"{line[:SHOWN_CHARACTERS]} ..."
