"""Choices of several letters or circled numbers: ACD is ``A, C, D``."""

from __future__ import annotations

import re

from rlframework.rewards.math.syntax import Collection, Symbol

_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩"
_BRACKETED = re.compile(r"\([A-H]\)(?:\s*\([A-H]\))+")
_NUMBERS = re.compile(rf"[{_CIRCLED}](?:(?:\s|[,;、，]|and)*[{_CIRCLED}])*")


def apart(plain: str) -> str:
    """Return ``(A)(C)`` as ``A, C``, and circled numbers without what stands between them; any other text as it is.

    Example:
        >>> apart("(A)(C)"), apart("①, ③ and ④"), apart("AC")
        ('A, C', '①③④', 'AC')
    """
    if _BRACKETED.fullmatch(plain):
        return ", ".join(re.findall("[A-H]", plain))
    return re.sub(f"[^{_CIRCLED}]", "", plain) if _NUMBERS.fullmatch(plain) else plain


def is_circled(text: str) -> bool:
    """Return whether a text is circled numbers and nothing else."""
    return re.fullmatch(f"[{_CIRCLED}]+", text) is not None


def letters_of_run(text: str) -> frozenset[str] | None:
    """Return the letters of ACD, in the order of the alphabet as choices are given; CDA is another word."""
    return frozenset(text) if re.fullmatch("[A-H]{2,8}", text) and sorted(set(text)) == list(text) else None


def letters_of_list(node: object) -> frozenset[str] | None:
    """Return the letters of ``A, C, D``, each of them once."""
    if not isinstance(node, Collection) or node.kind != "list":
        return None
    letters = [item.name for item in node.items if isinstance(item, Symbol) and re.fullmatch("[A-H]", item.name)]
    return frozenset(letters) if len(set(letters)) == len(node.items) > 1 else None
