"""`make figures` makes every picture of the docs: a line for each, and stored figures are there to be drawn."""

import re
from pathlib import Path

import pytest

from tests.forked import run

ROOT = Path(__file__).parents[1]
RECIPE = (ROOT / "Makefile").read_text().partition("\nfigures:")[2].partition("\n\n")[0]
# What is drawn of a run that is made just before is not stored.
STORED = [line for line in re.findall(r"python (benchmarks/\S+)(.*) # (.*)", RECIPE) if "build/" not in line[1]]


def test_every_picture_has_its_line():
    pictures = {path.name for path in (ROOT / "docs" / "images").glob("*.png")}
    assert pictures == set(re.findall(r"\w+\.png", re.sub(r"\S*/curves\.png", "", RECIPE)))


@pytest.mark.parametrize(("script", "options", "pictures"), STORED, ids=[script for script, *_ in STORED])
def test_stored_figures_are_drawn_again(script, options, pictures, tmp_path):
    for stored in (ROOT / "docs" / "images").glob("*.json"):
        (tmp_path / stored.name).write_bytes(stored.read_bytes())
    done = run(script, *options.split(), "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.glob("*.png")} == set(pictures.split())
