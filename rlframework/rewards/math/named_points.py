r"""Points with their names before them: ``A(2,-3)`` is A = (2,-3), ``\text{Focus } (0,1)`` the focus."""

from __future__ import annotations

import re

# A tuple without capitals, which name events or random variables.
_TUPLE = r"\((?:[^(),A-Z]|\([^()A-Z]*\))*,(?:[^()A-Z]|\([^()A-Z]*\))*\)"
_POINT = re.compile(rf"(?P<name>[A-Z]'?(?:_\{{?[0-9]\}}?)?)\s*(?P<tuple>{_TUPLE})")
_JOINT = re.compile(r"\s*(?:[,;]|\\text\s*\{\s*(?:and|or)\s*\}|and|or)?\s*")
_WORDS = re.compile(
    r"(?i:(?:\\text\s*\{)?\s*(?:the\s+)?(?P<word>point|focus|vertex|cent(?:er|re)|midpoint|centroid|orthocenter|incenter"
    rf"|circumcenter)\s*(?:is|at|:|=)?\s*\}}?\s*(?:is|at|:|=)?)\s*(?P<tuple>{_TUPLE})"
)
_POINTS = re.compile(r"^(?:[Tt]he )?[Pp]oints? (?=[A-Z] ?\()")
# So many things out of so many.
_COUNT = re.compile(r"C\s*\(\s*([0-9]+)\s*,\s*([1-9][0-9]*)\s*\)")


def as_equations(plain: str) -> str:
    r"""Return points with names as equations; any other text as it is.

    Example:
        >>> as_equations("A(2,-3)"), as_equations(r"A(1,2) \text{ and } B(3,4)"), as_equations(r"\text{Focus }(0,1)")
        ('A = (2,-3)', 'A = (1,2), B = (3,4)', 'focus = (0,1)')
        >>> as_equations("f(2,-3)"), as_equations("C(10,3)"), as_equations("P(A,B)"), as_equations("the point (1,2)")
        ('f(2,-3)', 'C(10,3)', 'P(A,B)', 'P = (1,2)')
    """
    if "(" not in plain or "," not in plain:
        return plain
    plain = _POINTS.sub("", plain)
    words = _WORDS.fullmatch(plain)
    if words:
        word = words["word"].lower().replace("centre", "center")
        return f"{'P' if word == 'point' else word} = {words['tuple']}"
    points, place = [], 0
    while place < len(plain):
        point = _POINT.match(plain, place)
        if point is None or _counts(point[0]):
            return plain
        points.append(f"{point['name']} = {point['tuple']}")
        joint = _JOINT.match(plain, point.end())
        place = joint.end() if joint else point.end()
    return ", ".join(points)


def _counts(point: str) -> bool:
    count = _COUNT.fullmatch(point)
    return count is not None and int(count[1]) >= int(count[2])
