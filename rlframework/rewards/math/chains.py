r"""Golds that show how their value came about: ``S = \frac12 \cdot 3 \cdot 4 = 6`` asks for 6."""

from __future__ import annotations

import re
from fractions import Fraction
from math import perm

from rlframework.rewards.math.solutions import is_name
from rlframework.rewards.math.syntax import (
    SCALARS,
    Degree,
    Node,
    Number,
    Operation,
    Percent,
    Quantity,
    Relation,
    Symbol,
    has_variables,
)

# One chain, and neither several answers nor a chain of another sign.
_SEVERAL = re.compile(r"[,;<>]|\\(?:\\|le|ge|ne|in|pm|approx|text|begin|equiv|to)(?![A-Za-z])")
# What a sum is over, and what an integral is.
_BOUND = re.compile(r"\\(?:sum|prod)_\{([a-z])=|(?<![A-Za-z])d([a-z])(?![A-Za-z])")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_DOTS = re.compile(r"\\(?:sum|prod|i{0,2}int)(?![A-Za-z])|dots(?![A-Za-z])|\.\.\.")
_OF_SUMS = frozenset(
    re.findall(r"\w+", "sum prod int iint iiint cdots ldots dots frac sqrt binom cdot times pi ln log sin cos tan")
)
_CHOSEN = re.compile(r"C(?=_\{?[0-9]+\}?\^)")
_NAME = re.compile(r"[A-Z](?:_\{[^{}=]{1,30}\}|_[A-Za-z0-9])?|[A-Z]\([A-Z]\)|[a-z](?:_\{[^{}=]{1,30}\}|_[A-Za-z0-9])?")


def last_side(plain: str) -> tuple[str, str] | None:
    r"""Return the name and the last side of a chain, as texts; None if the text is no chain of one named value.

    Example:
        >>> last_side(r"S = \int_0^1 x dx = \frac{1}{2}")
        ('S', '\\frac{1}{2}')
        >>> last_side("x = 3"), last_side("x = 1, y = 2 = z")
        (None, None)
    """
    name, *steps = (side.strip() for side in plain.split("="))
    one_chain = len(steps) > 1 and _NAME.fullmatch(name) and not _SEVERAL.search(plain.rpartition("=")[0])
    return (name, steps[-1]) if one_chain else None


def sides_of(plain: str) -> list[str]:
    r"""Return the sides of an equation as texts: the equals sign of ``\sum_{k=1}`` joins none.

    Example:
        >>> sides_of(r"\sum_{k=1}^{3} k = 6")
        ['\\sum_{k=1}^{3} k', '6']
    """
    sides, depth = [""], 0
    for character in plain:
        depth += (character in "{(") - (character in "})")
        if character == "=" and not depth:
            sides.append("")
        else:
            sides[-1] += character
    return [side.strip() for side in sides]


def computation(plain: str) -> tuple[list[str], str] | None:
    r"""Return the sides before the last one and the last of a computation without a name, as texts; None if it is none.

    Example:
        >>> computation(r"\sum_{k=1}^{3} k = 1+2+3 = 6")
        (['\\sum_{k=1}^{3} k', '1+2+3'], '6')
        >>> computation(r"a = 6"), computation(r"\sum_{k=1}^{n} k = 55")
        (None, None)
    """
    *steps, last = sides_of(plain)
    worked_out = bool(steps) and not _SEVERAL.search(" ".join(steps)) and all(map(_is_closed, steps))
    return (steps, last) if worked_out else None


def _is_closed(step: str) -> bool:
    """Return whether each letter of a step is one that it sums or integrates over, or the name of a constant."""
    bound = {letter for pair in _BOUND.findall(step) for letter in pair} | {"e", "i"}
    letters = set("".join(re.findall("[A-Za-z]", _COMMAND.sub(" ", _CHOSEN.sub("", step)))))
    return letters <= (bound | {"d"} if "\\int" in step else bound)


def is_open_sum(step: str) -> bool:
    r"""Return whether a step that is not read is a sum, product or integral of numbers, or one with dots.

    Example:
        >>> is_open_sum(r"1+2+\cdots+100"), is_open_sum(r"\int_0^1 x dx"), is_open_sum(r"2\square"), is_open_sum("?")
        (True, True, False, False)
    """
    known = all(name in _OF_SUMS for name in _COMMAND.findall(step))
    return known and _DOTS.search(step) is not None and re.fullmatch(r"[A-Za-z0-9\\{}()+*/^_=.!\s-]*", step) is not None


def with_arrangements(node: Node) -> Node:
    """Return ``A_5^2`` of a gold's computation as 20, how many arrangements there are of 2 out of 5; also ``P_5^2``."""
    if not isinstance(node, Operation):
        return node
    base, power = node.parts[0], node.parts[-1]
    name = re.fullmatch("[AP]_([0-9]{1,2})", base.name) if isinstance(base, Symbol) else None
    if node.name == "^" and name and isinstance(power, Number) and power.value.denominator == 1 and power.value > 0:
        return Number(Fraction(perm(int(name[1]), int(power.value))))
    return Operation(node.name, tuple(map(with_arrangements, node.parts)))


def as_number(node: Node, degrees: bool) -> Node:
    """Return a side of a computation with its percents as hundredths and, if it is one of degrees, these as numbers."""
    if isinstance(node, Percent):
        return Operation("/", (node.value, Number(Fraction(100))))
    if isinstance(node, Degree) and degrees:
        return node.value
    if not isinstance(node, Operation):
        return node
    return Operation(node.name, tuple(as_number(part, degrees) for part in node.parts))


def is_value(node: object) -> bool:
    """Return whether a node is a number, with a unit or without."""
    value = node.value if isinstance(node, (Quantity, Percent, Degree)) else node
    return isinstance(value, SCALARS) and not has_variables(value)


def steps_of(gold: Node) -> tuple[Node, tuple[Node, ...], Node] | None:
    """Return the name, the steps and the last side of a chain that was read; None if it is none.

    ``AB = BC = 12`` has two names and no step.
    """
    if not isinstance(gold, Relation) or set(gold.signs) != {"="} or len(gold.sides) < 3 or not is_name(gold.sides[0]):
        return None
    name, *steps, last = gold.sides
    return None if any(map(is_name, steps)) else (name, tuple(steps), last)
