"""Arguments that several commands share: rows of a file, what is right, numbers in words of an error."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from typing import Any


def add_reward(options: argparse._ActionsContainer) -> None:
    """Add ``--reward``, which names a reward, or several that add up.

    Args:
        options: The parser of a command, or a group in it.
    """
    options.add_argument(
        "--reward",
        action="append",
        required=True,
        metavar="NAME",
        help="module:attribute, file.py:attribute, package.Class, or a name from rlframework.rewards: a reward, its "
        "class, or a function; may be a sum such as 'A + 0.5 * B', and be given several times, which adds up",
    )


def add_rows(options: argparse._ActionsContainer, data: str) -> None:
    """Add the arguments that say where rows come from; `rows_of` reads them.

    Args:
        options: The parser of a command, or a group in it.
        data: What is said of ``--data``.
    """
    add = options.add_argument
    add("--data", required=True, help=data)
    add("--prompt-column", default="prompt", metavar="NAME", help="by default: prompt")
    add("--answer-column", "--gold", default="answer", metavar="NAME", help="which holds the gold; by default: answer")
    add(
        "--splitter",
        metavar="NAME",
        help="takes the gold out of that column, as LocalFile's does: after_hashes, last_boxed, or module:attribute",
    )
    add(
        "--verifiable",
        metavar="NAME",
        help="tells whether a gold can be checked, as LocalFile's does, and leaves out the rows of the others: "
        "math_gold, or module:attribute",
    )
    add("--layout", metavar="NAME", help="'bare' for a reward that reads no tags, or module:attribute of a template")


def rows_of(given: argparse.Namespace, rows: list[Mapping[str, Any]] | None = None) -> tuple[list[Any], str, str]:
    """Return the rows that arguments name, and the columns of the prompt and of the gold in them.

    Args:
        given: The arguments of `add_rows`.
        rows: Those of a data set that was read elsewhere, instead of a file or a module's.

    Raises:
        KeyError: The rows lack a column.
        ValueError: They cannot be read, or there are none.
    """
    from rlframework.data.columns import ColumnMap
    from rlframework.data.golds import with_readable_golds
    from rlframework.reward_report.sources import mapped_rows, read_rows
    from rlframework.utilities.imports import find_attribute

    prompt, answer, columns = given.prompt_column, given.answer_column, None
    if given.splitter:
        columns = ColumnMap(prompt, answer, find_attribute(given.splitter, "rlframework.data"), keep=None)
        prompt, answer = "prompt", "answer"
    found = read_rows(given.data, columns) if rows is None else mapped_rows(rows, columns)
    if given.verifiable:
        found = with_readable_golds(found, find_attribute(given.verifiable, "rlframework.data"), answer, "given")
    return found, prompt, answer


def score(text: str) -> float:
    """Read a finite number."""
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"expected a number that scores can be above of, got {text}")
    return number


def positive(text: str) -> float:
    """Read a finite number above 0, such as one of seconds."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a finite number above 0, got {text}")
    return number


def count(text: str) -> int:
    """Read a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return number


def share(text: str) -> float:
    """Read a share from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, got {text}")
    return number
