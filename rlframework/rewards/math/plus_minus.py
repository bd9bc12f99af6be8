"""The two values of an expression with a plus-minus in it."""

from __future__ import annotations

from rlframework.rewards.math.syntax import Node, Operation, PlusMinus, Sequence


def both_values(node: Node) -> tuple[Node, ...]:
    r"""Return the values with plus and with minus, for all signs of an expression at once; the node if it has none.

    Example:
        >>> from rlframework.rewards.math.parser import read
        >>> len(both_values(read(r"\frac{1 \pm \sqrt{5}}{2}"))), len(both_values(read(r"\sqrt{5}")))
        (2, 1)
    """
    signs = _with_sign(node, negative=False), _with_sign(node, negative=True)
    return signs if signs[0] != signs[1] else (node,)


def _with_sign(node: Node, negative: bool) -> Node:
    if isinstance(node, PlusMinus):
        value = Operation("neg", (node.value,)) if negative else node.value
        return value if node.before is None else Operation("+", (node.before, value))
    if isinstance(node, Operation):
        return Operation(node.name, tuple(_with_sign(part, negative) for part in node.parts))
    if isinstance(node, Sequence) and sum(map(_has_sign, node.items)) == 1:
        # Of two signs in a tuple nobody says whether they go together.
        return Sequence(node.opening, tuple(_with_sign(item, negative) for item in node.items), node.closing)
    return node


def _has_sign(node: Node) -> bool:
    return isinstance(node, PlusMinus) or (isinstance(node, Operation) and any(map(_has_sign, node.parts)))
