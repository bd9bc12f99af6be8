r"""Solutions of systems, one line for each name: ``\left\{\begin{array}{l}x=2 \\ y=-1\end{array}\right.``."""

from __future__ import annotations

import re

from rlframework.rewards.math.normalize import closes_at

_SYSTEM = re.compile(
    r"(?:\\\{)?\s*\\begin\s*\{(?P<kind>cases|aligned|align\*?|gathered|array|matrix)\}(?:\s*\{\s*[lcr]{1,3}\s*\})?"
    r"(?P<body>(?:(?!\\begin|\\end).)*)\\end\s*\{(?P=kind)\}",
    re.DOTALL,
)
_JOINT = re.compile(r"\s*(?:[,;]|\\text\s*\{\s*,?\s*(?:and|or)\s*\}|and|or)?\s*")
# A condition has a sign, a comma or words before it, and is no such line.
_LINE = re.compile(
    r"\s*(?P<name>(?:[A-Za-z]|\\[a-z]+)(?:_(?:[A-Za-z0-9]|\{[A-Za-z0-9]{1,3}\}))?)\s*&?\s*=\s*&?"
    r"(?P<value>(?:[^=<>&,;\\]|\\(?!text|[lgn]eq?(?![a-z])|in(?![a-z])|pmod|equiv)(?=[A-Za-z]))+?)[,;.]?\s*"
)


def as_equations(plain: str) -> str:
    r"""Return the solution of a system, or several of them, as equations in a line; any other text as it is.

    Example:
        >>> as_equations(r"\{\begin{array}{l}x=2 \\ y=-1\end{array}"), as_equations(r"\begin{cases} x &= 2 \end{cases}")
        ('x = 2, y = -1', '\\begin{cases} x &= 2 \\end{cases}')
        >>> as_equations(r"\{\begin{array}{l}2, n=1 \\ 3n, n>1\end{array}")
        '\\{\\begin{array}{l}2, n=1 \\\\ 3n, n>1\\end{array}'
    """
    equations: list[str] = []
    letters: set[frozenset[str]] = set()
    place = 0
    while place < len(plain):
        system = _SYSTEM.match(plain, place)
        lines = _lines(system["body"]) if system else []
        found = [line for line in lines if line]
        names = {line["name"] for line in found}
        if system is None or not 1 < len(names) == len(lines):
            return plain
        letters.add(frozenset(re.sub(r"_\{?[0-9]+\}?$", "", name) for name in names))
        equations += [f"{line['name']} = {line['value'].strip()}" for line in found]
        joint = _JOINT.match(plain, system.end())
        place = joint.end() if joint else system.end()
        if joint and joint[0].strip() and place == len(plain):
            return plain
    # Systems of different names are cases of no one solution.
    return ", ".join(equations) if len(letters) == 1 else plain


def _lines(body: str) -> list[re.Match[str] | None]:
    """Return the lines of a system, also those that stand in braces."""
    lines = [line.strip() for line in body.split(r"\\") if line.strip()]
    inside = [line[1:-1] if line[0] == "{" and closes_at(line, 0) == len(line) - 1 else line for line in lines]
    return [_LINE.fullmatch(line) for line in inside]
