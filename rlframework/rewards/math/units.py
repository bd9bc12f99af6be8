"""Units: what they are called, which can be turned into one another, and what may follow a number as one."""

from __future__ import annotations

import re
from fractions import Fraction

from rlframework.rewards.math.unit_names import (
    ADJECTIVES,
    NOT_UNITS,
    NUMBER_ENDINGS,
    ODD_PLURALS,
    TOGETHER,
    UNITS,
)

# Adjectives, the noun, and what may come behind it.
_NOUN = re.compile(
    r"(?P<before>(?:[a-z]+(?:-[a-z]+)*\s+){0,2}?)(?P<head>[a-z]+)"
    r"(?P<behind>\s+of(?:\s+[a-z]+){1,2}|\s+(?:each|left|remaining|total|in total|altogether|old))?"
)


def canonical_unit(words: str) -> str | None:
    """Return one spelling of a unit such as ``"square feet"``, ``"cm^2"``, ``"miles per hour"``; None if it is no unit.

    Known units get their shortest name. Any other noun is a unit, too, if it looks like several of something ("apples",
    "red marbles", "slices of cake"), unless a word among them would change the number, doubt it, or go on with it.

    Example:
        >>> [canonical_unit(words) for words in ("Dollars", "square feet", "cm^2", "apples", "miles per hour")]
        ['$', 'ft^2', 'cm^2', 'apple', 'mi/h']
        >>> [canonical_unit(words) for words in ("thousand", "or 19", "of them maybe", "doubled", "x")]
        [None, None, None, None, None]
    """
    if re.fullmatch("[A-KM-Z]", words.strip()):
        return None  # 7 M is no seven metres.
    words = " ".join(words.replace("{", "").replace("}", "").lower().split()).rstrip(".").replace("per cent", "percent")
    words = re.sub(r"\bu\.?s\.? dollars?$|\bus\$$", "$", TOGETHER.get(words, words))
    words = re.sub(r"(?<=\w) an? (?=(?:second|minute|hour|day|week|month|year|person|piece)$)", " per ", words)
    above, slash, below = words.partition("/")
    if not slash:
        above, slash, below = f" {words}".partition(" per ")
    parts = [_simple(above) if above.strip() or not slash else "", _simple(below) if slash else ""]
    return None if None in parts else "/".join(map(str, parts[: 2 if slash else 1]))


def is_known_unit(words: str) -> bool:
    """Whether it is a unit of its own right, which may follow a number without a blank."""
    return words.lower() in UNITS or words.lower() in TOGETHER


def _simple(words: str) -> str | None:
    words = words.strip()
    match = re.fullmatch(r"(square|sq\.?|cubic|cu\.?)\s+(\S+)|(\S+)\s+(squared|cubed)|(\S+?)\s?\^\s?([23])", words)
    if match:
        power = {"s": "2", "c": "3"}.get((match[1] or match[4] or "")[:1]) or match[6]
        unit = (match[2] or match[3] or match[5]).rstrip(".")
        return f"{UNITS[unit][0]}^{power}" if unit in UNITS and UNITS[unit][1] in ("length", "unit") else None
    if words in UNITS:
        return UNITS[words][0]
    match = _NOUN.fullmatch(words)
    if match is None or not ADJECTIVES.issuperset(match["before"].split()):
        return None
    behind = (match["behind"] or "").split()
    changes = NOT_UNITS.intersection([match["head"], *(behind[1:] if behind[:1] == ["of"] else [])])
    return None if changes or not _several(match["head"]) else " ".join(map(_same_name, words.split()))


def _several(head: str) -> bool:
    plural = len(head) > 3 and head.endswith("s") and not head.endswith(("ss", *NUMBER_ENDINGS))
    return head in UNITS or head in ODD_PLURALS or plural


def _same_name(word: str) -> str:
    return UNITS[word][0] if word in UNITS else singular(word)


def singular(word: str) -> str:
    """Return a noun without its plural ending, roughly: enough to tell two units apart."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def ratio(unit: str, other: str) -> Fraction | None:
    """Return how many ``other`` one ``unit`` is; None if they cannot be turned into one another.

    Example:
        >>> ratio("$", "¢"), ratio("km", "m"), ratio("cm^2", "m^2"), ratio("km", "kg")
        (Fraction(100, 1), Fraction(1000, 1), Fraction(1, 10000), None)
    """
    if unit == other:
        return Fraction(1)
    above, below = _scale(unit), _scale(other)
    if above is None or below is None or above[0] != below[0]:
        return None
    return above[1] / below[1]


def _scale(unit: str) -> tuple[str, Fraction] | None:
    """Return the dimension of a known unit, such as ``length2/time``, and its factor."""
    dimensions, factor = [], Fraction(1)
    for place, part in enumerate(unit.split("/")):
        name, _, power = part.partition("^")
        if name not in UNITS or place > 1 or not UNITS[name][2]:
            return None
        _, dimension, size = UNITS[name]
        dimensions.append(dimension + power)
        factor = factor / size ** int(power or 1) if place else factor * size ** int(power or 1)
    return "/".join(dimensions), factor


def contradicts_plain(unit: str) -> bool:
    """Whether a number of it may differ from the number alone: cents where money is meant, a percentage."""
    return not {"¢", "%"}.isdisjoint(re.split("[ /^]", unit))
