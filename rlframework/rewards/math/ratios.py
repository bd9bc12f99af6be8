r"""Ratios of numbers: ``6:8`` for 3:4, ``2:4:2\sqrt{3}`` for ``1:2:\sqrt{3}``, 3 to 4 for 3:4."""

from __future__ import annotations

import re

from rlframework.rewards.math.equivalence import real_value, same_function
from rlframework.rewards.math.parser import read
from rlframework.rewards.math.syntax import SCALARS, Node, Operation, UnreadableError, has_variables

MAX_TERMS = 6
_NAMED = re.compile(r"([A-Za-z]{1,2}(?::[A-Za-z]{1,2})+)=([^=]+)")
_FRACTION = re.compile(r"/|\\frac")
_TIME = re.compile("[0-9]{1,2}:[0-9]{2}")


def same_ratio(gold: str, answer: str) -> bool:
    r"""Return whether an answer is the gold's ratio.

    A gold of 3:45 may be a time, which is no other, and one of 10 to 20 may be a range: its numbers stay.

    Example:
        >>> same_ratio("3:4", "6:8"), same_ratio("3 to 4", "3:4"), same_ratio(r"1:2:\sqrt{3}", r"2:4:2\sqrt{3}")
        (True, True, True)
        >>> same_ratio("3:45", "1:15"), same_ratio("10 to 20", "1:2"), same_ratio("3:4", "4:3")
        (False, False, False)
    """
    # A term that is a fraction leaves the work undone.
    if _TIME.fullmatch(gold) or (_FRACTION.search(answer) and not _FRACTION.search(gold)):
        return False
    (name, gold), (other_name, answer) = _named(gold), _named(answer)
    wanted, given = _terms(gold), _terms(answer)
    if wanted is None or given is None or len(wanted) != len(given) or (name and other_name and name != other_name):
        return False
    if ":" not in gold:
        return all(map(same_function, wanted, given))
    first, other = wanted[0], given[0]
    return all(
        same_function(Operation("*", (term, other)), Operation("*", (match, first)))
        for term, match in zip(wanted[1:], given[1:], strict=True)
    )


def _named(text: str) -> tuple[str, str]:
    """Return what the terms are of and the terms: ``x:y`` and ``1:2`` of ``x:y = 1:2``."""
    found = _NAMED.fullmatch("".join(text.split()))
    return (found[1], found[2]) if found and found[1].count(":") == found[2].count(":") else ("", text)


def _terms(text: str) -> list[Node] | None:
    """Return the terms of a ratio, all of them positive numbers; None if it is none."""
    written = text.split(":") if ":" in text else re.split(r"(?<![A-Za-z\\])to(?![A-Za-z])", text)
    if not 2 <= len(written) <= MAX_TERMS:
        return None
    try:
        terms = [read(term) for term in written]
    except UnreadableError:
        return None
    numbers = all(
        isinstance(term, SCALARS) and not has_variables(term) and (real_value(term) or 0) > 0 for term in terms
    )
    return terms if numbers else None
