"""Reading numbers strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Context, Decimal
from functools import lru_cache

MAX_NUMBER_CHARACTERS = 100
EXACT = Context(prec=20 * MAX_NUMBER_CHARACTERS)
"""For sums and products of numbers that were read: Decimal's own context rounds to 28 digits. Exponents have three."""

# A leading zero takes no thousands separator: "0,123" is more likely a decimal comma.
_NUMBER = re.compile(r"[+-]?(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
# As Python, JSON and pandas write very small and very large numbers. In 2e-1 the letter is more likely Euler's number.
_COMPUTED = re.compile(r"[+-]?(?:(?:1|[0-9]\.[0-9]+)[eE][+-][0-9]{1,3}|[0-9][eE][+-][0-9]{2,3})")

# Deliberately wider than _NUMBER: "52_8", "34e5", "- 5" or "-$5" must be seen whole to be refused whole, for reading a
# part of it (52, 34, 5) would pay for a number that was not written. A sign after a word is a hyphen or an operator.
# The second look-behind starts a run of punctuation only at its beginning: without it a long run costs quadratic time.
_CANDIDATE = re.compile(r"(?:(?<![\w)\]])[+\-\u2212]\s?\$?)?(?<![.,_])[.,_]*\d[\d.,_]*(?:[eE][+-]?\d+)?")


def parse_number(text: str) -> Decimal | None:
    """Read a text that is one decimal number and nothing else; None if it is not.

    A sign, thousands separators and decimals are optional; surrounding blanks do not matter. ASCII digits only, no
    underscore, ``nan`` or ``inf``, and at most ``MAX_NUMBER_CHARACTERS``. An exponent has a sign, as computers write
    it. The value is exact.

    Example:
        >>> parse_number(" 2,125.50 ")
        Decimal('2125.50')
        >>> parse_number("2.5e-07") == parse_number("0.00000025")
        True
        >>> [parse_number(text) for text in ("10,00", "52_8", "1e3", "nan", "34 or 35")]
        [None, None, None, None, None]
    """
    text = text.strip()
    return None if len(text) > MAX_NUMBER_CHARACTERS else _short_number(text)


# A policy that loops writes one number ten thousand times.
@lru_cache(maxsize=1024)
def _short_number(text: str) -> Decimal | None:
    written = _NUMBER.fullmatch(text) or _COMPUTED.fullmatch(text)
    return Decimal(text.replace(",", "")) if written else None


def write_number(number: Decimal) -> str:
    """Return a number as people write it, without exponent and without zeros at its end.

    Example:
        >>> write_number(Decimal("2.50")), write_number(Decimal("1E+2")), write_number(Decimal("-0"))
        ('2.5', '100', '0')
    """
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text


def first_number(text: str) -> Decimal | None:
    """Return the first number in a text, in linear time; None if there is none or it is not written properly.

    Example:
        >>> first_number("It costs $1,234.50."), first_number("minus: -3 or 4"), first_number("10,00 or 5")
        (Decimal('1234.50'), Decimal('-3'), None)
    """
    return next(each_number(text), None)


def each_number(text: str) -> Iterator[Decimal | None]:
    """Yield the numbers in a text from left to right, None for one that is not written properly."""
    for match in _CANDIDATE.finditer(text):
        yield parse_number(match[0].rstrip(".,").lstrip(","))
