"""The tables of docs/algorithms/index.md have a line for all that is compared; ``make tables`` writes them anew."""

import os

from tests.trl.cases import SETTINGS
from tests.trl.rows import ROWS, row_of
from tests.trl.table import BEGIN, END, PAGE, names, render, unlisted_levels


def test_every_algorithm_and_option_of_the_matrix_has_its_line():
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    table, end, after = rest.partition(END)
    assert begin
    assert end
    if os.environ.get("RLFRAMEWORK_WRITE_TABLE"):
        table = render()
        PAGE.write_text(before + begin + table + end + after)
    lines = [
        line.split(" | ")[:3]
        for line in table.splitlines()
        if line.startswith("| `") or "NaN" in line or "twice" in line
    ]
    found = [(ours.removeprefix("| "), theirs, int(cases)) for ours, theirs, cases in lines]
    assert found == names(), "the tables are of another matrix: write them with `make tables`"


def test_nothing_of_the_matrix_is_left_out():
    assert {row_of(setting) for setting in SETTINGS.values()} == ROWS.keys()
    assert not unlisted_levels()
