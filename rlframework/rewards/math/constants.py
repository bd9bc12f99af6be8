r"""Constants that may be any number: the C of an antiderivative, C_1 and C_2 of a differential equation's solution."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations
from math import factorial

from rlframework.rewards.math.equivalence import MAX_FUNCTIONS, differ_by_constant, functions
from rlframework.rewards.math.exact import TooLargeError
from rlframework.rewards.math.linear import letters_of
from rlframework.rewards.math.parameters import renamed, with_names_of
from rlframework.rewards.math.solutions import is_name
from rlframework.rewards.math.syntax import (
    ALL_REALS,
    SCALARS,
    Collection,
    Node,
    Operation,
    Relation,
    Symbol,
)

MAX_CONSTANTS = 3
_CONSTANT = re.compile(r"C(?:_[0-9])?|c_[0-9]")
# What functions are of, and what is integrated over.
_USUAL = frozenset(map(Symbol, [*"xtuyzsrvw", "\\theta"]))


def without_reals(node: Node) -> tuple[Node, frozenset[Symbol]]:
    r"""Return an equation without what is said of its constants, and those: ``f(x) = kx, k \in \mathbb{R}``."""
    said, *rest = node.items if isinstance(node, Collection) and node.kind == "list" else (node,)
    right = _right(said)
    inside = set() if right is None else letters_of(right)
    letters = [letter for letter in inside if letter in rest[:-1] or Relation((letter, ALL_REALS), ("in",)) in rest]
    declared = rest and len(letters) == len(rest)
    return (said, frozenset(letters)) if declared else (node, frozenset())


def function_alone(answer: Node) -> Node | None:
    r"""Return a function without what is declared of its constants, which says no more; None if nothing is.

    That of an argument or index says for which of them it is meant: ``a_n = 2n, n \in \mathbb{R}``.
    """
    said, declared = without_reals(answer)
    if not declared or not isinstance(said, Relation) or not isinstance(said.sides[0], SCALARS):
        return None
    names = [letter.name for letter in letters_of(said.sides[0])]
    return None if any(letter.name in name for letter in declared for name in names) else said


def with_constants_of(gold: Node, answer: Node) -> Iterator[Node]:
    """Yield an answer with the gold's constants in place of its own, in each order; none if it has no such."""
    gold, declared = without_reals(gold)
    answer, own = without_reals(answer)
    own -= declared & _arguments(gold)
    answer = with_names_of(gold, answer)
    wanted, given = _right(gold), _right(answer)
    # Without a name only the C of an antiderivative is known to be any number.
    if wanted is None or given is None or not (isinstance(gold, Relation) or _without_constant(wanted)):
        return
    constants = {letter for letter in letters_of(wanted) if letter in declared or _CONSTANT.fullmatch(letter.name)}
    arguments = _arguments(gold)
    constants -= arguments
    others = letters_of(wanted) - constants
    # One argument: in y = mx + C the C may be given by the problem.
    if not 0 < len(constants) <= MAX_CONSTANTS or len(others) > 1 or not others <= _USUAL | arguments:
        return
    theirs = sorted(letters_of(given) - others, key=lambda letter: letter.name)
    strangers = set(theirs) - constants
    if len(theirs) != len(constants) or not own <= set(theirs) or strangers & _USUAL:
        return
    if functions((wanted, given)) * factorial(len(theirs)) > MAX_FUNCTIONS:
        raise TooLargeError("functions with several constants, compared in each order of these")
    for order in permutations(sorted(constants, key=lambda letter: letter.name)):
        yield _with_names(answer, theirs, list(order))


def _arguments(function: Node) -> set[Symbol]:
    """Return what a function is of, which is no constant, whatever is declared of it: x of ``f(x) = kx``."""
    left = function.sides[0] if isinstance(function, Relation) else None
    return letters_of(left) if isinstance(left, Operation) else set(_USUAL)


def _right(node: Node) -> Node | None:
    """Return what a function is; None of an answer that is no function."""
    if not isinstance(node, Relation):
        return node if isinstance(node, SCALARS) else None
    left, right = node.sides[0], node.sides[-1]
    if node.signs != ("=",) or not is_name(left) or not isinstance(right, SCALARS) or left in letters_of(right):
        return None
    # A capital is the name of a quantity, of which C may be another.
    return None if isinstance(left, Symbol) and left.name.isupper() else right


def _with_names(answer: Node, theirs: list[Symbol], names: list[Symbol]) -> Node:
    between = [Symbol(f"\\{place}") for place in range(len(names))]
    for olds, news in ((theirs, between), (between, names)):
        for old, new in zip(olds, news, strict=True):
            answer = renamed(answer, old, new)
    return answer


def same_up_to_constant(gold: Node, answer: Node) -> bool:
    r"""Return whether both end in the gold's ``+ C`` and the rest of them differs by a constant.

    Example:
        >>> from rlframework.rewards.math.parser import read
        >>> same_up_to_constant(read(r"-\frac12\cos 2x + C"), read(r"\sin^2 x + C"))
        True
        >>> same_up_to_constant(read(r"-\frac12\cos 2x + C"), read(r"\sin^2 x"))
        False
    """
    if isinstance(gold, Relation) and isinstance(answer, Relation) and gold.sides[0] != answer.sides[0]:
        return False
    if isinstance(gold, Relation) != isinstance(answer, Relation):
        return False
    wanted, given = _right(gold), _right(answer)
    rests = [None if side is None else _without_constant(side) for side in (wanted, given)]
    if rests[0] is None or rests[1] is None:
        return False
    letters = letters_of(rests[0])
    of_one = len(letters) == 1 and letters <= _USUAL and letters_of(rests[1]) <= letters
    return of_one and differ_by_constant(rests[0], rests[1])


def _without_constant(node: Node) -> Node | None:
    """Return the other terms of a sum that has the term C once."""
    terms = list(node.parts) if isinstance(node, Operation) and node.name == "+" else []
    constant = Symbol("C")
    rest = tuple(term for term in terms if term != constant)
    if len(rest) != len(terms) - 1 or any(constant in letters_of(term) for term in rest):
        return None
    return Operation("+", rest) if all(isinstance(term, SCALARS) for term in rest) else None
