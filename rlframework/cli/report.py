"""``rlframework report``: one HTML page of a run, or of several side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

DESCRIPTION = """\
Write one HTML page of a run: its settings in words, curves, before and after with intervals, every held-out problem
that flipped, completions to sort and search, events, time and memory. Several runs are compared. The page needs nothing
else: it opens without a network, in any browser."""

EPILOG = """\
FOLDER is a run folder (with metrics.csv), or one above whose newest version_N is taken.
The exit status is 2 if the command cannot be carried out; else 0."""


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of ``rlframework report``."""
    options = argparse.ArgumentParser(
        prog="rlframework report",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("folders", nargs="+", metavar="FOLDER", help="the run, or several to compare")
    options.add_argument(
        "--output", metavar="FILE", help="by default report.html in the run folder; of several, comparison.html here"
    )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework report``: write the HTML page of a run, or of several.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status.
    """
    options = parser()
    given = options.parse_args(arguments)
    # Only now, so that --help does not wait for torch.
    from rlframework.run_report.saving import save_run_report

    several = len(given.folders) > 1
    output = given.output or (Path("comparison.html") if several else None)
    try:
        path = save_run_report(given.folders, output)
    except (ImportError, OSError, ValueError) as error:
        options.error(" ".join(str(error).split()))
    print(path)
    return 0
