"""The boxed answer of a text, in LaTeX."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])[ \t\n]*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BARE = re.compile(r"[^\s$]+")


def last_boxed(text: str) -> str | None:
    r"""Return what is in the last ``\boxed{}`` (or ``\fbox{}``), as in MATH; None if there is none or it never closes.

    Braces are balanced, those of ``\{`` and ``\}`` do not count, and ``\boxed 7`` is read up to the next blank or
    dollar sign. Takes linear time.

    Example:
        >>> last_boxed(r"Not $\boxed{1}$ but $\boxed{\frac{1}{2}}$.")
        '\\frac{1}{2}'
        >>> last_boxed(r"$\boxed 7$ is it"), last_boxed(r"$\boxed{7")
        ('7', None)
    """
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return None
    start = boxes[-1].end()
    if text[start : start + 1] != "{":
        bare = _BARE.match(text, start)
        return bare.group().rstrip(".,;") or None if bare else None
    depth = 0
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return text[start + 1 : brace.start()].strip() or None
    return None
