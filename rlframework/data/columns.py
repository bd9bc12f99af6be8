"""Column map of a data set: the column of the problem, that of the gold, and how to take the gold out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Splitter: TypeAlias = Callable[[str], str | None]


@dataclass(frozen=True)
class ColumnMap:
    r"""Turns a row of some data set into one with ``prompt`` and ``answer``.

    Args:
        prompt: Column of the problem.
        answer: Column that holds the gold. Numbers become text, ``34.0`` becomes ``"34"``.
        splitter: Takes the gold out of that column's text; returns None where there is none.
        keep: Columns that stay with the two, under their names; None keeps all.

    Example:
        >>> from rlframework.data import after_hashes
        >>> columns = ColumnMap("question", "answer", after_hashes, keep=("id",))
        >>> columns({"question": "3 + 4?", "answer": "Count on.\n#### 7", "id": 12, "url": "-"})
        {'prompt': '3 + 4?', 'answer': '7', 'id': 12}
    """

    prompt: str = "prompt"
    answer: str = "answer"
    splitter: Splitter | None = None
    keep: tuple[str, ...] | None = ()

    def check(self, columns: Iterable[str]) -> None:
        """Raise unless a data set has the columns.

        Raises:
            KeyError: It lacks some; the message names those it has.
        """
        there = list(columns)
        missing = [name for name in (self.prompt, self.answer, *(self.keep or ())) if name not in there]
        if missing:
            raise KeyError(
                f"the data set has no column {', '.join(map(repr, missing))}; its columns are: {', '.join(there)}"
            )

    def columns(self, there: Iterable[str]) -> list[str]:
        """Return the columns that are read, of those that there are."""
        return [name for name in there if self.keep is None or name in (self.prompt, self.answer, *self.keep)]

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row as the rewards read it."""
        gold = _as_text(row[self.answer])
        if self.splitter is not None and isinstance(gold, str):
            gold = self.splitter(gold)
        taken = {"prompt", "answer", self.prompt, self.answer}
        kept = (
            {name for name in row if name not in taken} if self.keep is None else set(self.keep) - {"prompt", "answer"}
        )
        return {"prompt": row[self.prompt], "answer": gold, **{name: row[name] for name in row if name in kept}}


def _as_text(gold: Any) -> Any:
    if isinstance(gold, bool) or not isinstance(gold, (str, int, float)):
        return gold
    if isinstance(gold, float):
        if not math.isfinite(gold):
            return None
        gold = int(gold) if gold.is_integer() else gold
    return str(gold).strip() or None
