"""Comparison of an answer with the gold, kind by kind. What is not known to be the same is not the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

from rlframework.rewards.math.chains import as_number, is_value, steps_of, with_arrangements
from rlframework.rewards.math.choices import letters_of_list
from rlframework.rewards.math.constants import function_alone, same_up_to_constant, with_constants_of, without_reals
from rlframework.rewards.math.equivalence import MAX_FUNCTIONS, functions, ratio_of_functions, same_function
from rlframework.rewards.math.exact import TooLargeError, exact_value
from rlframework.rewards.math.families import families_of, same_families
from rlframework.rewards.math.functions_of import with_plain_name
from rlframework.rewards.math.intervals import infinite_sign, interval_of, is_interval, ordered
from rlframework.rewards.math.parameters import with_names_of, without_declarations
from rlframework.rewards.math.piecewise import same_piecewise
from rlframework.rewards.math.plus_minus import both_values
from rlframework.rewards.math.real_sets import real_set
from rlframework.rewards.math.solutions import OF_ANGLES, Solution, holds, is_name, solutions_of, without_indices
from rlframework.rewards.math.syntax import (
    SCALARS,
    Collection,
    Degree,
    Matrix,
    Node,
    Number,
    Operation,
    Percent,
    Piecewise,
    PlusMinus,
    Quantity,
    Relation,
    Sequence,
    Symbol,
    has_variables,
)
from rlframework.rewards.math.unit_vectors import components
from rlframework.rewards.math.units import contradicts_plain, ratio

Item = TypeVar("Item")


def same(gold: Node, answer: Node) -> bool:
    """Return whether an answer is the same object as the gold.

    Raises:
        UnreadableError: One of them holds something that has no value, such as a set inside a sum.
        TooLargeError: A value is too large to be worked out.
    """
    if gold == answer:
        return True
    if functions((gold, answer)) > MAX_FUNCTIONS:
        raise TooLargeError(f"more than {MAX_FUNCTIONS} functions")
    gold, answer = with_plain_name(gold, answer), with_plain_name(answer, gold)
    gold = _last_step(gold)
    wanted_numbers, given_numbers = families_of(gold), families_of(answer)
    if wanted_numbers and given_numbers:
        found = same_families(wanted_numbers, given_numbers)
        if found is not None:
            return found
    if _same_as_written(gold, answer):
        return True
    plain, _ = without_reals(gold)
    said = function_alone(answer)
    if said is not None and _same_as_written(plain, said):
        return True
    return any(
        _same_as_written(plain, one) or same_up_to_constant(plain, one) for one in with_constants_of(gold, answer)
    )


def _same_as_written(gold: Node, answer: Node) -> bool:
    """Return whether they are the same, whatever the names are that say nothing."""
    answer = with_names_of(gold, answer)
    inner = without_declarations(gold, answer)
    if inner is not None:
        # The letter is in both, so no line is asked for whose left side must not be left out.
        of_one = isinstance(inner[0], Relation) != isinstance(inner[1], Relation)
        return _same(*map(_named_value, inner)) if of_one else _same_as_written(*inner)
    wanted, given = real_set(gold), real_set(answer)
    if wanted is not None and given is not None:
        return wanted.of_same_name(given) and _same(wanted.numbers, given.numbers)
    by_names = _same_solutions(gold, answer)
    if by_names is not None:
        return by_names
    if _is_point(gold) and isinstance(answer, Relation) and answer.signs == ("in",):
        return False
    gold = _plain(gold)
    return _same(gold, _plain(_value_of(gold, answer)))


def _is_point(gold: Node) -> bool:
    """Return whether a capital is said to be a pair, which is no interval that something is in."""
    name, pair = gold.sides if isinstance(gold, Relation) and gold.signs == ("=",) else (None, None)
    return isinstance(name, Symbol) and name.name[0].isupper() and isinstance(pair, Sequence) and not is_interval(pair)


def _same(gold: Node, answer: Node) -> bool:
    if gold == answer:
        return True
    gold, answer = _plain(gold), _plain(answer)
    if isinstance(gold, Sequence) or isinstance(answer, Sequence):
        gold, answer = components(gold), components(answer)
    if isinstance(gold, SCALARS) and isinstance(answer, SCALARS):
        return _same_scalar(gold, answer)
    if isinstance(gold, Relation) or isinstance(answer, Relation):
        return _same_relation(gold, answer)
    if isinstance(gold, (Quantity, Percent, Degree)) or isinstance(answer, (Quantity, Percent, Degree)):
        return _same_quantity(gold, answer)
    if isinstance(gold, Piecewise) or isinstance(answer, Piecewise):
        return same_piecewise(gold, answer, _same)
    if type(gold) is not type(answer):
        return False
    rule = _RULES.get(type(gold))
    return rule is not None and rule(gold, answer)


def _plain(node: Node) -> Node:
    """Return what a writing stands for: two values for a plus-minus, x in A as A, one list of several."""
    if isinstance(node, Operation):
        node = _scaled_matrix(node)
    if isinstance(node, (PlusMinus, Operation, Sequence)):
        values = both_values(node)
        return Collection("list", values) if len(values) > 1 else node
    if (
        isinstance(node, Relation)
        and node.signs == ("in",)
        and is_name(node.sides[0])
        and not isinstance(node.sides[1], SCALARS)
    ):
        return node.sides[1]
    if isinstance(node, Collection) and node.kind != "union":
        flat: list[Node] = []
        for item in node.items:
            inner = _plain(item) if isinstance(item, (PlusMinus, Operation, Sequence)) else item
            flat.extend(inner.items if isinstance(inner, Collection) and inner.kind == "list" else [inner])
        # Of conditions "or" is not "and", as a bare list of them may be meant; of values both join the same list.
        # Nor is it of letters to choose.
        apart = node.kind == "either" and (
            any(isinstance(item, Relation) and item.signs != ("=",) for item in flat)
            or letters_of_list(replace(node, kind="list")) is not None
        )
        return Collection(node.kind if node.kind == "set" or apart else "list", tuple(flat))
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
    """Return ``5`` of an answer ``x = 5`` or ``2 + 3 = 5`` where a value is asked for."""
    if isinstance(answer, Relation) and set(answer.signs) == {"="} and _is_value(gold):
        sides = answer.sides[1:] if is_name(answer.sides[0]) else answer.sides
        # Worked out, each side is the gold: of 19 = 18 one is not.
        if all(_is_value(side) and _same(gold, side) for side in sides):
            return sides[0]
    return answer if isinstance(gold, Relation) else _named_value(answer)


def _last_step(gold: Node) -> Node:
    """Return ``S = 6`` of a gold ``S = 3 * 2 = 6``, and 6 of ``3 * 2 = 6``, if what can be worked out is as much."""
    if isinstance(gold, Relation) and set(gold.signs) == {"="}:
        computed = tuple(map(with_arrangements, gold.sides))
        if all(map(is_value, computed)):
            # What a gold of 19 = 18 asks for is not known.
            degrees = isinstance(computed[-1], Degree)
            numbers = [as_number(side, degrees) for side in computed]
            return computed[-1] if all(_same(numbers[-1], number) for number in numbers) else gold
    found = steps_of(gold)
    if found is None:
        return gold
    name, steps, last = found
    # What stands between holds letters of the problem, such as the S = ab = 6 of an area.
    open_steps = _is_value(last) and isinstance(name, Symbol) and re.match("[A-Z]$|._", name.name)
    agreed = all(_same(last, step) or (open_steps and has_variables(step)) for step in steps)
    return Relation((name, last), ("=",)) if agreed else gold


def _is_value(node: Node) -> bool:
    return isinstance(node, SCALARS) and not has_variables(node)


def _named_value(answer: Node) -> Node:
    if isinstance(answer, Relation) and answer.signs == ("=",):
        left, right = answer.sides
        # Of a number such a power is an equation; of a matrix it is the inverse or a product, and so the answer.
        of_matrix = isinstance(left, Operation) and left.name == "^" and is_name(left.parts[0])
        named = is_name(left) or (of_matrix and isinstance(_plain(right), Matrix))
        named = named or _asks_for_value(left, right)
        if isinstance(right, Degree):
            named = named and not (isinstance(left, Operation) and left.name in OF_ANGLES)
        return right if named and not holds(right, left) else answer
    return answer


def _same_solutions(gold: Node, answer: Node) -> bool | None:
    """Return whether the names stand for the same; None if that does not settle it."""
    wanted, given = solutions_of(gold), solutions_of(answer)
    if wanted and given:
        settled = all(_is_constant(value) for case in (*wanted, *given) for value in case.values)
        return _same_cases(wanted, given) or (False if settled else None)
    if wanted and (len(wanted) > 1 or len(wanted[0].names) > 1):
        return _same_without_names(wanted, answer)
    of_set = isinstance(gold, Collection) and gold.kind == "set"
    several = given is not None and (of_set or len(given) > 1 or len(given[0].names) > 1)
    if given and several and isinstance(_plain(gold), (Sequence, Collection)):
        return _same_without_names(given, gold) or None
    return None


def _is_constant(node: Node) -> bool:
    return not isinstance(node, SCALARS) or not has_variables(node)


def _same_cases(wanted: Items[Solution], given: Items[Solution]) -> bool:
    if {name for case in wanted for name in case.names} != {name for case in given for name in case.names}:
        # The roots of one equation may be numbered.
        wanted, given = without_indices(tuple(wanted)), without_indices(tuple(given))
    return _matched(wanted, given, _same_case)


def _same_case(wanted: Solution, given: Solution) -> bool:
    values, others = wanted.by_name(), given.by_name()
    alike = wanted.in_doubt == given.in_doubt and values.keys() == others.keys()
    return alike and all(_same(value, others[name]) for name, value in values.items())


def _same_without_names(cases: Items[Solution], other: Node) -> bool:
    """Return whether a side without names has the same values: of one name in any order, of several as tuples."""
    cases = without_indices(tuple(cases)) if not isinstance(other, Sequence) else cases
    names = {name for case in cases for name in case.names}
    values = [case.values[0] if len(names) == 1 else case.as_tuple for case in cases]
    other = _plain(other)
    others = other.items if isinstance(other, Collection) and other.kind != "union" else (other,)
    complete = None not in values and all(set(case.names) == names for case in cases)
    return complete and _matched([value for value in values if value is not None], others, _same)


def _same_scalar(gold: Node, answer: Node) -> bool:
    infinite = [infinite_sign(node) for node in (gold, answer)]
    if any(infinite):
        return infinite[0] == infinite[1]
    return same_function(gold, answer)


# How many degrees a radian is, which no fraction says, and the other way round.
_STRAIGHT, _PI = Number(Fraction(180)), Symbol("pi")
_OF_ANGLES = {("rad", "°"): Operation("/", (_STRAIGHT, _PI)), ("°", "rad"): Operation("/", (_PI, _STRAIGHT))}


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
    factor = _factor(unit, gold_unit)
    return factor is not None and _same_scalar(gold_value, Operation("*", (value, factor)))


def _factor(unit: str, other: str) -> Node | None:
    """Return how many of the other unit one is; None if neither can be turned into the other."""
    fraction = ratio(unit, other)
    return _OF_ANGLES.get((unit, other)) if fraction is None else Number(fraction)


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
        if gold.signs == answer.signs == ("in",):
            return all(map(_same, gold.sides, answer.sides))
        wanted, given = interval_of(gold), interval_of(answer)
        if wanted is not None and given is not None:
            return wanted[0] == given[0] and _same(wanted[1], given[1])
        return len(gold.signs) == len(answer.signs) == 1 and _same_inequality(gold, answer)
    if isinstance(gold, Relation) and gold.signs == ("=",):
        # A gold such as x = 5 asks for the value of x.
        left, right = gold.sides
        named = (is_name(left) and (_only_names(left) or _is_constant(right))) or _asks_for_value(left, right)
        return named and _same(right, answer)
    relation, other = (gold, answer) if isinstance(gold, Relation) else (answer, gold)
    # A gold of (1, 2) may be a pair; an answer of (1, 2) is the interval that the gold asks for.
    claimed = real_set(relation) if relation is gold else None
    return claimed is not None and _same(claimed.numbers, other)


def _asks_for_value(left: Node, right: Node) -> bool:
    """Return whether ``m + n = 53`` or an eccentricity ``e = 2`` names a value; ``x + y = 5`` is a line."""
    if not _is_value(right):
        return False
    terms = left.parts if isinstance(left, Operation) and left.name == "+" else ()
    letters = {term.name for term in terms if isinstance(term, Symbol) and re.fullmatch("[a-dj-wA-W]", term.name)}
    return left == Symbol("e") or len(letters) == len(terms) > 1


def _only_names(left: Node) -> bool:
    """Return whether a right side alone says as much: of f(x), a_n, y', S or a vector; not of a line y = 2x + 3."""
    return not isinstance(left, Symbol) or re.fullmatch(r"[a-zXYZ]|\\(?!vec)[a-z]+", left.name) is None


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
    # Angles are of a vector alone, which has round ones as often.
    same_brackets = (gold.opening, gold.closing) == (answer.opening, answer.closing)
    brackets = same_brackets or (gold.opening, answer.opening, answer.closing) == ("<", "(", ")")
    return brackets and len(gold.items) == len(answer.items) and all(map(_same, gold.items, answer.items))


def _same_collection(gold: Collection, answer: Collection) -> bool:
    # Bare items in any order are as good in braces; a gold in braces asks for a set.
    alike = gold.kind == answer.kind or (gold.kind == "list" and answer.kind == "set")
    # But of tuples the braces may be left out, too: their own brackets hold them apart.
    of_tuples = all(isinstance(item, Sequence) and len(item.items) > 1 for item in gold.items)
    alike |= (gold.kind, answer.kind) == ("set", "list") and of_tuples
    return alike and _matched(gold.items, answer.items, _same)


def _matched(gold: Items[Item], answer: Items[Item], alike: Callable[[Item, Item], bool]) -> bool:
    """Return whether the items can be paired off; `same` is an equivalence, so any pairing that works is as good."""
    left = list(answer)
    if len(gold) != len(left):
        return False
    for item in gold:
        found = next((place for place, other in enumerate(left) if alike(item, other)), None)
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
