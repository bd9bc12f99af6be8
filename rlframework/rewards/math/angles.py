r"""Angles in degrees, minutes and seconds: ``22^\circ 30'`` is 22.5 degrees."""

from __future__ import annotations

import re
from fractions import Fraction

from rlframework.rewards.math.syntax import Degree, Number, Operation

_ANGLE = re.compile(
    r"(?P<sign>-?)\s*(?P<degrees>[0-9]{1,6})\s*(?:\^\{\\circ\}|degrees?)\s*(?:and\s+)?"
    r"(?P<minutes>[0-9]{1,2}(?:\.[0-9]+)?)\s*(?:'|minutes?)"
    r"(?:\s*(?:and\s+)?(?P<seconds>[0-9]{1,2}(?:\.[0-9]+)?)\s*(?:''|\"|seconds?))?"
)
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")


def read_angle(plain: str) -> Degree | None:
    r"""Read an angle that has minutes; None for any other text, or if they are sixty or more.

    Example:
        >>> read_angle(r"22^{\circ} 30'") == Degree(Number(Fraction(45, 2))), read_angle(r"22^{\circ} 60'")
        (True, None)
    """
    found = _ANGLE.fullmatch(_TEXT.sub(r"\1", plain).replace("^{'}", "'").strip())
    if found is None:
        return None
    minutes, seconds = Fraction(found["minutes"]), Fraction(found["seconds"] or 0)
    if minutes >= 60 or seconds >= 60 or (found["seconds"] and minutes.denominator > 1):
        return None
    value = Number(int(found["degrees"]) + minutes / 60 + seconds / 3600)
    return Degree(Operation("neg", (value,)) if found["sign"] else value)
