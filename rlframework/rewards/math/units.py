"""Units: what they are called, which can be turned into one another, and what may follow a number as one."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

from rlframework.rewards.math.number_words import NUMBER_WORDS
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
# A known unit with its power: "square feet", "feet squared", "cm^2", "h^-1".
_POWER = re.compile(
    r"(?P<before>square|sq\.?|cubic|cu\.?)\s+(?P<worded>[^\s^.]+)\.?|(?P<led>[^\s^]+)\s+(?P<behind>squared|cubed)"
    r"|(?P<name>[^\s^0-9-]+?)\s?\^\s?(?P<exponent>-?[1-4])|(?P<plain>\S+)"
)


def canonical_unit(words: str) -> str | None:
    """Return one spelling of a unit such as ``"square feet"``, ``"cm^2"``, ``"miles per hour"``; None if it is no unit.

    Known units get their shortest name. Any other noun is a unit, too, if it looks like several of something ("apples",
    "red marbles", "slices of cake"), unless a word among them would change the number, doubt it, or go on with it.

    Example:
        >>> [canonical_unit(words) for words in ("Dollars", "square feet", "cm^2", "apples", "miles per hour")]
        ['$', 'ft^2', 'cm^2', 'apple', 'mi/h']
        >>> [canonical_unit(words) for words in ("km h^{-1}", "g/cm^3", "m/s/s")]
        ['km/h', 'g/cm^3', 'm/s^2']
        >>> [canonical_unit(words) for words in ("thousand", "or 19", "of them maybe", "doubled", "x", "triplets")]
        [None, None, None, None, None, None]
    """
    if re.fullmatch("[A-KM-Z]", words.strip()):
        return None  # 7 M is no seven metres.
    words = " ".join(words.replace("{", "").replace("}", "").lower().split()).rstrip(".").replace("per cent", "percent")
    words = re.sub(r"\bu\.?s\.? dollars?$|\bus\$$", "$", TOGETHER.get(words, words))
    words = re.sub(r"(?<=\w) an? (?=(?:second|minute|hour|day|week|month|year|person|piece)$)", " per ", words)
    parts = re.split("/|(?:^| )per ", words)
    known = _known(parts)
    if known is not None:
        return known
    units = [_noun(part.strip()) if part.strip() else "" for part in parts[:2]]
    return None if None in units or len(parts) > 2 or not any(units) else "/".join(map(str, units))


def is_known_unit(words: str) -> bool:
    """Return whether it is made of units of their own right, which may follow a number without a blank."""
    words = words.strip()
    plain = words.replace("{", "").replace("}", "").lower()
    return not re.fullmatch("[A-KM-Z]", words) and _known(TOGETHER.get(plain, plain).split("/")) is not None


def _known(parts: list[str]) -> str | None:
    """Return the name of a product of known units, the first part over the others; None if one of them is not known."""
    powers: Counter[str] = Counter()
    for place, part in enumerate(parts):
        factors = _factors(part)
        if factors is None:
            return None
        for name, power in factors:
            powers[name] += -power if place else power
    # Lengths are squared and cubed; of hours and the like only one over their square is taken.
    most = {name: 3 if UNITS[name].dimension in ("length", "unit") else 1 for name in powers}
    if any(power > most[name] for name, power in powers.items()):
        return None
    sides = [[(name, abs(power)) for name, power in powers.items() if power * sign > 0] for sign in (1, -1)]
    above, below = (" ".join(name if power == 1 else f"{name}^{power}" for name, power in side) for side in sides)
    return (f"{above}/{below}" if below else above) or None


def _factors(words: str) -> list[tuple[str, int]] | None:
    words = words.strip()
    if words in UNITS:
        return [(UNITS[words].name, 1)]
    factors = []
    for match in _POWER.finditer(re.sub(r"\\cdot|[*·]", " ", words)):
        name = match["worded"] or match["led"] or match["name"] or match["plain"]
        power = {"s": 2, "c": 3}.get((match["before"] or match["behind"] or "")[:1]) or int(match["exponent"] or 1)
        if name not in UNITS:
            return None
        factors.append((UNITS[name].name, power))
    return factors


def _noun(words: str) -> str | None:
    if words in UNITS:
        return UNITS[words].name
    match = _NOUN.fullmatch(words)
    if match is None or not ADJECTIVES.issuperset(match["before"].split()):
        return None
    behind = (match["behind"] or "").split()
    nouns = [match["head"], *(behind[1:] if behind[:1] == ["of"] else [])]
    changes = any(noun in NOT_UNITS or not NUMBER_WORDS.isdisjoint((noun, singular(noun))) for noun in nouns)
    return None if changes or not _several(match["head"]) else " ".join(map(_same_name, words.split()))


def _several(head: str) -> bool:
    plural = len(head) > 3 and head.endswith("s") and not head.endswith(("ss", *NUMBER_ENDINGS))
    return head in UNITS or head in ODD_PLURALS or plural


def _same_name(word: str) -> str:
    return UNITS[word].name if word in UNITS else singular(word)


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
        >>> ratio("$", "¢"), ratio("km", "m"), ratio("cm^2", "m^2"), ratio("cm^3", "l"), ratio("km", "kg")
        (Fraction(100, 1), Fraction(1000, 1), Fraction(1, 10000), Fraction(1, 1000), None)
    """
    if unit == other:
        return Fraction(1)
    above, below = _scale(unit), _scale(other)
    if above is None or below is None or above[0] != below[0]:
        return None
    return above[1] / below[1]


def _scale(unit: str) -> tuple[dict[str, int], Fraction] | None:
    """Return the powers of the dimensions of a known unit, and its factor."""
    dimensions: Counter[str] = Counter()
    factor = Fraction(1)
    for place, part in enumerate(unit.split("/")):
        for name, power in re.findall(r"([^\s^]+)(?:\^([0-9]))?", part):
            if name not in UNITS or not UNITS[name].factor:
                return None
            exponent = int(power or 1) * (-1 if place else 1)
            dimensions[UNITS[name].dimension] += UNITS[name].power * exponent
            factor *= UNITS[name].factor ** exponent
    return {dimension: power for dimension, power in dimensions.items() if power}, factor


def contradicts_plain(unit: str) -> bool:
    """Return whether a number of it may differ from the number alone: cents where money is meant, a percentage."""
    return not {"¢", "%"}.isdisjoint(re.split("[ /^]", unit))
