"""Numbers that are spelled out, as a whole answer: three is 3, ninety-nine is 99."""

from __future__ import annotations

import re

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


def spelled_number(words: str) -> int | None:
    """Return the number that words spell; None if they are anything else, or more.

    Example:
        >>> [spelled_number(words) for words in ("three", "Twenty one", "ninety-nine", "three apples", "one or two")]
        [3, 21, 99, None, None]
    """
    lowered = words.lower().strip()
    return SPELLED.get(lowered, SPELLED.get(lowered.replace(" ", "-")))
