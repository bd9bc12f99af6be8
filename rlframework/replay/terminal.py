"""A replay in the terminal: figures beside the log's, and completions with their tokens in colour."""

from __future__ import annotations

from typing import Any

from rlframework.replay.result import Pair, Replay, ReplayedCompletion
from rlframework.replay.shading import chosen, clipped, shades
from rlframework.utilities.harmless import harmless
from rlframework.utilities.imports import require

_GREEN, _RED = (26, 127, 75), (194, 53, 43)


def print_replay(replayed: Replay, term: str = "advantage", groups: int | None = 2, console: Any = None) -> None:
    """Print a replay: its verdict, its figures beside the log's, and the first groups token by token.

    Args:
        replayed: The step.
        term: What tokens are coloured by, such as ``"advantage"`` or ``"ratio"``; what is clipped is underlined.
        groups: How many groups are shown; None shows all.
        console: Of rich; by default a new one.

    Raises:
        ImportError: rich is not installed.
        ValueError: The step has no such term.
    """
    out = console or require("rich.console", "report").Console(highlight=False)
    text = require("rich.text", "report").Text
    names = sorted(set().union(*(row.terms for row in replayed.completions)))
    if term not in names:
        raise ValueError(f"the tokens of this step have no {term!r}; they have {', '.join(names)}")
    out.print(f"Step {replayed.step}, rollout {replayed.rollout}. Weights: {replayed.weights}.", markup=False)
    out.print(text(replayed.verdict(), style="green" if replayed.same else "red" if replayed.exact else "yellow"))
    for remark in replayed.remarks:
        out.print(text(harmless(remark), style="dim"))
    out.print(_figures(replayed))
    every = dict(zip(map(id, replayed.completions), shades(replayed.completions, term), strict=True))
    out.print(f"\nTokens by {term}: green is up, red is down; underlined is clipped.", style="dim")
    for group in chosen(replayed, groups):
        out.print(text(f"\n{_lines(group[0].completion.prompt.text)}", style="dim"))
        for row in group:
            out.print(_head(row, text))
            out.print(_tokens(row, every[id(row)], text))
    shown = len(chosen(replayed, groups))
    if (total := len(replayed.completions) // replayed.group_size) > shown:
        out.print(f"\n{total - shown} more groups", style="dim")


def _figures(replayed: Replay) -> Any:
    table = require("rich.table", "report").Table()
    for title in ("figure", "in the log", "now", "difference"):
        table.add_column(title, justify="left" if title == "figure" else "right")
    for name, pair in replayed.figures.items():
        table.add_row(
            name, *map(_number, (pair.recorded, pair.now)), _difference(pair), style=None if pair.same else "red"
        )
    return table


def _head(row: ReplayedCompletion, text: Any) -> Any:
    parts = ", ".join(f"{name} {_changed(pair)}" for name, pair in row.rewards.items())
    line = f"reward {_changed(row.reward)} ({parts}), advantage {_changed(row.advantage)}, {row.completion.stop_reason}"
    return text(line, style="bold" if row.same else "bold red")


def _tokens(row: ReplayedCompletion, strengths: list[float], text: Any) -> Any:
    line = text(overflow="fold")
    for piece, strength, side, sampled in zip(row.pieces, strengths, clipped(row), row.completion.sampled, strict=True):
        style = f"on rgb({_mixed(strength)})" if sampled and strength else "" if sampled else "dim"
        line.append(harmless(piece).replace("⏎", "⏎\n"), style=f"{style} underline" if side else style)
    return line


def _lines(text: str) -> str:
    """Return a text whose lines stay lines."""
    return "\n".join(map(harmless, text.split("\n")))


def _mixed(strength: float) -> str:
    """Return the colour of a strength, darker the nearer it is to 0."""
    return ",".join(str(round(part * abs(strength))) for part in (_GREEN if strength > 0 else _RED))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _difference(pair: Pair) -> str:
    return "" if pair.recorded is None or pair.now is None else f"{pair.now - pair.recorded:.1g}"


def _changed(pair: Pair) -> str:
    now = _number(pair.now)
    return now if pair.same else f"{now} (was {_number(pair.recorded)})"
