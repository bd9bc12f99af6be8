"""Whether an answer is the gold, kind by kind. What is not known to be the same is not the same."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Items
from fractions import Fraction

from rlframework.rewards.math.exact import TooLargeError, exact_value
from rlframework.rewards.math.intervals import claimed_interval, infinite_sign, interval_of, is_interval, ordered
from rlframework.rewards.math.numeric import MAX_FUNCTIONS, functions, ratio_of_functions, same_function
from rlframework.rewards.math.syntax import (
    SCALARS,
    Collection,
    Degree,
    Matrix,
    Node,
    Number,
    Operation,
    Percent,
    PlusMinus,
    Quantity,
    Relation,
    Sequence,
    Symbol,
    has_variables,
)
from rlframework.rewards.math.units import contradicts_plain, ratio


def same(gold: Node, answer: Node) -> bool:
    """Whether an answer is the same object as the gold.

    Raises:
        UnreadableError: One of them holds something that has no value, such as a set inside a sum.
        TooLargeError: A value is too large to be worked out.
    """
    if gold != answer and functions((gold, answer)) > MAX_FUNCTIONS:
        raise TooLargeError(f"more than {MAX_FUNCTIONS} functions")
    if isinstance(gold, Relation) and isinstance(answer, Relation) and "in" in gold.signs + answer.signs:
        wanted, given = claimed_interval(gold), claimed_interval(answer)
        return wanted is not None and given is not None and _same(wanted[1], given[1])
    gold = _plain(gold)
    return _same(gold, _plain(_value_of(gold, answer)))


def _same(gold: Node, answer: Node) -> bool:
    if gold == answer:
        return True
    gold, answer = _plain(gold), _plain(answer)
    if isinstance(gold, SCALARS) and isinstance(answer, SCALARS):
        return _same_scalar(gold, answer)
    if isinstance(gold, (Quantity, Percent, Degree)) or isinstance(answer, (Quantity, Percent, Degree)):
        return _same_quantity(gold, answer)
    if isinstance(gold, Relation) or isinstance(answer, Relation):
        return _same_relation(gold, answer)
    if type(gold) is not type(answer):
        return False
    rule = _RULES.get(type(gold))
    return rule is not None and rule(gold, answer)


def _plain(node: Node) -> Node:
    """Return what a writing stands for: two values for a plus-minus, x in A as A, cases of x as a union."""
    if isinstance(node, Operation):
        node = _scaled_matrix(node)
    if isinstance(node, (PlusMinus, Operation)):
        signs = [_with_sign(node, negative) for negative in (False, True)]
        return Collection("list", tuple(signs)) if signs[0] != signs[1] else node
    if (
        isinstance(node, Relation)
        and node.signs == ("in",)
        and _is_name(node.sides[0])
        and not isinstance(node.sides[1], SCALARS)
    ):
        return node.sides[1]
    if isinstance(node, Collection) and node.kind != "union":
        bounds = [interval_of(item) if isinstance(item, Relation) else None for item in node.items]
        if node.kind == "either" and None not in bounds and len({bound[0] for bound in bounds if bound}) == 1:
            return Collection("union", tuple(bound[1] for bound in bounds if bound))
        flat: list[Node] = []
        for item in node.items:
            inner = _plain(item) if isinstance(item, (PlusMinus, Operation)) else item
            flat.extend(inner.items if isinstance(inner, Collection) and inner.kind == "list" else [inner])
        return Collection("set" if node.kind == "set" else "list", tuple(flat))
    return node


def _with_sign(node: Node, negative: bool) -> Node:
    """Return one of the two values of an expression with a plus-minus in it."""
    if isinstance(node, PlusMinus):
        value = Operation("neg", (node.value,)) if negative else node.value
        return value if node.before is None else Operation("+", (node.before, value))
    if isinstance(node, Operation):
        return Operation(node.name, tuple(_with_sign(part, negative) for part in node.parts))
    return node


def _scaled_matrix(node: Operation) -> Node:
    """Return the matrix that a number times a matrix is."""
    matrices = [part for part in node.parts if isinstance(part, Matrix)]
    if node.name not in ("neg", "*") or len(matrices) != 1:
        return node
    others = [part for part in node.parts if not isinstance(part, Matrix)]
    rows = matrices[0].rows
    return Matrix(
        tuple(tuple(Operation(node.name, (*others, entry)) for entry in row) for row in rows), matrices[0].kind
    )


def _value_of(gold: Node, answer: Node) -> Node:
    """Return ``5`` of an answer ``x = 5`` where a value is asked for; of ``x = 2 or x = -3`` the two values."""
    if isinstance(answer, Relation) and not isinstance(gold, Relation) and answer.signs == ("=",):
        left, right = answer.sides
        return right if _is_name(left) and not _holds(right, left) else answer
    if isinstance(answer, Collection) and answer.kind in ("list", "either") and isinstance(gold, Collection):
        relations = [item for item in answer.items if isinstance(item, Relation) and item.signs == ("=",)]
        holds_relations = isinstance(gold, Collection) and any(isinstance(item, Relation) for item in gold.items)
        # One name for all of them, but for an index: x = 1, y = 2 says more than a list of two values.
        if relations and not holds_relations and len({_without_index(item.sides[0]) for item in relations}) == 1:
            items = [_value_of(Number(Fraction(0)), item) for item in answer.items]
            return Collection("list", tuple(items))
    return answer


def _without_index(node: Node) -> Node:
    return Symbol(node.name.partition("_")[0]) if isinstance(node, Symbol) else node


def _is_name(node: Node) -> bool:
    """Whether it names one thing: x, x_1, f(x), f^{-1}(x), P(A), the segment AB, or a tuple of such names."""
    if isinstance(node, Symbol):
        return node.name not in ("pi", "e", "i", "infinity")
    if isinstance(node, Sequence):
        return (node.opening, node.closing) == ("(", ")") and all(map(_is_name, node.items))
    if not isinstance(node, Operation) or node.name != "*":
        return False
    letters = _factors(node)
    if all(isinstance(letter, Symbol) and letter.name.isupper() for letter in letters):
        return True
    inverse = letters[0].parts[0] if isinstance(letters[0], Operation) and letters[0].name == "^" else letters[0]
    named = isinstance(inverse, Symbol) and inverse.name in "fghpqFGHPEV"
    return named and len(letters) == 2 and isinstance(letters[1], Symbol)


def _factors(node: Node) -> list[Node]:
    if isinstance(node, Operation) and node.name == "*":
        return [factor for part in node.parts for factor in _factors(part)]
    return [node]


def _holds(node: Node, name: Node) -> bool:
    if node == name:
        return True
    return isinstance(node, Operation) and any(_holds(part, name) for part in node.parts)


def _same_scalar(gold: Node, answer: Node) -> bool:
    infinite = [infinite_sign(node) for node in (gold, answer)]
    if any(infinite):
        return infinite[0] == infinite[1]
    return same_function(gold, answer)


def _same_quantity(gold: Node, answer: Node) -> bool:
    (gold_value, gold_unit), (value, unit) = _measured(gold), _measured(answer)
    if not isinstance(gold_value, SCALARS) or not isinstance(value, SCALARS):
        return gold_unit == unit and _same(gold_value, value)
    if gold_unit is None or unit is None:
        # The gold's unit may be left out, but not its percent sign; one that changes the number may not be put in.
        # Nor a radian, unless the number looks like one: a gold of 90 means degrees.
        number = unit == "rad" and exact_value(value) is not None
        # Nor a degree, if the gold is in radians.
        number |= unit == "°" and gold_unit is None and exact_value(gold_value) is None
        contradicted = gold_unit == "%" or contradicts_plain(unit or "") or number
        return not contradicted and _same_scalar(gold_value, value)
    factor = ratio(unit, gold_unit)
    if factor is None:
        return False
    return _same_scalar(gold_value, Operation("*", (value, Number(factor))))


def _measured(node: Node) -> tuple[Node, str | None]:
    if isinstance(node, Quantity):
        return node.value, node.unit
    if isinstance(node, Percent):
        return node.value, "%"
    if isinstance(node, Degree):
        return node.value, "°"
    return node, None


def _same_relation(gold: Node, answer: Node) -> bool:
    if isinstance(gold, Relation) and isinstance(answer, Relation):
        if ordered(gold) == ordered(answer):
            return True
        if gold.signs == answer.signs == ("=",) or gold.signs == answer.signs == ("!=",):
            return _same_equation(gold, answer)
        wanted, given = interval_of(gold), interval_of(answer)
        if wanted is not None and given is not None:
            return wanted[0] == given[0] and _same(wanted[1], given[1])
        return len(gold.signs) == len(answer.signs) == 1 and _same_inequality(gold, answer)
    if isinstance(gold, Relation) and gold.signs == ("=",):
        # A gold such as x = 5 asks for the value of x.
        left, right = gold.sides
        return isinstance(left, Symbol) and _is_name(left) and not has_variables(right) and _same(right, answer)
    relation, other = (gold, answer) if isinstance(gold, Relation) else (answer, gold)
    bounds = interval_of(relation) if isinstance(relation, Relation) else None
    # A gold of (1, 2) may be a pair; with a square bracket or an infinity it is an interval.
    clear = relation is gold or (isinstance(other, Sequence) and is_interval(other))
    return bounds is not None and clear and _same(bounds[1], other)


def _same_equation(gold: Relation, answer: Relation) -> bool:
    return ratio_of_functions(_difference(gold), _difference(answer)) is not None


def _same_inequality(gold: Relation, answer: Relation) -> bool:
    (sides, signs), (other_sides, other_signs) = ordered(gold), ordered(answer)
    if signs != other_signs or signs[0] not in ("<", "<="):
        return False
    factor = ratio_of_functions(_difference(Relation(sides, signs)), _difference(Relation(other_sides, other_signs)))
    return factor is not None and bool(getattr(factor, "imag", 0) == 0 and factor.real > 0)


def _difference(relation: Relation) -> Node:
    left, right = relation.sides
    return Operation("+", (left, Operation("neg", (right,))))


def _same_sequence(gold: Sequence, answer: Sequence) -> bool:
    brackets = (gold.opening, gold.closing) == (answer.opening, answer.closing)
    return brackets and len(gold.items) == len(answer.items) and all(map(_same, gold.items, answer.items))


def _same_collection(gold: Collection, answer: Collection) -> bool:
    names = {_without_index(item.sides[0]) for item in gold.items if isinstance(item, Relation)}
    # Of x = 1, y = 2 the values alone do not say which is which.
    named = len(names) < 2 or all(isinstance(item, Relation) for item in answer.items)
    return gold.kind == answer.kind and named and _matched(gold.items, answer.items)


def _matched(gold: Items[Node], answer: Items[Node]) -> bool:
    """Whether the items can be paired off; `same` is an equivalence, so any pairing that works is as good."""
    left = list(answer)
    if len(gold) != len(left):
        return False
    for item in gold:
        found = next((place for place, other in enumerate(left) if _same(item, other)), None)
        if found is None:
            return False
        del left[found]
    return True


def _same_matrix(gold: Matrix, answer: Matrix) -> bool:
    shapes = [(node.kind, len(node.rows), len(node.rows[0])) for node in (gold, answer)]
    rows = zip(gold.rows, answer.rows, strict=False)
    return shapes[0] == shapes[1] and all(all(map(_same, left, right)) for left, right in rows)


# Digits in a base are the same if they are equal, and need no rule.
_RULES: dict[type, Callable[..., bool]] = {
    Sequence: _same_sequence,
    Collection: _same_collection,
    Matrix: _same_matrix,
}
