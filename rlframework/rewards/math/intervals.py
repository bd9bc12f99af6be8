"""Intervals, and what is another way to write one: ``1 < x <= 2``, ``x in (1, 2]``."""

from __future__ import annotations

from rlframework.rewards.math.syntax import Node, Operation, Relation, Sequence, Symbol, has_variables


def infinite_sign(node: Node) -> str | None:
    """Return ``+`` or ``-`` for the two infinities."""
    if node == Symbol("infinity"):
        return "+"
    return "-" if node == Operation("neg", (Symbol("infinity"),)) else None


def ordered(relation: Relation) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """Return a chain that is written from small to large."""
    turned = {">": "<", ">=": "<="}
    if all(sign in turned for sign in relation.signs):
        return relation.sides[::-1], tuple(turned[sign] for sign in relation.signs[::-1])
    return relation.sides, relation.signs


def interval_of(relation: Relation) -> tuple[Node, Sequence] | None:
    """Return the variable and interval of ``1 < x <= 2`` or ``x > 3``."""
    sides, signs = ordered(relation)
    infinity = Symbol("infinity")
    if any(sign not in ("<", "<=") for sign in signs):
        return None
    if len(signs) == 2 and isinstance(sides[1], Symbol):
        opening, closing = "(" if signs[0] == "<" else "[", ")" if signs[1] == "<" else "]"
        return sides[1], Sequence(opening, (sides[0], sides[2]), closing)
    if len(signs) == 1 and isinstance(sides[0], Symbol) and not has_variables(sides[1]):
        below = Operation("neg", (infinity,))
        return sides[0], Sequence("(", (below, sides[1]), ")" if signs[0] == "<" else "]")
    if len(signs) == 1 and isinstance(sides[1], Symbol) and not has_variables(sides[0]):
        return sides[1], Sequence("(" if signs[0] == "<" else "[", (sides[0], infinity), ")")
    return None


def is_interval(node: Sequence) -> bool:
    """Return whether it can be nothing but an interval, as a pair in round brackets could."""
    mixed = (node.opening, node.closing) != ("(", ")")
    return len(node.items) == 2 and (mixed or any(infinite_sign(item) for item in node.items))
