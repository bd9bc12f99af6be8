r"""Sets of real numbers that are written in several ways: ``x \ne 0``, ``\mathbb{R} \setminus \{0\}``, ``|x| > 2``."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from rlframework.rewards.math.equivalence import real_value
from rlframework.rewards.math.exact import exact_value
from rlframework.rewards.math.intervals import infinite_sign, interval_of, is_interval, ordered
from rlframework.rewards.math.linear import degree, letters_of
from rlframework.rewards.math.parameters import renamed
from rlframework.rewards.math.plus_minus import both_values
from rlframework.rewards.math.syntax import (
    ALL_REALS,
    Collection,
    Node,
    Number,
    Operation,
    Relation,
    Sequence,
    Symbol,
    has_variables,
)


@dataclass(frozen=True)
class RealSet:
    """A set of numbers.

    Args:
        name: What the numbers are called, if something was said of them: x.
        numbers: An interval, or a union of intervals and sets.
    """

    name: Node | None
    numbers: Node

    def of_same_name(self, other: RealSet) -> bool:
        """Return whether it may be a set of the same variable: one that is not named may be any."""
        return None in (self.name, other.name) or self.name == other.name


def real_set(node: Node) -> RealSet | None:
    r"""Return the set that a node stands for; None for what is none, or may be something else, as the pair (1, 2).

    Example:
        >>> from rlframework.rewards.math.parser import read
        >>> writings = (r"x \ne 0", r"x \in \mathbb{R} \setminus \{0\}", r"x \in \mathbb{R}, x \ne 0", r"|x| > 0")
        >>> len({real_set(read(text)) for text in writings})
        1
    """
    if isinstance(node, Sequence):
        return RealSet(None, node) if is_interval(node) and node.opening != "<" else None
    if isinstance(node, Operation):
        return _difference(node)
    if isinstance(node, Relation):
        return _of_relation(node)
    if not isinstance(node, Collection) or node.kind == "set":
        return None
    if node.kind == "union":
        return RealSet(None, node)
    return _of_either(node) if node.kind == "either" else _of_all(node)


def _of_relation(relation: Relation) -> RealSet | None:
    left, right = relation.sides[0], relation.sides[-1]
    if relation.signs == ("in",):
        # Behind "in" even (1, 2) is an interval.
        inner = RealSet(None, right) if isinstance(right, Sequence) and len(right.items) == 2 else real_set(right)
        return None if inner is None else RealSet(left, inner.numbers)
    if relation.signs == ("!=",):
        without = _without(ALL_REALS, both_values(right)) if isinstance(left, Symbol) else None
        return None if without is None else RealSet(left, without)
    interval = interval_of(relation)
    return RealSet(*interval) if interval else _of_distance(relation)


def _of_distance(relation: Relation) -> RealSet | None:
    """Return the set of ``|x| < 2`` or ``|x| > 2``."""
    sides, signs = ordered(relation)
    if len(signs) != 1 or signs[0] not in ("<", "<="):
        return None
    inside = isinstance(sides[0], Operation)
    distance, bound = sides if inside else sides[::-1]
    value = None if has_variables(bound) else real_value(bound)
    of_linear = _line(distance.parts[0]) if isinstance(distance, Operation) and distance.name == "abs" else None
    # |x| > 0 has one point in the middle and |x| >= 0 none.
    if of_linear is None or value is None or not (value > 0 or (value == 0 and not inside and signs[0] == "<")):
        return None
    name, middle, slope = of_linear
    reach = bound if slope == 1 else Operation("/", (bound, Number(abs(slope))))
    below, above = _shifted(middle, Operation("neg", (reach,))), _shifted(middle, reach)
    opening, closing = ("(", ")") if signs[0] == "<" else ("[", "]")
    if inside:
        return RealSet(name, Sequence(opening, (below, above), closing))
    least, most = ALL_REALS.items
    outside = Sequence("(", (least, above if value == 0 else below), closing), Sequence(opening, (above, most), ")")
    return RealSet(name, Collection("union", outside))


def _shifted(middle: Fraction, by: Node) -> Node:
    return by if middle == 0 else Operation("+", (Number(middle), by))


def _line(node: Node) -> tuple[Symbol, Fraction, Fraction] | None:
    """Return the letter, the zero and the slope of a linear expression of one letter, with fractions in it."""
    letters = letters_of(node)
    if len(letters) != 1 or degree(node, *letters) != 1:
        return None
    [letter] = letters
    at = [exact_value(renamed(node, letter, Number(Fraction(place)))) for place in (0, 1)]
    if None in at or at[0] == at[1]:
        return None
    slope = at[1] - at[0]  # type: ignore[operator]
    return letter, -at[0] / slope, slope  # type: ignore[operator]


def _of_either(node: Collection) -> RealSet | None:
    parts = [part for part in map(real_set, node.items) if part is not None]
    if len(parts) < len(node.items) or len({part.name for part in parts}) != 1 or parts[0].name is None:
        return None
    pieces = [part.numbers.items if isinstance(part.numbers, Collection) else (part.numbers,) for part in parts]
    return RealSet(parts[0].name, Collection("union", tuple(piece for several in pieces for piece in several)))


def _of_all(node: Collection) -> RealSet | None:
    r"""Return the set of ``x \ne 1, 2`` or ``x > 0, x \ne 1``, in which ``x \in \mathbb{R}`` says nothing."""
    name: Node | None = None
    whole = ALL_REALS
    points: list[Node] = []
    for item in node.items:
        if isinstance(item, Relation):
            part = _of_relation(item)
            if part is None or name not in (None, part.name):
                return None
            name = part.name
            if item.signs == ("!=",):
                points.extend(both_values(item.sides[1]))
            elif isinstance(part.numbers, Sequence) and ALL_REALS in (whole, part.numbers):
                whole = part.numbers if whole == ALL_REALS else whole
            else:
                return None
        elif not points:
            return None
        else:
            points.extend(both_values(item))
    without = _without(whole, points) if points and isinstance(name, Symbol) else None
    return None if without is None else RealSet(name, without)


def _difference(node: Operation) -> RealSet | None:
    r"""Return ``A \setminus B`` or ``A - B``, where B has single points."""
    whole, taken = (node.parts[0], node.parts[-1]) if len(node.parts) == 2 else (None, None)
    if node.name == "+" and isinstance(taken, Operation) and taken.name == "neg":
        taken = taken.parts[0]
    elif node.name != "setminus":
        return None
    if not isinstance(whole, Sequence) or not isinstance(taken, Collection) or taken.kind != "set":
        return None
    points = [point for item in taken.items for point in both_values(item)]
    without = _without(whole, points) if is_interval(whole) else None
    return None if without is None else RealSet(None, without)


def _without(interval: Sequence, points: list[Node] | tuple[Node, ...]) -> Node | None:
    """Return an interval without points inside of it; None if they cannot be put in order, or lie outside."""
    inner = {point: real_value(point) for point in points}
    low, high = (_bound(item) for item in interval.items)
    if None in (low, high, *inner.values()) or not all(low < value < high for value in inner.values()):  # type: ignore[operator]
        return None
    cuts = sorted(inner, key=lambda point: inner[point])  # type: ignore[arg-type, return-value]
    starts = [(interval.opening, interval.items[0]), *(("(", cut) for cut in cuts)]
    ends = [*((cut, ")") for cut in cuts), (interval.items[1], interval.closing)]
    pieces = [
        Sequence(opening, (first, last), closing)
        for (opening, first), (last, closing) in zip(starts, ends, strict=True)
    ]
    return Collection("union", tuple(pieces)) if len(pieces) > 1 else pieces[0]


def _bound(node: Node) -> float | None:
    sign = infinite_sign(node)
    return real_value(node) if sign is None else float(f"{sign}inf")
