"""A curve in the terminal, of braille dots: one figure over the optimizer steps, in a few lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rlframework.utilities.harmless import harmless
from rlframework.utilities.imports import require

if TYPE_CHECKING:
    from rich.text import Text

# Dots of a character: two beside each other, four on top of each other.
_ACROSS = 2


def curve(name: str, points: Mapping[int, float], width: int, height: int, style: str = "cyan") -> list[Text]:
    """Draw a figure: its name and latest value, the dots, and the steps below.

    Where there are more steps than dots beside each other, a dot is the mean of its steps, as a noisy figure would else
    be a band.

    Args:
        name: Of the figure.
        points: Its values by optimizer step.
        width: Columns.
        height: Lines, at least 4.
        style: Colour of the dots, as rich names it.

    Returns:
        ``height`` lines of ``width`` columns.

    Raises:
        ImportError: rich or plotille is not installed.
    """
    text, canvas = require("rich.text", "report").Text, require("plotille", "report").Canvas
    latest = number(points[max(points)]) if points else "-"
    title = text(harmless(name), style="bold")
    title.truncate(width - len(latest) - 1, overflow="ellipsis")
    title.pad_right(width - title.cell_len - len(latest))
    lines = [title.append(latest, style=f"bold {style}")]
    if not points:
        return [*lines, *(text(" " * width) for _ in range(height - 1))]
    dots = _thinned(points, width * _ACROSS)
    low, high = min(value for _, value in dots), max(value for _, value in dots)
    labels = [number(high) if high > low else "", *[""] * (height - 4), number(low)]
    margin = max(map(len, labels)) + 1
    columns = max(1, width - margin)
    steps = sorted(points)
    drawn = canvas(columns, height - 2, xmin=steps[0] - 0.5, xmax=steps[-1] + 0.5, ymin=low, ymax=_above(low, high))
    for before, after in zip([dots[0], *dots], dots, strict=False):
        drawn.line(*before, *after)
    for label, row in zip(labels, drawn.plot(linesep="\n").split("\n"), strict=True):
        lines.append(text.assemble((f"{label:>{margin - 1}} ", "dim"), (row.replace("\u2800", " "), style)))
    first, last = str(steps[0]), str(steps[-1])
    axis = first + " " * max(1, columns - len(first) - len(last)) + last if len(steps) > 1 else first
    lines.append(text(f"{' ' * margin}{axis}"[:width].ljust(width), style="dim"))
    return lines


def number(value: float) -> str:
    """Return a number in about three digits.

    Example:
        >>> number(0.98765), number(12.0), number(123456.0), number(1.2e-7)
        ('0.988', '12', '1.23e+05', '1.2e-07')
    """
    return f"{value:.3g}"


def _thinned(points: Mapping[int, float], most: int) -> list[tuple[float, float]]:
    """Return steps and values in their order; of more than so many, means of equally long parts."""
    ordered = sorted(points.items())
    if len(ordered) <= most:
        return [(float(step), value) for step, value in ordered]
    first, length = ordered[0][0], ordered[-1][0] - ordered[0][0] + 1
    parts: dict[int, list[tuple[int, float]]] = {}
    for step, value in ordered:
        parts.setdefault((step - first) * most // length, []).append((step, value))
    return [(sum(s for s, _ in part) / len(part), sum(v for _, v in part) / len(part)) for part in parts.values()]


def _above(low: float, high: float) -> float:
    """Return a bound that is a little above the highest value, as the canvas leaves out what lies on it."""
    return high + (high - low or abs(high) or 1.0) * 1e-6
