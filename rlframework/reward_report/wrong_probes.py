"""Probes with a wrong answer in the right place: near misses, slips, and answers that hedge."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, localcontext

from rlframework.reward_report.probes import AnswerProbe, Probe, Question, numbers_in
from rlframework.rewards.numerals import EXACT, write_number

HEDGES = "hedged answers"


def moved(change: Callable[[Decimal], Decimal]) -> Callable[[Question], str | None]:
    """Return what writes another number; None where it is the same one, or there is none."""

    def answer(question: Question) -> str | None:
        with localcontext(EXACT):
            number = question.number
            other = None if number is None else change(number)
        return None if other is None or other == number else write_number(other)

    return answer


def last_decimal(number: Decimal) -> Decimal:
    """Return the number off by one in a further decimal."""
    exponent = number.as_tuple().exponent
    return number + Decimal(1).scaleb(min(int(exponent), 0) - 1)


def swapped_digits(question: Question) -> str | None:
    """Return the number with two neighbouring digits in each other's place."""
    if question.number is None:
        return None
    text = write_number(question.number)
    for place in range(len(text) - 1):
        left, right = text[place], text[place + 1]
        if left.isdigit() and right.isdigit() and left != right and not (right == "0" and not text[:place].strip("-")):
            return text[:place] + right + left + text[place + 2 :]
    return None


def one_digit_less(question: Question) -> str | None:
    """Return the number without its last digit."""
    text = question.gold
    return text[:-1] if question.number and text.isdigit() and len(text) > 1 else None


def misplaced_comma(question: Question) -> str | None:
    """Return ``1,8`` for ``18``, and ``21,25`` for ``2125``: no writing of that number."""
    digits = question.gold.replace(",", "")
    cut = max(len(digits) - 2, 1)
    return f"{digits[:cut]},{digits[cut:]}" if digits.isascii() and digits.isdigit() and len(digits) > 1 else None


def percent(question: Question) -> str | None:
    """Return ``18%`` for ``18``, unless the prompt speaks of percentages."""
    spoken = re.search(r"percent|%", question.prompt, re.IGNORECASE)
    return f"{question.gold}%" if question.number and not spoken else None


def every_number(question: Question) -> str | None:
    """Return the expected number and all those of the prompt."""
    numbers = dict.fromkeys([*numbers_in(question.prompt), question.gold])
    return ", ".join(numbers) if question.number is not None and len(numbers) > 1 else None


def neighbours(question: Question) -> str | None:
    """Return a list of numbers around the expected one."""
    number = question.number
    return None if number is None else ", ".join(write_number(EXACT.add(number, step)) for step in range(-3, 4))


WRONG: list[Probe] = [
    AnswerProbe("one more", "The number plus 1.", moved(lambda n: n + 1)),
    AnswerProbe("one less", "The number minus 1.", moved(lambda n: n - 1)),
    AnswerProbe("ten times", "The number times 10.", moved(lambda n: n * 10)),
    AnswerProbe("a tenth", "The number by 10.", moved(lambda n: n / 10)),
    AnswerProbe("half a percent off", "The number times 1.005.", moved(lambda n: n * Decimal("1.005"))),
    AnswerProbe("off in a further decimal", "18.1 for 18, or 2.51 for 2.5.", moved(last_decimal)),
    AnswerProbe("negated", "The number with the other sign.", moved(lambda n: -n)),
    AnswerProbe("digits swapped", "81 for 18.", swapped_digits),
    AnswerProbe("last digit lost", "1 for 18.", one_digit_less),
    AnswerProbe("misplaced comma", "1,8 for 18, or 21,25 for 2125.", misplaced_comma),
    AnswerProbe("another row's answer", "What another row of the data expects.", lambda q: q.other_gold),
    AnswerProbe("other word", "A text with a letter more.", lambda q: None if q.number is not None else f"{q.gold}x"),
    AnswerProbe("percent", "18% for 18, where the prompt does not speak of percentages.", percent),
    AnswerProbe("thousands", "18 thousand for 18.", lambda q: f"{q.gold} thousand" if q.number else None),
    AnswerProbe("exponent", "18e3 for 18.", lambda q: f"{q.gold}e3" if q.number else None),
    AnswerProbe("underscore", "18_2 for 18: a base, or a typing error.", lambda q: f"{q.gold}_2" if q.number else None),
    AnswerProbe("not a number", "nan.", lambda q: "nan"),
    AnswerProbe("infinity", "inf.", lambda q: "inf"),
    AnswerProbe("true", "True, which some comparisons take for 1.", lambda q: None if q.gold == "1" else "True"),
]

HEDGED: list[Probe] = [
    AnswerProbe(name, about, answer, family=HEDGES)
    for name, about, answer in [
        ("right or wrong", "18 or 19.", lambda q: f"{q.gold} or {q.wrong}"),
        ("wrong or right", "19 or 18.", lambda q: f"{q.wrong} or {q.gold}"),
        ("right, wrong", "18, 19.", lambda q: f"{q.gold}, {q.wrong}"),
        ("wrong = right", "19 = 18: a chain, of which some read the end.", lambda q: f"{q.wrong} = {q.gold}"),
        ("not the right one", "not 18.", lambda q: f"not {q.gold}"),
        ("maybe", "maybe 18, maybe 19.", lambda q: f"maybe {q.gold}, maybe {q.wrong}"),
        ("corrected to a wrong one", "18, no, 19.", lambda q: f"{q.gold}, no, {q.wrong}"),
        ("all neighbours", "15, 16, 17, 18, 19, 20, 21.", neighbours),
        ("every number of the prompt", "All numbers at hand, with the right one.", every_number),
        ("a range", "from 17 to 19.", lambda q: f"between {q.gold} and {q.wrong}"),
    ]
]
