r"""Unit vectors in any writing: ``3\mathbf{i} - 4\mathbf{j}`` is ``3\vec{i} - 4\vec{j}``."""

from __future__ import annotations

import re

_LETTER = (
    r"(?:\\(?:vec|hat|text|mathbf|overrightarrow)\s*\{?\s*\\?([ijk])(?:math)?\s*\}?|(?<![A-Za-z\\])([ijk])(?![A-Za-z]))"
)
_WRITTEN = re.compile(_LETTER)
# A sum of numbers times such letters.
_COEFFICIENTS = re.compile(r"(?:[-+0-9./ {}()*]|\\(?:frac|sqrt|pi|cdot|times|left|right)(?![A-Za-z]))*")


def with_arrows(plain: str) -> str:
    r"""Return a sum of unit vectors with an arrow over each; any other text as it is.

    Two of them have to be there, one of them j or k: ``3 + 4i`` is a complex number.

    Example:
        >>> with_arrows(r"3\text{i} - 4\text{j}"), with_arrows(r"2\hat{\imath} + \hat{k}"), with_arrows("3i - 4j")
        ('3\\vec{i} - 4\\vec{j}', '2\\vec{i} + \\vec{k}', '3\\vec{i} - 4\\vec{j}')
        >>> with_arrows("3+4i"), with_arrows("ij + 2"), with_arrows("2jk")
        ('3+4i', 'ij + 2', '2jk')
    """
    written = list(_WRITTEN.finditer(plain))
    letters = [found[1] or found[2] for found in written]
    if "i" not in letters and not any(found[1] for found in written):
        return plain  # Two variables.
    rest = _WRITTEN.sub("#", plain)
    apart = len(set(letters)) == len(letters) > 1 and _COEFFICIENTS.fullmatch(rest.replace("#", ""))
    # A term without a letter is no vector, nor is a product of two.
    terms = re.split(r"(?<=#)\s*(?=[-+])", rest)
    if not apart or any(term.count("#") != 1 or not term.endswith("#") for term in map(str.strip, terms)):
        return plain
    return _WRITTEN.sub(lambda found: rf"\vec{{{found[1] or found[2]}}}", plain)
