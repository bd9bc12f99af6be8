"""Solutions, the values of the names in an answer: ``x = 1 or x = 2``, ``n = 2, 3``, ``(a, b) = (1, 2)``."""

from __future__ import annotations

from dataclasses import dataclass

from rlframework.rewards.math.plus_minus import both_values
from rlframework.rewards.math.syntax import (
    CONSTANTS,
    SCALARS,
    Collection,
    Node,
    Operation,
    Relation,
    Sequence,
    Symbol,
    has_variables,
)

# Letters that name a function, an event's probability or an expectation by custom.
FUNCTION_LETTERS = "fghpqFGHPEV"
OF_ANGLES = ("sin", "cos", "tan", "cot")
MAX_CASES = 64


@dataclass(frozen=True)
class Solution:
    r"""A solution: one value for each of some names.

    Args:
        names: Different ones.
        values: As many.
        ordered: Whether it was written as a tuple, so that the order of the names is meant.
        in_doubt: Whether nobody says which values go together: ``x = \pm 1, y = \pm 2``.
    """

    names: tuple[Node, ...]
    values: tuple[Node, ...]
    ordered: bool = False
    in_doubt: bool = False

    @property
    def as_tuple(self) -> Sequence | None:
        """The tuple of its values; None if in doubt, and if nobody said in which order: ``y = 2, x = 1``."""
        if self.in_doubt:
            return None
        written = [name.name.removeprefix("\\") for name in self.names if isinstance(name, Symbol)]
        alphabetical = len(written) == len(self.names) and written == sorted(written)
        return Sequence("(", self.values, ")") if self.ordered or alphabetical else None

    def by_name(self) -> dict[Node, Node]:
        """Return the value of each name."""
        return dict(zip(self.names, self.values, strict=True))


def solutions_of(node: Node) -> tuple[Solution, ...] | None:
    r"""Return what the names of an answer stand for, one solution for each case; None if it says nothing of the kind.

    A value without a name has the name of the one before it, as in ``n = 2, 3``. A name that comes again begins the
    next case, as in ``x = 1, y = 2, x = 2, y = 1``. In ``x \in \{1, 2\}`` each element is a case.

    Example:
        >>> from rlframework.rewards.math.parser import read
        >>> [len(solutions_of(read(text)) or ()) for text in ("n = 2, 3, 4", "a = 1, b = 2", "2x = 6")]
        [3, 1, 0]
    """
    if isinstance(node, Relation):
        return _of_relation(node)
    if not isinstance(node, Collection) or node.kind not in ("list", "either"):
        return None
    cases: list[tuple[Solution, ...]] = []
    name: Node | None = None
    for item in node.items:
        if isinstance(item, Relation):
            name = item.sides[0]
        elif name is not None:
            item = Relation((name, item), ("=",))
        case = _of_relation(item) if isinstance(item, Relation) else None
        if case is None:
            return None
        cases.append(case)
    if node.kind == "either":
        return tuple(case for several in cases for case in several)
    return _joined(cases)


def without_indices(cases: tuple[Solution, ...]) -> tuple[Solution, ...]:
    """Return ``x_1 = 2, x_2 = 3`` as two cases of x, and ``x_1 = 2, y_1 = 3, x_2 = 3, y_2 = 2`` as two of x and y.

    Anything else comes back as it is.
    """
    pairs = [pair for case in cases for pair in zip(case.names, case.values, strict=True)]
    split = [(*_letter_and_index(name), value) for name, value in pairs]
    letters = list(dict.fromkeys(letter for letter, _, _ in split))
    indices = list(dict.fromkeys(index for _, index, _ in split))
    if "" in indices or not letters:
        return cases
    if len(letters) == 1:
        return tuple(Solution((Symbol(letter),), (value,)) for letter, _, value in split)
    found = []
    for index in indices:
        of_index = [(Symbol(letter), value) for letter, place, value in split if place == index]
        names, values = zip(*of_index, strict=True)
        if len(names) != len(letters) or len(set(names)) != len(letters):
            return cases
        found.append(Solution(names, values, ordered=all(case.ordered for case in cases)))
    return tuple(found) if len(found) > 1 else cases


def _letter_and_index(name: Node) -> tuple[str, str]:
    """Return x and 1 of ``x_1``; an empty index of what has none that is a number."""
    letter, _, index = name.name.partition("_") if isinstance(name, Symbol) else ("", "", "")
    index = index.strip("{}")
    return letter, index if index.replace(",", "").isdigit() else ""


def _of_relation(relation: Relation) -> tuple[Solution, ...] | None:
    left, right = relation.sides[0], relation.sides[-1]
    if relation.signs == ("in",):
        elements = right.items if isinstance(right, Collection) and right.kind == "set" else ()
        cases = [_of_relation(Relation((left, element), ("=",))) or () for element in elements]
        return tuple(case for several in cases for case in several) if all(cases) and cases else None
    if set(relation.signs) != {"="}:
        return None
    if isinstance(left, Sequence):
        fits = is_name(left) and isinstance(right, Sequence) and len(right.items) == len(left.items)
        return (Solution(left.items, right.items, ordered=True),) if fits and len(relation.sides) == 2 else None  # type: ignore[union-attr]
    names = tuple(map(_without_bars, relation.sides[:-1]))
    if not all(map(is_name, names)) or len(set(names)) < len(names) or any(holds(right, name) for name in names):
        return None
    return tuple(Solution(names, (value,) * len(names)) for value in both_values(right))


def _joined(cases: list[tuple[Solution, ...]]) -> tuple[Solution, ...] | None:
    """Put together what belongs to one case, until a name comes again; each of several values is a case of its own.

    None if there are too many.
    """
    found: list[Solution] = []
    open_cases: tuple[Solution, ...] = ()
    for several in cases:
        again = any(set(case.names) & set(one.names) for case in open_cases for one in several)
        if again or not open_cases:
            found.extend(open_cases)
            open_cases = several
        elif len(open_cases) * len(several) > MAX_CASES:
            return None
        else:
            in_doubt = len(open_cases) > 1 and len(several) > 1
            open_cases = tuple(_both(case, one, in_doubt) for case in open_cases for one in several)
    return (*found, *open_cases)


def _both(left: Solution, right: Solution, in_doubt: bool) -> Solution:
    names, values = left.names + right.names, left.values + right.values
    return Solution(names, values, left.ordered and right.ordered, in_doubt or left.in_doubt)


def is_name(node: Node) -> bool:
    """Return whether it names one thing: x, x_1, f(x), f(-2), f'(x), f^{-1}(x), P(A), |AB|, cos A, a tuple of such."""
    if isinstance(node, Symbol):
        return node.name not in CONSTANTS
    if isinstance(node, Sequence):
        return (node.opening, node.closing) == ("(", ")") and all(map(is_name, node.items))
    if isinstance(node, Operation) and node.name in OF_ANGLES:
        # Of an angle; that of x is an equation for x.
        angle = node.parts[0]
        return isinstance(angle, Symbol) and (angle.name.isupper() or angle.name.startswith("\\"))
    if isinstance(node, Operation) and node.name == "abs":
        return all(isinstance(letter, Symbol) and letter.name.isupper() for letter in _factors(node.parts[0]))
    if not isinstance(node, Operation) or node.name != "*":
        return False
    letters = _factors(node)
    if all(isinstance(letter, Symbol) and letter.name.isupper() for letter in letters):
        return True
    inverse = letters[0].parts[0] if isinstance(letters[0], Operation) and letters[0].name == "^" else letters[0]
    named = isinstance(inverse, Symbol) and inverse.name.rstrip("'") in set(FUNCTION_LETTERS)
    at_place = isinstance(letters[-1], Symbol) or (isinstance(letters[-1], SCALARS) and not has_variables(letters[-1]))
    return named and len(letters) == 2 and at_place


def _without_bars(name: Node) -> Node:
    """Return AB for its length |AB|; |A| is no length, but the size of A."""
    length = isinstance(name, Operation) and name.name == "abs" and len(_factors(name.parts[0])) > 1
    return name.parts[0] if isinstance(name, Operation) and length and is_name(name) else name


def holds(node: Node, name: Node) -> bool:
    """Return whether a name occurs in a node."""
    if node == name:
        return True
    return isinstance(node, Operation) and any(holds(part, name) for part in node.parts)


def _factors(node: Node) -> list[Node]:
    if isinstance(node, Operation) and node.name == "*":
        return [factor for part in node.parts for factor in _factors(part)]
    return [node]
