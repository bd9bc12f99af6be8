"""How an expression depends on a letter, by its structure: what is linear has two coefficients and no more."""

from __future__ import annotations

from fractions import Fraction

from rlframework.rewards.math.syntax import CONSTANTS, Degree, Node, Number, Operation, Symbol

_MINUS_ONE = Operation("neg", (Number(Fraction(1)),))


def letters_of(node: Node) -> set[Symbol]:
    """Return the variables of a scalar."""
    if isinstance(node, Symbol):
        return set() if node.name in CONSTANTS else {node}
    if isinstance(node, Degree):
        return letters_of(node.value)
    return set().union(*map(letters_of, node.parts)) if isinstance(node, Operation) else set()


def degree(node: Node, letter: Symbol) -> int | None:
    r"""Return the degree of a polynomial in a letter; None if it is none.

    A power of -1 with a whole number for the letter is a sign, and no power.

    Example:
        >>> from rlframework.rewards.math.parser import read
        >>> [degree(read(text), Symbol("k")) for text in (r"2k\pi + 1", r"\frac{(2k+1)\pi}{2}", "k(k+1)", r"\sin k")]
        [1, 1, 2, None]
    """
    if node == letter:
        return 1
    if isinstance(node, (Number, Symbol)):
        return 0
    if letter not in letters_of(node):
        return 0
    if isinstance(node, Degree):
        return degree(node.value, letter)
    if not isinstance(node, Operation):
        return None
    if is_sign(node, letter):
        return 0
    degrees = [degree(part, letter) for part in node.parts]
    if None in degrees:
        return None
    if node.name in ("+", "neg"):
        return max(degrees)  # type: ignore[type-var]
    if node.name == "*":
        return sum(degrees)  # type: ignore[arg-type]
    return degrees[0] if node.name == "/" and degrees[1] == 0 else None


def is_sign(node: Node, letter: Symbol) -> bool:
    """Return whether it is ``(-1)^k``, ``(-1)^{k+1}`` or the like."""
    if not isinstance(node, Operation) or node.name != "^" or node.parts[0] != _MINUS_ONE:
        return False
    exponent = node.parts[1]
    shift = exponent.parts if isinstance(exponent, Operation) and exponent.name == "+" else (exponent,)
    whole = (
        isinstance(part, Number) and part.value.denominator == 1 for part in map(_positive, shift) if part != letter
    )
    return shift.count(letter) == 1 and all(whole)


def _positive(node: Node) -> Node:
    return node.parts[0] if isinstance(node, Operation) and node.name == "neg" else node
