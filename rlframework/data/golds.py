"""Unverifiable golds, which no answer can be compared with: found before training, counted, shown, never scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from rlframework.rewards.gold import gold_text

SHOWN = 3
SHOWN_CHARACTERS = 80


def math_gold(gold: str) -> bool:
    r"""Whether `rlframework.rewards.math` can read a gold.

    Example:
        >>> math_gold(r"\frac{1}{2}"), math_gold("?")
        (True, False)
    """
    # Here, because the modules of the verifier are needed by nothing else in this package.
    from rlframework.rewards.math import gold_is_verifiable

    return bool(gold_is_verifiable(gold))


def with_readable_golds(
    rows: Iterable[Mapping[str, Any]], verifiable: Callable[[str], bool], answer_column: str, split: str
) -> list[Mapping[str, Any]]:
    """Return the rows whose gold the verifier can read, and warn of the others.

    Args:
        rows: Mappings from column to value.
        verifiable: Tells whether a gold can be checked, spelled out as `rlframework.rewards.gold.gold_text` has it. A
            missing one is not even asked about.
        answer_column: Column of the gold.
        split: Name of the rows in the warning.

    Raises:
        KeyError: A row has no such column.
        ValueError: No gold can be read.
    """
    kept, unreadable, total = [], [], 0
    for row in rows:
        total += 1
        if _readable(row, verifiable, answer_column, total - 1):
            kept.append(row)
        else:
            unreadable.append((total - 1, row[answer_column]))
    if unreadable:
        examples = "; ".join(f"row {index}: {_short(gold)}" for index, gold in unreadable[:SHOWN])
        count = (
            f"{len(unreadable)} of {total} {split} rows ({len(unreadable) / total:.1%}) have a gold that the verifier "
            f"cannot read: {examples}"
        )
        if not kept:
            raise ValueError(f"{count}. None is left; is {answer_column!r} the column of the gold, and split rightly?")
        rank_zero_warn(f"{count}. They were left out; pass verifiable=None to keep them")
    return kept


def _readable(row: Mapping[str, Any], verifiable: Callable[[str], bool], answer_column: str, index: int) -> bool:
    if answer_column not in row:
        raise KeyError(f"row {index} has no column {answer_column!r}; its columns are: {', '.join(sorted(row))}")
    gold = gold_text(row[answer_column])
    return gold is not None and verifiable(gold)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."
