"""Rewards, layouts and rows from the names and files of a command line."""

from __future__ import annotations

import csv
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlframework.data.columns import ColumnMap
from rlframework.reward_report.layout import BareLayout, Layout
from rlframework.rewards.template import AnswerTemplate
from rlframework.utilities.errors import described
from rlframework.utilities.imports import find_attribute

if TYPE_CHECKING:
    from rlframework.rewards.base import RewardModel

HOME = "rlframework.rewards"
"""Module that a name without a module is looked for in."""

# Spreadsheets put a byte order mark in front, which would else be part of the first column's name.
_TEXT = "utf-8-sig"
_TERM = re.compile(r"\s*(?:(?P<weight>-?[\d.]+)\s*\*\s*)?(?P<name>[^\s*+]+)\s*")


def read_layout(name: str) -> AnswerTemplate | Layout:
    """Return the layout of completions that a name means: ``bare``, or a template, a layout or the class of one.

    Raises:
        ValueError: The name leads nowhere, or to something else.

    Example:
        >>> read_layout("bare")
        BareLayout()
    """
    if name == "bare":
        return BareLayout()
    found = find_attribute(name, HOME)
    if isinstance(found, type):
        found = _called(found, name)
    if not isinstance(found, AnswerTemplate) and not all(
        callable(getattr(found, part, None)) for part in ("write", "block", "open_block")
    ):
        raise ValueError(
            f"{name!r} is no layout but a {type(found).__name__}; expected 'bare', an AnswerTemplate, or an object "
            "with write, block and open_block"
        )
    return found


def _called(make: Callable[[], Any], name: str) -> Any:
    """Call what somebody else wrote."""
    try:
        return make()
    except Exception as error:
        raise ValueError(f"calling {name!r} without arguments raises {described(error)}; correct it there") from error


def read_reward(names: Iterable[str]) -> RewardModel:
    """Return a reward from one or more names, which are added up; each may be a sum itself.

    Args:
        names: Such as ``["my_rewards:right", "CorrectAnswer + 0.5 * ExactFormat"]``. A class, or a function without
            arguments, is called to make the reward; any other function is the reward.

    Raises:
        ValueError: A name leads nowhere, or a sum cannot be read.

    Example:
        >>> [(part.name, part.weight) for part in read_reward(["CorrectAnswer + 0.5 * ExactFormat"]).components()]
        [('correct_answer', 1.0), ('exact_format', 0.5)]
    """
    rewards = []
    for name in names:
        for term in name.split("+"):
            match = _TERM.fullmatch(term)
            if not match:
                raise ValueError(
                    f"cannot read {term.strip()!r} in {name!r}; expected terms such as 0.5 * module:attribute"
                )
            reward = _made(match["name"])
            rewards.append(float(match["weight"]) * reward if match["weight"] else reward)
    total = rewards[0]
    for reward in rewards[1:]:
        total = total + reward
    return total


def _made(name: str) -> RewardModel:
    from rlframework.rewards.function import as_reward

    found = find_attribute(name, HOME)
    if inspect.isfunction(found) and not inspect.signature(found).parameters:
        found = _called(found, name)
    try:
        return as_reward(found)
    except TypeError as error:
        raise ValueError(f"{name!r} makes no reward: {error}") from error
    except Exception as error:
        raise ValueError(f"making the reward {name!r} raises {described(error)}; correct it there") from error


def read_rows(source: str, columns: ColumnMap | None = None) -> list[Mapping[str, Any]]:
    """Return rows of data.

    Args:
        source: A ``.jsonl``, ``.json``, ``.csv``, ``.tsv`` or ``.parquet`` file; or ``module:attribute``, rows or a
            function that returns some.
        columns: What to make of each row, as `LocalFile` does.

    Raises:
        KeyError: The rows lack a column that is to be mapped.
        ValueError: It cannot be read, or holds no rows.
    """
    path = Path(source)
    reader = _READERS.get(path.suffix.lower())
    if reader is not None:
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        rows = reader(path)
    else:
        found = find_attribute(source, HOME)
        rows = _called(found, source) if callable(found) else found
    if not isinstance(rows, Iterable):
        raise ValueError(f"{source} is of type {type(rows).__name__} and holds no rows; expected a list of mappings")
    rows = list(rows)
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        raise ValueError(f"{source} holds {len(rows)} rows; expected at least one, and each a mapping of its columns")
    return mapped_rows(rows, columns)


def mapped_rows(rows: list[Mapping[str, Any]], columns: ColumnMap | None) -> list[Mapping[str, Any]]:
    """Return rows with their prompt and their gold under the names that rewards read.

    Args:
        rows: As they were read.
        columns: What to make of each; None leaves them as they are.

    Raises:
        KeyError: The rows lack a column that is to be mapped.
    """
    if columns is None:
        return rows
    columns.check(dict.fromkeys(name for row in rows for name in row))
    return [columns({columns.prompt: None, columns.answer: None, **row}) for row in rows]


def _read_lines(path: Path) -> list[Any]:
    rows = []
    for number, line in enumerate(path.read_text(encoding=_TEXT).splitlines(), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number} of {path} is no JSON: {error}") from error
    return rows


def _read_json(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding=_TEXT))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    return content if isinstance(content, list) else [content]


def _read_csv(path: Path, delimiter: str = ",") -> list[Any]:
    with path.open(encoding=_TEXT, newline="") as file:
        try:
            return list(csv.DictReader(file, delimiter=delimiter))
        except csv.Error as error:
            raise ValueError(f"{path} cannot be read as a table of text: {error}") from error


def _read_tsv(path: Path) -> list[Any]:
    return _read_csv(path, "\t")


def _read_parquet(path: Path) -> list[Any]:
    # pyarrow is there: the datasets library cannot do without it.
    rows: list[Any] = importlib.import_module("pyarrow.parquet").read_table(path).to_pylist()
    return rows


_READERS: dict[str, Callable[[Path], list[Any]]] = {
    ".jsonl": _read_lines,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
}
