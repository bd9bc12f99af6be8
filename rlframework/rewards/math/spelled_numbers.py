"""Numbers that are spelled out, as a whole answer: three is 3, ninety-nine is 99, two thirds are 2/3."""

from __future__ import annotations

import re
from fractions import Fraction

_SMALL = re.findall(
    r"\w+",
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
    """,
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SPELLED = {
    **{name: number for number, name in enumerate(_SMALL)},
    **{name: 10 * number for number, name in enumerate(_TENS, 2)},
    **{f"{tens}-{_SMALL[ones]}": 10 * number + ones for number, tens in enumerate(_TENS, 2) for ones in range(1, 10)},
    "one hundred": 100,
}
"""By its name, in small letters: a whole number up to a hundred."""

_PARTS = {2: "half", 3: "third", 4: "quarter|fourth", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth"}
_PARTS[10] = "tenth"
_ONE_PART = {name: part for part, names in _PARTS.items() for name in names.split("|")}
_SEVERAL_PARTS = {"halves" if name == "half" else f"{name}s": part for name, part in _ONE_PART.items()}


def spelled_number(words: str) -> Fraction | None:
    """Return the number that words spell; None if they are anything else, or more.

    Example:
        >>> [str(spelled_number(words)) for words in ("three", "Twenty one", "ninety-nine", "two thirds", "a half")]
        ['3', '21', '99', '2/3', '1/2']
        >>> [spelled_number(words) for words in ("three apples", "one or two", "third", "two third", "a fifths")]
        [None, None, None, None, None]
    """
    lowered = words.lower().strip()
    whole = SPELLED.get(lowered, SPELLED.get(lowered.replace(" ", "-")))
    if whole is not None:
        return Fraction(whole)
    if lowered == "half":
        return Fraction(1, 2)
    count, _, part = lowered.replace("-", " ").partition(" ")
    above = 1 if count in ("a", "an") else SPELLED.get(count)
    below = None if above is None else (_ONE_PART if above == 1 else _SEVERAL_PARTS).get(part)
    return None if above is None or below is None else Fraction(above, below)
