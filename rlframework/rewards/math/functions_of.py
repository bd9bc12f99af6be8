"""Functions that a letter names: ``y(x) = 2x`` says of y what ``y = 2x`` does."""

from __future__ import annotations

import re
from typing import Any

from rlframework.rewards.math.parameters import occurs, renamed
from rlframework.rewards.math.syntax import Node, Relation, Symbol

_OF = re.compile(r"(?P<function>[A-Za-z]'*)\((?P<argument>[a-z])\)")


def with_plain_name(node: Node, other: Node) -> Node:
    """Return an equation of ``y(x)`` as one of y, if the other is one of y and x is what stands on the right.

    Example:
        >>> from rlframework.rewards.math.parser import read
        >>> with_plain_name(read("y(x) = 2x"), read("y = 2x")) == read("y = 2x")
        True
        >>> with_plain_name(read("y(t) = 2x"), read("y = 2x")) == read("y = 2x")
        False
    """
    written = _OF.fullmatch(_left(node))
    if written is None or _left(other) != written["function"]:
        return node
    of_argument = occurs(Symbol(written["argument"]), node.sides[1])  # type: ignore[union-attr]
    return renamed(node, Symbol(written[0]), Symbol(written["function"])) if of_argument else node


def _left(node: Any) -> str:
    left = node.sides[0] if isinstance(node, Relation) and node.signs == ("=",) else None
    return left.name if isinstance(left, Symbol) else ""
