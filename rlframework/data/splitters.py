"""Splitters that take the gold out of a worked solution: after four hashes, or from the last box."""

from __future__ import annotations

from rlframework.rewards.math.boxed import last_boxed

__all__ = ["after_hashes", "last_boxed"]


def after_hashes(text: str) -> str | None:
    r"""Return the gold that follows the last ``####``, as in GSM8K; None if there is none.

    Example:
        >>> after_hashes("He has 3 + 4 = <<3+4=7>>7 left.\n#### 7")
        '7'
        >>> after_hashes("He has 7 left.") is None
        True
    """
    _, hashes, gold = text.rpartition("####")
    return gold.strip() or None if hashes else None
