"""A curve of dots: as wide and as high as was asked for, rising where the figure rises, a mean where it is crowded."""

from __future__ import annotations

import random

import pytest

from rlframework.watch.curve import curve


def dots(lines):
    """Return the highest dot of each column of characters, counted from the bottom."""
    rows = [line.plain for line in lines[1:-1]]
    heights = {}
    for above, row in enumerate(reversed(rows)):
        heights |= {place: above for place, letter in enumerate(row) if 0x2800 < ord(letter) <= 0x28FF}
    return heights


@pytest.mark.parametrize(
    "points", [{}, {5: 1.0}, {1: 0.0, 2: 0.0}, {1: 1e-9, 7: -1e9, 900: 3.0}, {s: float(s) for s in range(5000)}]
)
@pytest.mark.parametrize(("width", "height"), [(24, 4), (39, 7), (80, 12)])
def test_it_is_as_wide_and_high_as_asked(points, width, height):
    lines = curve("train/reward/total", points, width, height)
    assert [line.cell_len for line in lines] == [width] * height


def test_it_rises_where_the_figure_rises():
    heights = dots(curve("figure", {step: step**2 for step in range(1, 40)}, 40, 10))
    ordered = [heights[place] for place in sorted(heights)]
    assert ordered == sorted(ordered)
    assert (ordered[0], ordered[-1]) == (0, 7)


def test_a_crowded_figure_is_drawn_as_its_mean():
    noise = random.Random(0)
    lines = curve("figure", {step: step / 1e5 + noise.choice((-1, 1)) for step in range(100_000)}, 40, 10)
    high, low = (float(lines[place].plain.split()[0]) for place in (1, -2))
    assert -0.1 < low < high < 1.1  # and not from -1 to 2, as the single values are


def test_it_says_name_latest_value_bounds_and_steps():
    lines = [line.plain for line in curve("val/accuracy", {10: 0.25, 30: 0.5, 20: 0.125}, 40, 6)]
    assert lines[0].split() == ["val/accuracy", "0.5"]
    assert (lines[1].split()[0], lines[-2].split()[0], lines[-1].split()) == ("0.5", "0.125", ["10", "30"])


def test_a_name_cannot_steer_the_terminal():
    assert "\x1b" not in curve("\x1b[2J", {1: 1.0}, 40, 5)[0].plain
