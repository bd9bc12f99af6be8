"""Probes that a right reward accepts: the expected answer, in every writing that means the same."""

from __future__ import annotations

import re

from rlframework.reward_report.probes import WORKING, AnswerProbe, CompletionProbe, Expects, Probe, Question
from rlframework.rewards.numerals import write_number

FAMILY = "right answers"


def without_separators(question: Question) -> str | None:
    """Return ``2125`` for ``2,125``."""
    return question.gold.replace(",", "") if question.number is not None and "," in question.gold else None


def with_separators(question: Question) -> str | None:
    """Return ``2,125`` for ``2125``."""
    number = question.number
    return f"{number:,f}" if number is not None and abs(number) >= 1000 and "," not in question.gold else None


def with_zeros(question: Question) -> str | None:
    """Return ``18.0`` for ``18``, and ``2.50`` for ``2.5``."""
    if question.number is None:
        return None
    return question.gold.rstrip(".") + ("0" if "." in question.gold.rstrip(".") else ".0")


def without_zeros(question: Question) -> str | None:
    """Return ``18`` for ``18.00``."""
    number = question.number
    return write_number(number) if number is not None and "." in question.gold and question.gold[-1] in "0." else None


def other_fraction(question: Question) -> str | None:
    """Return ``1/2`` for a half in TeX, and the other way."""
    tex = re.fullmatch(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}", question.gold)
    if tex:
        return f"{tex[1]}{tex[2]}/{tex[3]}"
    plain = re.fullmatch(r"(-?)(\d+)/(\d+)", question.gold)
    return f"{plain[1]}\\frac{{{plain[2]}}}{{{plain[3]}}}" if plain else None


RIGHT: list[Probe] = [
    *(
        CompletionProbe(name, about, completion, Expects.ACCEPT, FAMILY)
        for name, about, completion in [
            ("gold", "The expected answer as the data writes it.", lambda q: q.write(q.gold)),
            (
                "long working",
                "The expected answer after a long working.",
                lambda q: q.write(q.gold, working=f"{WORKING}\n" * 72),
            ),
            (
                "slip in the working",
                "The expected answer after a working that first had another one.",
                lambda q: q.write(q.gold, working=f"First I got {q.wrong}, but that was a slip."),
            ),
            ("blank line at the end", "The expected answer, then a line end.", lambda q: q.write(q.gold) + "\n"),
        ]
    ),
    *(
        AnswerProbe(name, about, answer, Expects.ACCEPT, FAMILY)
        for name, about, answer in [
            ("blanks about it", "The expected answer between blanks.", lambda q: f" {q.gold} "),
            ("zeros after the point", "The number as 18.0 or 2.50.", with_zeros),
            ("no zeros after the point", "The number as 18 for 18.00.", without_zeros),
            ("thousands separators", "The number as 2,125 for 2125.", with_separators),
            ("no thousands separators", "The number as 2125 for 2,125.", without_separators),
            ("other writing of a fraction", r"1/2 for \frac{1}{2}, or so.", other_fraction),
        ]
    ),
]
