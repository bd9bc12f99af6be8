r"""Functions by cases: ``\begin{cases} x, & x \ge 0 \\ -x, & x < 0 \end{cases}``, which is \|x\|."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

from rlframework.rewards.math.equivalence import MAX_FUNCTIONS, functions, real_value, same_function
from rlframework.rewards.math.exact import TooLargeError
from rlframework.rewards.math.intervals import infinite_sign, interval_of
from rlframework.rewards.math.linear import letters_of
from rlframework.rewards.math.parameters import renamed
from rlframework.rewards.math.parser import read
from rlframework.rewards.math.real_sets import real_set
from rlframework.rewards.math.solutions import is_name
from rlframework.rewards.math.syntax import (
    ALL_REALS,
    SCALARS,
    Case,
    Collection,
    Node,
    Number,
    Operation,
    Piecewise,
    Relation,
    Sequence,
    Symbol,
    UnreadableError,
)

MAX_CASES = 8
OTHERWISE = "otherwise"
_CASES = re.compile(
    r"(?:(?P<name>[^={}&]{1,20}(?:_\{[a-z]\})?)=)?\s*(?:\\\{)?\s*\\begin\s*\{(?P<kind>cases|array)\}(?:\s*\{[lcr|]{1,3}\})?"
    r"(?P<body>.*)\\end\s*\{(?P=kind)\}",
    re.DOTALL,
)
# The first member of a sequence, and the others by a formula.
_FIRST = re.compile(
    r"(?P<letter>[A-Za-z])_\{?(?P<first>[0-9])\}?\s*=(?P<value>[^,=]+),?\s*(?:and\s*)?(?P=letter)_\{?(?P<index>[a-z])\}?\s*="
    r"(?P<others>[^=,]+?),?\s*(?:\(|for|when|if)?\s*(?P<bound>(?P=index)\s*(?:>|\\ge)\s*[0-9])\s*\)?"
)
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_BEFORE = re.compile(r"[,\s]*(?:(?:if|for|when|where|as|and)\s+)?")
_SILENT = frozenset(["is", "are", "an", "a", "the"])


def read_piecewise(plain: str) -> Node | None:
    """Read a function by cases, with its name or without; None for anything else.

    Raises:
        UnreadableError: A value is no scalar, or a condition nothing that is read.
    """
    found = _CASES.fullmatch(plain)
    if found:
        if r"\begin" in found["body"]:
            return None
        rows = [row.strip().rstrip(" ,;.") for row in found["body"].split(r"\\") if row.strip()]
        name = read(found["name"]) if found["name"] else None
        cases = tuple(map(_case, rows))
    else:
        first = _FIRST.fullmatch(_TEXT.sub(r" \1 ", plain)) if "_" in plain else None
        if first is None:
            return None
        index = first["index"]
        name = read(f"{first['letter']}_{index}")
        cases = (
            Case(_scalar(first["value"]), read(f"{index}={first['first']}")),
            Case(_scalar(first["others"]), read(first["bound"])),
        )
    if not 2 <= len(cases) <= MAX_CASES or (name is not None and not is_name(name)):
        return None
    return Piecewise(cases) if name is None else Relation((name, Piecewise(cases)), ("=",))


def _case(row: str) -> Case:
    value, sign, condition = row.partition("&")
    if not sign:
        value, sign, condition = _TEXT.sub(r" \1 ", row).rpartition(" if " if re.search(r"\bif\b", row) else ",")
    return Case(_scalar(value), _condition(condition.replace("&", " ")))


def _scalar(text: str) -> Node:
    node = read(text.strip().rstrip(",;"))
    if not isinstance(node, SCALARS):
        raise UnreadableError("a case whose value is no scalar")
    return node


def _condition(text: str) -> Node | str:
    words = _BEFORE.sub("", _TEXT.sub(r" \1 ", text).strip(), count=1).rstrip(" ,;.")
    try:
        node = read(words)
    except UnreadableError:
        node = None
    if isinstance(node, Relation) or (
        isinstance(node, Collection) and all(isinstance(item, Relation) for item in node.items)
    ):
        return node
    if not re.fullmatch("[A-Za-z0-9 ]+", words):
        raise UnreadableError(f"the condition {words!r}")
    said = " ".join(word for word in words.split() if word not in _SILENT)
    return OTHERWISE if said.lower() in ("else", "elsewhere", OTHERWISE) else said


def same_piecewise(gold: Node, answer: Node, same: Callable[[Node, Node], bool]) -> bool:
    """Return whether two functions are the same, of which one at least is by cases.

    Either the cases are the same, in any order, or they are those of all real numbers, and the other side is an
    expression that has the value of each case between and at its bounds.
    """
    if isinstance(gold, Piecewise) and isinstance(answer, Piecewise):
        left = list(answer.cases)
        for case in gold.cases:
            found = next((other for other in left if _same_case(case, other, same)), None)
            if found is None:
                return False
            left.remove(found)
        return not left
    by_cases, other = (gold, answer) if isinstance(gold, Piecewise) else (answer, gold)
    pieces = _pieces(by_cases) if isinstance(by_cases, Piecewise) and isinstance(other, SCALARS) else None
    if pieces is not None and functions((gold, answer)) * len(pieces) > MAX_FUNCTIONS:
        raise TooLargeError("functions in several cases")
    return pieces is not None and all(_same_between(*piece, other) for piece in pieces)


def _same_case(case: Case, other: Case, same: Callable[[Node, Node], bool]) -> bool:
    return _same_condition(case.condition, other.condition, same) and same(case.value, other.value)


def _same_condition(one: Node | str, other: Node | str, same: Callable[[Node, Node], bool]) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    sets = real_set(one), real_set(other)
    if sets[0] is not None and sets[1] is not None:
        return sets[0].name == sets[1].name and same(sets[0].numbers, sets[1].numbers)
    return same(one, other)


def _pieces(function: Piecewise) -> list[tuple[Symbol, Sequence, Node]] | None:
    """Return the letter, interval and value of each case, in order; None if they are not all the real numbers, once."""
    found = []
    for case in function.cases:
        interval = interval_of(case.condition) if isinstance(case.condition, Relation) else None
        if interval is None or not isinstance(interval[0], Symbol):
            return None
        found.append((*interval, case.value))
    if len({letter for letter, _, _ in found}) != 1:
        return None
    bounds = {interval: tuple(map(_bound, interval.items)) for _, interval, _ in found}
    if any(bound is None for pair in bounds.values() for bound in pair):
        return None
    found.sort(key=lambda piece: bounds[piece[1]])
    ends = [ALL_REALS.items[0], *(item for _, interval, _ in found for item in interval.items), ALL_REALS.items[1]]
    joined = all(
        one.items[1] == other.items[0] and (one.closing == "]") != (other.opening == "[")
        for (_, one, _), (_, other, _) in pairwise(found)
    )
    whole = ends[0] == ends[1] and ends[-1] == ends[-2]
    return found if whole and joined and len(bounds) == len(found) else None  # type: ignore[return-value]


def _bound(node: Node) -> float | None:
    sign = infinite_sign(node)
    return float(f"{sign}inf") if sign else real_value(node)


def _same_between(letter: Symbol, interval: Sequence, value: Node, other: Node) -> bool:
    """Return whether two expressions agree in an interval: as functions of a letter that is put into it."""
    if not letters_of(value) | letters_of(other) <= {letter}:
        return False
    low, high = interval.items
    size = Operation("abs", (letter,))
    if infinite_sign(low):
        inside = Operation("+", (high, Operation("neg", (size,))))
    elif infinite_sign(high):
        inside = Operation("+", (low, size))
    else:
        share = Operation("/", (size, Operation("+", (size, Number(Fraction(1))))))
        length = Operation("+", (high, Operation("neg", (low,))))
        inside = Operation("+", (low, Operation("*", (length, share))))
    ends = [bound for bound, bracket in ((low, interval.opening), (high, interval.closing)) if bracket in ("[", "]")]
    return all(same_function(renamed(value, letter, place), renamed(other, letter, place)) for place in (inside, *ends))
