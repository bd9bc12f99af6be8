"""Entailment, equivalence and satisfiability by every row of the truth table, at most 65,536, without a search."""

from __future__ import annotations

from collections.abc import Sequence

from rlframework.rewards.logic.formula import Formula, FormulaError, table_columns


def truth_column(formula: Formula, variables: Sequence[str] | None = None) -> list[bool]:
    """Return the value in every row of the truth table.

    Rows count up in binary from all false to all true, and the first variable is the slowest.

    Args:
        formula: Of at most 16 variables.
        variables: Their order; sorted by name if not given. It may name more than the formula has.

    Raises:
        FormulaError: A variable of the formula is not among ``variables``, one is named twice, or there are too many.

    Example:
        >>> from rlframework.rewards.logic.formula import parse_formula
        >>> "".join("01"[value] for value in truth_column(parse_formula("p -> q")))
        '1101'
    """
    order = tuple(formula.variables if variables is None else variables)
    missing = sorted(set(formula.variables) - set(order))
    if missing or len(set(order)) < len(order):
        raise FormulaError(f"the order {order} names a variable twice, or not at all: {missing}")
    columns, everywhere = table_columns(order)
    bits = formula.values(columns, everywhere)
    return [bool(bits >> row & 1) for row in range(1 << len(order))]


def count_models(formulas: Sequence[Formula], variables: Sequence[str] | None = None) -> int:
    """Return how many assignments make all the formulas true.

    Args:
        formulas: Any number.
        variables: What is assigned; by default the variables that occur.

    Example:
        >>> from rlframework.rewards.logic.formula import parse_formula
        >>> count_models([parse_formula("p | q"), parse_formula("~p")])
        1
    """
    order = _variables(formulas) if variables is None else tuple(variables)
    columns, everywhere = table_columns(order)
    bits = everywhere
    for formula in formulas:
        bits &= formula.values(columns, everywhere)
    return bits.bit_count()


def entails(premises: Sequence[Formula], conclusion: Formula) -> bool:
    """Return whether no assignment makes all premises true and the conclusion false.

    Args:
        premises: Formulas that are taken for true; may be empty.
        conclusion: The formula that may follow from them.

    Raises:
        FormulaError: Together they have too many variables.

    Example:
        >>> from rlframework.rewards.logic.formula import parse_formula
        >>> premises = [parse_formula("p -> q"), parse_formula("~q")]
        >>> entails(premises, parse_formula("~p")), entails(premises, parse_formula("p"))
        (True, False)
    """
    columns, everywhere = table_columns(_variables([*premises, conclusion]))
    countermodels = everywhere ^ conclusion.values(columns, everywhere)
    for premise in premises:
        countermodels &= premise.values(columns, everywhere)
    return not countermodels


def equivalent(first: Formula, second: Formula) -> bool:
    """Return whether two formulas have the same value under every assignment.

    Args:
        first: A formula.
        second: The other, which may have other variables.

    Example:
        >>> from rlframework.rewards.logic.formula import parse_formula
        >>> equivalent(parse_formula("p -> q"), parse_formula("~q -> ~p"))
        True
    """
    columns, everywhere = table_columns(_variables([first, second]))
    return first.values(columns, everywhere) == second.values(columns, everywhere)


def is_tautology(formula: Formula) -> bool:
    """Return whether it is true under every assignment.

    Example:
        >>> from rlframework.rewards.logic.formula import parse_formula
        >>> is_tautology(parse_formula("p | ~p"))
        True
    """
    return entails([], formula)


def satisfiable(formulas: Sequence[Formula]) -> bool:
    """Return whether some assignment makes all the formulas true.

    Example:
        >>> from rlframework.rewards.logic.formula import parse_formula
        >>> satisfiable([parse_formula("p"), parse_formula("~p")])
        False
    """
    return count_models(formulas) > 0


def _variables(formulas: Sequence[Formula]) -> tuple[str, ...]:
    return tuple(sorted({variable for formula in formulas for variable in formula.variables}))
