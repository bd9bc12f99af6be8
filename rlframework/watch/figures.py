"""Figures of a metrics.csv that is read as it grows; those of steps that a resumed run takes back are forgotten."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable

from rlframework.metrics.figure_names import with_new_names


class Figures:
    """Gathers the rows of a ``metrics.csv``: by the name of a figure its values by optimizer step.

    A figure of an earlier step than the one before is a resumed run's: what that figure was from there on has been
    taken back, and is forgotten.

    Example:
        >>> figures = Figures()
        >>> figures.add([b"epoch,step,val/accuracy", b"0,9,0.25", b"0,19,0.5", b"0,14,0.3"])
        >>> figures.points()
        {'val/accuracy': {10: 0.25, 15: 0.3}}
    """

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._points: dict[str, dict[int, float]] = {}

    def add(self, lines: Iterable[bytes]) -> None:
        """Take the next lines of the file; the first of all has the names.

        Args:
            lines: Whole ones. A cell that is no finite number is left out, and so is a row without a step.
        """
        for cells in csv.reader(line.decode(errors="replace") for line in lines):
            if not self._columns:
                self._columns = cells
                continue
            numbers = zip(self._columns, map(_number, cells), strict=False)
            row = {name: value for name, value in numbers if value is not None}
            if "step" in row:
                self._add(int(row.pop("step")) + 1, row)

    def _add(self, step: int, row: dict[str, float]) -> None:
        row.pop("epoch", None)
        for name, value in row.items():
            points = self._points.setdefault(name, {})
            if points and step < next(reversed(points)):
                self._points[name] = points = {one: value for one, value in points.items() if one < step}
            points[step] = value

    def points(self) -> dict[str, dict[int, float]]:
        """Return a copy: values by optimizer step, by the name that the figure has today."""
        return with_new_names({name: dict(points) for name, points in self._points.items()}, "train/")


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
