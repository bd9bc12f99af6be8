r"""Families of numbers, one for each whole number: ``k\pi, k \in \mathbb{Z}``. Two of them may be another one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from rlframework.rewards.math.equivalence import precision, value_at
from rlframework.rewards.math.linear import degree, is_sign, letters_of
from rlframework.rewards.math.parameters import renamed
from rlframework.rewards.math.plus_minus import both_values
from rlframework.rewards.math.solutions import is_name
from rlframework.rewards.math.syntax import SCALARS, Collection, Node, Number, Operation, Relation, Symbol

# How often one period may fit into the common one, and how many numbers of a common period are compared.
MAX_PARTS = 60
DIGITS = (60, 1_500)
_WHOLE = Symbol("\\mathbb{Z}")


@dataclass(frozen=True)
class Family:
    """The numbers at equal distances from one another.

    Args:
        start: One of them.
        period: The distance.
    """

    start: Node
    period: Node


@dataclass(frozen=True)
class Families:
    r"""The numbers of some families.

    Args:
        name: What they are called, if something is said of it: the x of ``x = k\pi``.
        parts: At least one.
    """

    name: Node | None
    parts: tuple[Family, ...]


def families_of(node: Node) -> Families | None:
    r"""Return the families that an answer lists with a letter for whole numbers; None if it is anything else.

    Example:
        >>> from rlframework.rewards.math.parser import read
        >>> len(families_of(read(r"x = \pm\frac{\pi}{3} + 2k\pi, k \in \mathbb{Z}")).parts)
        2
        >>> families_of(read(r"x = k^2, k \in \mathbb{Z}")), families_of(read(r"x = k\pi"))
        (None, None)
    """
    if not isinstance(node, Collection) or node.kind not in ("list", "either"):
        return None
    letters: list[Node] = []
    said: list[Node] = []
    for item in node.items:
        if isinstance(item, Relation) and item.signs == ("in",) and item.sides[1] == _WHOLE:
            letters.append(item.sides[0])
        else:
            said.append(item)
    # The name stands before the first of them at least, and there is one.
    names = {item.sides[0] if item.signs == ("=",) else None for item in said if isinstance(item, Relation)}
    if not said or len(names) > 1 or (names and not isinstance(said[0], Relation)) or not all(map(_is_name, names)):
        return None
    values = [item.sides[1] if isinstance(item, Relation) else item for item in said]
    found = [_families(one, letters) for value in values for one in both_values(value)]
    name = names.pop() if names else None
    return Families(name, tuple(part for parts in found for part in parts)) if all(found) else None


def _is_name(node: Node | None) -> bool:
    return node is not None and is_name(node)


def _families(value: Node, letters: list[Node]) -> list[Family]:
    """Return the one family of ``2k + 1``, or the two of ``(-1)^k + 2k``, of even and of odd k; else none."""
    own = letters_of(value) if isinstance(value, SCALARS) else set()
    if len(own) != 1 or not own.issubset(letters):
        return []
    [letter] = own
    if degree(value, letter) not in (0, 1):
        return []

    def at(place: int) -> Node:
        return renamed(value, letter, Number(Fraction(place)))

    step = 2 if _holds_sign(value, letter) else 1
    return [
        Family(at(first), Operation("+", (at(first + step), Operation("neg", (at(first),))))) for first in range(step)
    ]


def _holds_sign(node: Node, letter: Symbol) -> bool:
    return isinstance(node, Operation) and (
        is_sign(node, letter) or any(_holds_sign(part, letter) for part in node.parts)
    )


def same_families(wanted: Families, given: Families) -> bool | None:
    """Return whether two sets of families hold the same numbers; None if that cannot be told."""
    if None not in (wanted.name, given.name) and wanted.name != given.name:
        return False
    found = [_same_numbers(wanted.parts, given.parts, digits) for digits in DIGITS]
    return None if None in found else all(found)


def _same_numbers(wanted: tuple[Family, ...], given: tuple[Family, ...], digits: int) -> bool | None:
    with precision(digits) as mp:
        try:
            pairs = [(value_at(part.start, {}), value_at(part.period, {})) for part in (*wanted, *given)]
        except (ArithmeticError, ValueError, KeyError):
            return None
        close = mp.mpf(10) ** (15 - digits)
        unit = pairs[0][1]
        if any(mp.im(value) != 0 for pair in pairs for value in pair) or any(abs(pair[1]) < close for pair in pairs):
            return None
        lengths = [abs(length) for length in (_fraction(period / unit, mp) for _, period in pairs) if length]
        if len(lengths) < len(pairs):
            return None
        whole = _common(lengths)
        if sum(whole / length for length in lengths) > MAX_PARTS:
            return None
        numbers = [
            [
                start / unit + int(part) * mp.mpf(length.numerator) / length.denominator
                for part in range(int(whole / length))
            ]
            for (start, _), length in zip(pairs, lengths, strict=True)
        ]
        size = mp.mpf(whole.numerator) / whole.denominator
        sides = [
            [one for several in part for one in several] for part in (numbers[: len(wanted)], numbers[len(wanted) :])
        ]

        def within(one: Any, others: list[Any]) -> bool:
            return any(abs(apart - mp.nint(apart)) < close for apart in ((one - other) / size for other in others))

        return all(within(one, sides[1]) for one in sides[0]) and all(within(one, sides[0]) for one in sides[1])


def _fraction(value: Any, mp: Any) -> Fraction | None:
    """Return the fraction with a small denominator that a number is; None if it is none."""
    found = Fraction(int(mp.nint(value * 10**40)), 10**40).limit_denominator(10_000)
    exact = abs(value * found.denominator - found.numerator) < mp.mpf(10) ** (20 - mp.dps) * (1 + abs(value))
    return found if exact else None


def _common(lengths: list[Fraction]) -> Fraction:
    """Return the least length that is a multiple of each."""
    below = lcm(*(length.denominator for length in lengths))
    return Fraction(lcm(*(int(length * below) for length in lengths)), below)
