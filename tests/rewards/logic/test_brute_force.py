"""Models, equivalence and entailment against a plain walk over all assignments."""

from __future__ import annotations

import itertools
import time

import pytest

from rlframework.rewards.logic import (
    FormulaError,
    count_models,
    entails,
    equivalent,
    is_tautology,
    parse_formula,
    satisfiable,
    truth_column,
)

TEXTS = [
    "p",
    "~p",
    "p & q",
    "p | q",
    "p -> q",
    "q -> r",
    "p <-> q",
    "p xor r",
    "p | ~p",
    "p & ~p",
    "true",
    "~(p & (q | r))",
]


def rows_where(text: str) -> set[tuple[bool, ...]]:
    """Return the assignments of p, q and r that make a formula true, by Python's own operators."""
    python = text.replace("->", "<=").replace("<<=", "==").replace("xor", "!=").replace("<->", "==")
    python = python.replace("~", " not ").replace("&", " and ").replace("|", " or ").replace("true", "True")
    return {
        row
        for row in itertools.product([False, True], repeat=3)
        if eval(python, {"__builtins__": {}}, dict(zip("pqr", row, strict=True)))
    }


@pytest.mark.parametrize("text", TEXTS)
def test_columns_and_counts(text: str) -> None:
    formula, true_rows = parse_formula(text), rows_where(text)
    column = truth_column(formula, "pqr")
    assert column == [row in true_rows for row in itertools.product([False, True], repeat=3)]
    assert count_models([formula], "pqr") == len(true_rows)
    assert is_tautology(formula) == (len(true_rows) == 8)
    assert satisfiable([formula]) == bool(true_rows)


@pytest.mark.parametrize(("first", "second"), itertools.product(TEXTS, TEXTS))
def test_pairs(first: str, second: str) -> None:
    a, b = parse_formula(first), parse_formula(second)
    assert entails([a], b) == (rows_where(first) <= rows_where(second))
    assert equivalent(a, b) == (rows_where(first) == rows_where(second))
    assert count_models([a, b], "pqr") == len(rows_where(first) & rows_where(second))


def test_several_premises() -> None:
    def follows(conclusion: str, *premises: str) -> bool:
        return entails([parse_formula(premise) for premise in premises], parse_formula(conclusion))

    assert follows("q", "p", "p -> q")
    assert follows("~p", "~q", "p -> q")
    assert follows("p -> r", "p -> q", "q -> r")
    assert not follows("p", "q", "p -> q")  # affirming the consequent
    assert not follows("~q", "~p", "p -> q")  # denying the antecedent
    assert follows("anything", "p", "~p")
    assert follows("p | ~p")
    assert not follows("p")


def test_the_order_of_variables() -> None:
    formula = parse_formula("a & ~b")
    assert truth_column(formula) == [False, False, True, False]
    assert truth_column(formula, ["b", "a"]) == [False, True, False, False]
    assert truth_column(formula, ["a", "b", "c"]) == [False, False, False, False, True, True, False, False]
    for order in (["a"], ["a", "a", "b"]):
        with pytest.raises(FormulaError, match="twice, or not at all"):
            truth_column(formula, order)


def test_sixteen_variables_are_quick_and_seventeen_refused() -> None:
    names = [f"v{number:02}" for number in range(17)]
    started = time.perf_counter()
    assert count_models([parse_formula(" xor ".join(names[:16]))]) == 2**15
    assert sum(truth_column(parse_formula(" & ".join(names[:16])))) == 1
    assert time.perf_counter() - started < 2.0
    with pytest.raises(FormulaError, match="17 variables together"):
        entails([parse_formula(" & ".join(names[:16]))], parse_formula(names[16]))
