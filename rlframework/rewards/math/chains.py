r"""Golds that show how their value came about: ``S = \frac12 \cdot 3 \cdot 4 = 6`` asks for 6."""

from __future__ import annotations

import re

from rlframework.rewards.math.solutions import is_name
from rlframework.rewards.math.syntax import SCALARS, Degree, Node, Percent, Quantity, Relation, has_variables

# One chain, and neither several answers nor a chain of another sign.
_SEVERAL = re.compile(r"[,;<>]|\\(?:\\|le|ge|ne|in|pm|approx|text|begin|equiv|to)(?![A-Za-z])")
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
