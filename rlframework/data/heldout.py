"""Held-out problems, chosen by their text: a problem that occurs twice is never on both sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

from pytorch_lightning.utilities.rank_zero import rank_zero_info

Row: TypeAlias = dict[str, Any]


def problem_hash(problem: Any, seed: int = 0) -> float:
    r"""Return a number in [0, 1) that is a function of the seed and the problem's text, but for its blanks.

    Args:
        problem: A text, or a list of chat messages.
        seed: Seed of the hash.

    Example:
        >>> problem_hash("What is  3 + 4?") == problem_hash("What is 3 + 4?\n") != problem_hash("What is 3 + 5?")
        True
    """
    text = f"{seed} {_text(problem)}"
    # 53 bits are what a float holds: with more of them the quotient could round to 1.
    return (int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 11) / 2**53


def is_held_out(problem: Any, share: float, seed: int = 0) -> bool:
    """Whether a problem belongs to the share that is held out of training; other problems do not matter.

    Args:
        problem: A text, or a list of chat messages.
        share: Share of all problems, in [0, 1].
        seed: Seed of the hash.
    """
    return problem_hash(problem, seed) < share


def without_duplicates(rows: Sequence[Row], split: str) -> list[Row]:
    """Return each problem once, with its first gold, and say how many rows were left out.

    Args:
        rows: Rows with a ``prompt``.
        split: Name of the rows in the message.
    """
    seen: set[str] = set()
    # `add` returns None, so that a key is kept and remembered in one step.
    kept = [row for row in rows if (key := _key(row)) not in seen and not seen.add(key)]  # type: ignore[func-returns-value]
    if len(kept) < len(rows):
        rank_zero_info(f"{len(rows) - len(kept)} of {len(rows)} {split} rows repeat a problem and were left out")
    return kept


def without_problems(rows: Sequence[Row], others: Iterable[Row]) -> list[Row]:
    """Return the rows whose problem does not occur among the others, and say how many were left out.

    Args:
        rows: Training rows with a ``prompt``.
        others: Held-out rows.
    """
    taken = {_key(row) for row in others}
    kept = [row for row in rows if _key(row) not in taken]
    if len(kept) < len(rows):
        rank_zero_info(
            f"{len(rows) - len(kept)} of {len(rows)} training rows repeat a problem of the validation split and "
            "were left out"
        )
    return kept


def sample(rows: Sequence[Row], n: int | None, seed: int = 0) -> list[Row]:
    """Return at most ``n`` rows, in their order; which ones is a function of the seed and their problems.

    Args:
        rows: Rows with a ``prompt``.
        n: Most rows to return; None returns all.
        seed: Seed of the choice.

    Example:
        >>> rows = [{"prompt": f"{a} + 1?"} for a in range(9)]
        >>> sample(rows, 2) == sample(rows[::-1], 2)[::-1], len(sample(rows, None))
        (True, 9)
    """
    if n is None or len(rows) <= n:
        return list(rows)
    chosen = sorted(range(len(rows)), key=lambda place: problem_hash(rows[place]["prompt"], seed))[:n]
    return [rows[place] for place in sorted(chosen)]


def _key(row: Row) -> str:
    return _text(row["prompt"])


def _text(problem: Any) -> str:
    """Return a prompt as the text that it is told by; of chat messages that of all of them."""
    return " ".join((problem if isinstance(problem, str) else repr(problem)).split())
