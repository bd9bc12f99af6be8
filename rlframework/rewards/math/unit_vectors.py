r"""Unit vectors in any writing: ``3\mathbf{i} - 4\mathbf{j}`` is ``3\vec{i} - 4\vec{j}``, and its components."""

from __future__ import annotations

import re
from fractions import Fraction

from rlframework.rewards.math.linear import letters_of
from rlframework.rewards.math.parameters import renamed
from rlframework.rewards.math.syntax import SCALARS, Node, Number, Operation, Sequence, Symbol

_LETTER = (
    r"(?:\\(?:vec|hat|text|mathbf|overrightarrow)\s*\{?\s*\\?([ijk])(?:math)?\s*\}?|(?<![A-Za-z\\])([ijk])(?![A-Za-z]))"
)
_WRITTEN = re.compile(_LETTER)
_UNITS = tuple(Symbol(rf"\vec{{{letter}}}") for letter in "ijk")
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


def components(node: Node) -> Node:
    r"""Return ``\langle 3,-4 \rangle`` of ``3\vec{i} - 4\vec{j}``; anything else as it is.

    Example:
        >>> from rlframework.rewards.math.parser import read
        >>> len(components(read(r"3\vec{i} - 4\vec{k}")).items)
        3
        >>> all(components(one) == one for one in map(read, (r"3\vec{i} + 1", r"\vec{i}^2", "x + y", "(1,2)")))
        True
    """
    if not isinstance(node, SCALARS) or not _is_sum_of_units(node):
        return node
    units = _UNITS if _UNITS[2] in letters_of(node) else _UNITS[:2]
    return Sequence("<", tuple(_coefficient(node, unit) for unit in units), ">")


def _is_sum_of_units(node: Node) -> bool:
    if not isinstance(node, Operation):
        return node in _UNITS
    if node.name in ("+", "neg"):
        return all(map(_is_sum_of_units, node.parts))
    with_units = [part for part in node.parts if letters_of(part) & set(_UNITS)]
    scaled = node.name == "*" or (node.name == "/" and with_units == [node.parts[0]])
    return scaled and len(with_units) == 1 and _is_sum_of_units(with_units[0])


def _coefficient(node: Node, unit: Symbol) -> Node:
    for letter in _UNITS:
        node = renamed(node, letter, Number(Fraction(letter == unit)))
    return node
