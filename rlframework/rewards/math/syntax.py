"""The syntax tree of an answer: the few kinds of mathematical object that answers are made of.

Nodes are plain tuples with names. Arithmetic ones (`Number` to `Degree`) make scalars; the others hold scalars and are
compared kind by kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


@dataclass(frozen=True)
class Number:
    """An exact number: every decimal is a fraction."""

    value: Fraction


@dataclass(frozen=True)
class Symbol:
    """A variable, or one of the constants ``pi``, ``e``, ``i``, ``infinity``."""

    name: str


@dataclass(frozen=True)
class Operation:
    """A sum, product, quotient, power, or a function of its parts.

    Args:
        name: ``+``, ``*``, ``/``, ``^``, ``neg``, ``root`` (radicand, degree), or a function such as ``sin``.
        parts: Its operands.
    """

    name: str
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Degree:
    """An angle in degrees."""

    value: Node


@dataclass(frozen=True)
class Percent:
    """A percentage: neither its number nor its hundredth."""

    value: Node


@dataclass(frozen=True)
class Quantity:
    """A number of something.

    Args:
        value: How many.
        unit: Of what, in the spelling of `rlframework.rewards.math.units`.
    """

    value: Node
    unit: str


@dataclass(frozen=True)
class Based:
    """Digits in another base than ten, kept as written."""

    digits: str
    base: int


@dataclass(frozen=True)
class Sequence:
    """Ordered items in brackets: a pair, a vector, an interval. The brackets are part of it.

    Args:
        opening: ``(``, ``[`` or ``<``.
        items: At least one.
        closing: ``)``, ``]`` or ``>``.
    """

    opening: str
    items: tuple[Node, ...]
    closing: str


@dataclass(frozen=True)
class Collection:
    """Items whose order says nothing.

    Args:
        kind: ``set`` in braces, ``list`` of bare items, ``either`` for those joined by "or", ``union`` of sets.
        items: Any number of them.
    """

    kind: str
    items: tuple[Node, ...]


@dataclass(frozen=True)
class PlusMinus:
    """Two values in one writing: ``before`` plus and minus ``value``."""

    before: Node | None
    value: Node


@dataclass(frozen=True)
class Matrix:
    """A matrix or vector, as rows of entries.

    Args:
        rows: As many entries in each.
        kind: ``matrix`` in round or square brackets, ``determinant`` between bars.
    """

    rows: tuple[tuple[Node, ...], ...]
    kind: str


@dataclass(frozen=True)
class Relation:
    """A chain such as ``3 < x <= 4``.

    Args:
        sides: One more than signs.
        signs: ``=``, ``<``, ``>``, ``<=``, ``>=``, ``!=`` or ``in``.
    """

    sides: tuple[Node, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A case of a function.

    Args:
        value: Its value, a scalar.
        condition: Where it has that value: relations, or words such as "n odd".
    """

    value: Node
    condition: Node | str


@dataclass(frozen=True)
class Piecewise:
    """A function by cases.

    Args:
        cases: Two or more.
    """

    cases: tuple[Case, ...]


Node: TypeAlias = (
    Number
    | Symbol
    | Operation
    | Degree
    | Percent
    | Quantity
    | Based
    | Sequence
    | Collection
    | PlusMinus
    | Matrix
    | Relation
    | Piecewise
)

SCALARS = (Number, Symbol, Operation)


_INFINITY = Symbol("infinity")
ALL_REALS = Sequence("(", (Operation("neg", (_INFINITY,)), _INFINITY), ")")


class UnreadableError(ValueError):
    """A text that is no mathematical object in the notation that is read here, or one that is too large."""


CONSTANTS = frozenset({"pi", "e", "i", "infinity"})


VECTOR = "\\vec"


def has_vector(node: Node) -> bool:
    """Return whether a scalar has an arrow over one of its letters: such do not multiply as numbers do."""
    if isinstance(node, Symbol):
        return node.name.startswith(VECTOR)
    return isinstance(node, Operation) and any(map(has_vector, node.parts))


def has_variables(node: Node) -> bool:
    """Return whether a scalar has a variable in it."""
    if isinstance(node, Symbol):
        return node.name not in CONSTANTS
    return isinstance(node, Operation) and any(map(has_variables, node.parts))
