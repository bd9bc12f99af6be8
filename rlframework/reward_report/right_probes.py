"""Probes that a right reward accepts: the expected answer, in every writing that means the same."""

from __future__ import annotations

import re
from collections.abc import Callable

from rlframework.reward_report.probes import WORKING, AnswerProbe, Expects, Probe, Question, written

FAMILY = "right answers"


class Gold(Probe):
    """The expected answer as the data writes it."""

    family, expects = FAMILY, Expects.ACCEPT

    def make(self, question: Question) -> str:
        """Return it."""
        return question.write(question.gold)


class LongWorking(Probe):
    """The expected answer after a long working."""

    family, expects = FAMILY, Expects.ACCEPT

    def make(self, question: Question) -> str:
        """Return it after 4,000 characters."""
        return question.write(question.gold, working=f"{WORKING}\n" * 72)


class SlipInTheWorking(Probe):
    """The expected answer after a working that first had another one."""

    family, expects = FAMILY, Expects.ACCEPT

    def make(self, question: Question) -> str:
        """Return it."""
        return question.write(question.gold, working=f"First I got {question.wrong}, but that was a slip.")


class BlankLineAtTheEnd(Probe):
    """The expected answer, then a line end."""

    family, expects = FAMILY, Expects.ACCEPT

    def make(self, question: Question) -> str:
        """Return it."""
        return question.write(question.gold) + "\n"


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
    return written(number) if number is not None and "." in question.gold and question.gold[-1] in "0." else None


def other_fraction(question: Question) -> str | None:
    """Return ``1/2`` for a half in TeX, and the other way."""
    tex = re.fullmatch(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}", question.gold)
    if tex:
        return f"{tex[1]}{tex[2]}/{tex[3]}"
    plain = re.fullmatch(r"(-?)(\d+)/(\d+)", question.gold)
    return f"{plain[1]}\\frac{{{plain[2]}}}{{{plain[3]}}}" if plain else None


def _writing(name: str, about: str, answer: Callable[[Question], str | None]) -> AnswerProbe:
    return AnswerProbe(name, about, answer, Expects.ACCEPT, FAMILY)


RIGHT: list[Probe] = [
    Gold(),
    LongWorking(),
    SlipInTheWorking(),
    BlankLineAtTheEnd(),
    _writing("blanks about it", "The expected answer between blanks.", lambda q: f" {q.gold} "),
    _writing("zeros after the point", "The number as 18.0 or 2.50.", with_zeros),
    _writing("no zeros after the point", "The number as 18 for 18.00.", without_zeros),
    _writing("thousands separators", "The number as 2,125 for 2125.", with_separators),
    _writing("no thousands separators", "The number as 2125 for 2,125.", without_separators),
    _writing("other writing of a fraction", r"1/2 for \frac{1}{2}, or so.", other_fraction),
]
