"""Truth tables: write the column of a short formula in p and q, and the texts that a tiny base model is taught with."""

from __future__ import annotations

import re
from functools import cache
from random import Random

from rlframework.rewards.logic.brute_force import truth_column
from rlframework.rewards.logic.formula import parse_formula
from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks.tiny.task import CARELESS, Care, ProblemSet, Row, break_a_tag

# What problems and solutions are written in, and the stray signs about them.
CHARACTERS = "01pq∧∨→⊕()=?;>:,. \n"
MAX_TOKENS = 64

# Of the variables, for the rows 00, 01, 10, 11.
COLUMNS = {"p": 0b0011, "q": 0b0101}
OPERATORS = "∧∨→⊕"


def random_problem(random: Random) -> Row:
    """Draw a formula of three or four operators that is neither always true nor always false.

    Each of the other 14 columns is as likely as any, so that a fixed answer is right in one case of 14. A column lists
    the rows 00, 01, 10, 11 of p and q.

    Example:
        >>> random_problem(Random(3))
        {'prompt': '((p⊕p)→q)⊕q=?', 'formula': '((p⊕p)→q)⊕q', 'answer': '1010'}
    """
    by_column = formulas(random.choice((3, 4)))
    column = random.choice(sorted(by_column))
    formula = random.choice(by_column[column])
    return {"prompt": f"{formula}=?", "formula": formula, "answer": column}


@cache
def formulas(operators: int) -> dict[str, list[str]]:
    """Return by their column all formulas with both variables that add so many operators, one around the other."""
    found = ["p", "q"]
    for step in range(operators):
        inner = [f"({formula})" if step else formula for formula in found]
        found = [f"{formula}{operator}{variable}" for formula in inner for operator in OPERATORS for variable in "pq"]
    by_column: dict[str, list[str]] = {}
    for formula in found:
        values = "".join("01"[value] for value in truth_column(parse_formula(formula), ("p", "q")))
        if "0" in values and "1" in values and {"p", "q"} <= set(formula):
            by_column.setdefault(values, []).append(formula)
    return by_column


_SET = ProblemSet(random_problem, reserve_seed=20_250_815)
problems, reserved_prompts, splits = _SET.problems, _SET.reserved_prompts, _SET.splits


def worked(row: Row) -> str:
    """Return the working of a problem: the column of the innermost operation, then of each one around it.

    Example:
        >>> worked({"formula": "(p→q)∧q"})
        'p→q=1101;1101∧q=0101'
    """
    return _working(row)[0]


def sloppy_demonstration(
    row: Row, random: Random, template: AnswerTemplate | None = None, care: Care = CARELESS
) -> str:
    """Return a completion such as a careless corpus has: mostly blurted answers, slips, and broken tags.

    Unless ``care`` says otherwise, 70 % blurt an answer after an empty working, of which 30 % is right and the rest
    another column; 30 % write the working with a slip in 5 % of its steps. In 25 % of all one tag is missing.
    """
    working, answer = "", row["answer"]
    if random.random() < care.blurted:
        if random.random() >= care.right:
            answer = f"{int(answer, 2) ^ random.randint(1, 15):04b}"
    else:
        working, answer = _working(row, random, care.slips)
    return break_a_tag(working, answer, random, template or AnswerTemplate())


def _working(row: Row, random: Random | None = None, slips: float = 0.0) -> tuple[str, str]:
    """Return the working and the column it leads to; with a generator, a share of the steps gets one value wrong."""
    first, *rest = re.findall("[pq]", row["formula"])
    written, column, lines = first, COLUMNS[first], []
    for operator, variable in zip(re.findall("[∧∨→⊕]", row["formula"]), rest, strict=True):
        column = _joined(operator, column, COLUMNS[variable])
        if random and random.random() < slips:
            column ^= 1 << random.randrange(4)
        lines.append(f"{written}{operator}{variable}={column:04b}")
        written = f"{column:04b}"
    return ";".join(lines), written


def _joined(operator: str, left: int, right: int) -> int:
    """Return the column of one operation, four values as bits."""
    if operator == "∧":
        return left & right
    if operator == "∨":
        return left | right
    return 0b1111 ^ left | right if operator == "→" else left ^ right
