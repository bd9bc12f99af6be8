"""The grammar: what binds what, what is refused, and values against Python's own operators."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from random import Random

import pytest

from rlframework.rewards.logic import FormulaError, parse_formula
from rlframework.rewards.logic.formula import MAX_CHARACTERS, MAX_DEPTH, MAX_VARIABLES, table_columns

WRITTEN = [
    ("~p & q", "(~p & q)"),
    ("p & q xor r", "((p & q) xor r)"),
    ("p xor q | r", "((p xor q) | r)"),
    ("p | q -> r", "((p | q) -> r)"),
    ("p -> q <-> r", "((p -> q) <-> r)"),
    ("r <-> p -> q", "(r <-> (p -> q))"),
    ("a <-> b -> c | d xor e & ~f", "(a <-> (b -> (c | (d xor (e & ~f)))))"),
    ("~f & e xor d | c -> b <-> a", "(((((~f & e) xor d) | c) -> b) <-> a)"),
    ("p -> q -> r", "(p -> (q -> r))"),
    ("p & q & r", "((p & q) & r)"),
    ("p | q | r", "((p | q) | r)"),
    ("p xor q xor r", "((p xor q) xor r)"),
    ("p <-> q <-> r", "((p <-> q) <-> r)"),
    ("p -> q <-> r -> s", "((p -> q) <-> (r -> s))"),
    ("p | q -> r | s -> t", "((p | q) -> ((r | s) -> t))"),
    ("~~p", "~~p"),
    ("~(p | q)", "~(p | q)"),
    ("not p and q", "(~p & q)"),
    ("NOT p AND q Or r Implies s IFF t XOR u", "((((~p & q) | r) -> s) <-> (t xor u))"),
    ("¬p ∧ q ∨ r → s ↔ t ⊕ u", "((((~p & q) | r) -> s) <-> (t xor u))"),
    ("!p && q || r", "((~p & q) | r)"),
    ("⊤ & ⊥ | true -> False", "(((true & false) | true) -> false)"),
    ("not_p & andy", "(not_p & andy)"),
    ("P & p", "(P & p)"),
    ("((((p))))", "p"),
    ("p<->q->r", "(p <-> (q -> r))"),
]


@pytest.mark.parametrize(("text", "expected"), WRITTEN)
def test_what_binds_what(text: str, expected: str) -> None:
    formula = parse_formula(text)
    assert str(formula) == expected
    assert parse_formula(str(formula)) == formula


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "p q",
        "p &",
        "& p",
        "p & & q",
        "(p",
        "p)",
        "()",
        "p ~ q",
        "p - q",
        "p < q",
        "p ^ q",
        "p = q",
        "p, q",
        "p.",
        "1 & p",
        "_p",
        "9p",
        "р & q",  # a Cyrillic letter
        "p not",
        "p and or q",
        "p -> ",
        "forall x p",
        "__import__('os').system('true')",
        "p; q",
        "p\x00",
        "p if q else r",
        "lambda: p",
    ],
)
def test_what_is_no_formula(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_formula(text)


@pytest.mark.parametrize("value", [None, 1, True, ["p"], b"p"])
def test_what_is_no_text(value: object) -> None:
    with pytest.raises(FormulaError, match="a formula is a text"):
        parse_formula(value)  # type: ignore[arg-type]


def test_an_error_says_where() -> None:
    with pytest.raises(FormulaError, match=r"'&' at character 5: expected a variable"):
        parse_formula("p & & q")
    with pytest.raises(FormulaError, match=r"the end: expected"):
        parse_formula("(p & q")
    with pytest.raises(FormulaError, match=r"'\^' at character 3 is not part of the grammar"):
        parse_formula("p ^ q")


def test_the_limits_hold_at_their_edges() -> None:
    parse_formula("~" * MAX_DEPTH + "p")
    parse_formula("(" * MAX_DEPTH + "p" + ")" * MAX_DEPTH)
    parse_formula("p -> " * MAX_DEPTH + "p")
    parse_formula(" & ".join(f"v{number}" for number in range(MAX_VARIABLES)))
    parse_formula("p" + " " * (MAX_CHARACTERS - 1))
    for text in ("~" * (MAX_DEPTH + 1) + "p", "(" * (MAX_DEPTH + 1) + "p", "p -> " * (MAX_DEPTH + 1) + "p"):
        with pytest.raises(FormulaError, match=f"nested deeper than {MAX_DEPTH}"):
            parse_formula(text)
    with pytest.raises(FormulaError, match=f"{MAX_VARIABLES + 1} variables"):
        parse_formula(" & ".join(f"v{number}" for number in range(MAX_VARIABLES + 1)))
    with pytest.raises(FormulaError, match=f"{MAX_CHARACTERS + 1} characters"):
        parse_formula("p" * (MAX_CHARACTERS + 1))


def test_a_long_chain_is_no_deep_one() -> None:
    formula = parse_formula("&".join(["p"] * (MAX_CHARACTERS // 2)))
    columns, everywhere = table_columns(["p"])
    assert formula.values(columns, everywhere) == columns["p"]
    assert formula.operands == MAX_CHARACTERS // 2


def test_hostile_texts_are_read_fast() -> None:
    texts = [
        "(" * 2000,
        "~" * 2000,
        "->" * 1000,
        "p&" * 1000,
        " " * 2000,
        "<" * 2000,
        "p" * 2000,
        "(p" * 1000,
        "p->" * 666,
    ]
    started = time.perf_counter()
    for text in texts:
        with pytest.raises(FormulaError):
            parse_formula(text + "#")
        parse_formula("p")
    assert time.perf_counter() - started < 1.0


PYTHON: dict[str, Callable[[bool, bool], bool]] = {
    "&": lambda a, b: a and b,
    "|": lambda a, b: a or b,
    "xor": lambda a, b: a is not b,
    "->": lambda a, b: b if a else True,
    "<->": lambda a, b: a is b,
}


def random_tree(random: Random, depth: int) -> tuple[str, Callable[[dict[str, bool]], bool]]:
    """Return a formula in full parentheses, and what Python makes of it."""
    if depth == 0 or random.random() < 0.2:
        name = random.choice(["p", "q", "r", "true", "false"])
        return name, lambda row: row[name]
    if random.random() < 0.2:
        text, value = random_tree(random, depth - 1)
        return f"~({text})", lambda row: not value(row)
    (left, left_value), (right, right_value) = random_tree(random, depth - 1), random_tree(random, depth - 1)
    sign = random.choice(list(PYTHON))
    return f"({left}) {sign} ({right})", lambda row: PYTHON[sign](left_value(row), right_value(row))


def test_values_against_python_on_random_formulas() -> None:
    random = Random(0)
    columns, everywhere = table_columns(["p", "q", "r"])
    for _ in range(400):
        text, value = random_tree(random, 4)
        bits = parse_formula(text).values(columns, everywhere)
        for row, (p, q, r) in enumerate(itertools.product([False, True], repeat=3)):
            assert bool(bits >> row & 1) == value({"p": p, "q": q, "r": r, "true": True, "false": False}), text
        assert parse_formula(str(parse_formula(text))).values(columns, everywhere) == bits


def test_columns_are_those_of_a_truth_table() -> None:
    for n in range(1, 6):
        names = [f"v{position}" for position in range(n)]
        columns, everywhere = table_columns(names)
        rows = list(itertools.product([False, True], repeat=n))
        assert everywhere == (1 << len(rows)) - 1
        for row, values in enumerate(rows):
            assert [bool(columns[name] >> row & 1) for name in names] == list(values)
