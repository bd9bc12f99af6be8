"""Truth values: of a formula under one assignment, or its whole column of the truth table. No labels are needed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from reprlib import repr  # Short, and without recursion: data can be long and deep.
from typing import Any

from rlframework.prompt import Prompt
from rlframework.rewards.logic.base import LogicReward, UnverifiableError, formula_of
from rlframework.rewards.logic.brute_force import truth_column
from rlframework.rewards.logic.formula import FormulaError
from rlframework.rewards.template import AnswerTemplate
from rlframework.rewards.verdict import Verdict

_VALUES = {"0": False, "1": True, "f": False, "t": True, "false": False, "true": True}


def read_values(text: str) -> list[bool] | None:
    """Read truth values; None if the text is anything else.

    Either digits or letters without blanks (``0111``, ``FTTT``), or single values separated by blanks or commas
    (``F, T, true``, ``0 1``), with at most one pair of brackets about them. Digits and letters do not mix.

    Example:
        >>> read_values("0111"), read_values("[F, T]")
        ([False, True, True, True], [False, True])
        >>> read_values("0111 or 0110"), read_values("0T")
        (None, None)
    """
    text = text.strip()
    if text[:1] + text[-1:] in ("[]", "()") and len(text) > 1:
        text = text[1:-1].strip()
    if re.fullmatch(r"[01]+|[TF]+|[tf]+", text):
        return [_VALUES[value] for value in text.lower()]
    words = [word.lower() for word in re.split(r"\s*,\s*|\s+", text)]
    if not all(word in _VALUES for word in words) or len({word.isdigit() for word in words}) > 1:
        return None
    return [_VALUES[word] for word in words]


class TruthTable(LogicReward):
    """The answer is the column of a formula: its value in every row of the truth table.

    Rows count up in binary, from all false to all true, and the first variable is the slowest: 00, 01, 10, 11. Say so
    in the prompt, or pass ``true_first`` for textbooks' order. Fewer or more values than rows are a wrong answer.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        formula_column: Column of the data with the formula.
        variables: The order of the variables; sorted by name if not given.
        true_first: Rows count down instead, from all true to all false.
        scores: ``correct``, ``incorrect``, ``malformed`` and ``name`` of `VerifiedReward`.

    Example:
        >>> from rlframework.completions import Completion, Completions
        >>> prompt = Prompt([1], "?", {"formula": "p -> q"})
        >>> answers = ("1101", "T T F T", "110", "1101 or 1111")
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in answers]
        >>> rows = [Completion(prompt, [2], text, "stop") for text in texts]
        >>> [str(verdict) for verdict in TruthTable().verdicts(Completions(rows, 4))[0]]
        ['correct', 'correct', 'incorrect', 'malformed']
    """

    def __init__(
        self,
        template: AnswerTemplate | None = None,
        formula_column: str = "formula",
        *,
        variables: Sequence[str] | None = None,
        true_first: bool = False,
        **scores: Any,
    ) -> None:
        super().__init__(template, **scores)
        self.formula_column = formula_column
        self.variables = variables
        self.true_first = true_first

    def gold(self, prompt: Prompt) -> list[bool]:
        """Return the column."""
        try:
            column = truth_column(formula_of(prompt.column(self.formula_column)), self.variables)
        except FormulaError as error:
            raise UnverifiableError(str(error)) from error
        return column[::-1] if self.true_first else column

    def compare(self, answer: str, gold: list[bool]) -> Verdict:
        """Compare all values; one that differs makes the answer wrong."""
        if len(answer) > 16 + 8 * len(gold):
            return Verdict.MALFORMED
        values = read_values(answer)
        if values is None:
            return Verdict.MALFORMED
        return Verdict.CORRECT if values == gold else Verdict.INCORRECT


class TruthValue(LogicReward):
    """The answer is the value of a formula under the assignment in the row.

    A guess is right half of the time; ask for a whole `TruthTable` where that is too much.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        formula_column: Column of the data with the formula.
        assignment_column: Column with the value of each variable, a mapping from names to bools.
        scores: ``correct``, ``incorrect``, ``malformed`` and ``name`` of `VerifiedReward`.

    Example:
        >>> from rlframework.completions import Completion, Completions
        >>> prompt = Prompt([1], "?", {"formula": "p -> q", "assignment": {"p": True, "q": False}})
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in ("False", "1", "no")]
        >>> rows = [Completion(prompt, [2], text, "stop") for text in texts]
        >>> [str(verdict) for verdict in TruthValue().verdicts(Completions(rows, 3))[0]]
        ['correct', 'incorrect', 'malformed']
    """

    def __init__(
        self,
        template: AnswerTemplate | None = None,
        formula_column: str = "formula",
        assignment_column: str = "assignment",
        **scores: Any,
    ) -> None:
        super().__init__(template, **scores)
        self.formula_column = formula_column
        self.assignment_column = assignment_column

    def gold(self, prompt: Prompt) -> bool:
        """Return the value."""
        formula = formula_of(prompt.column(self.formula_column))
        assignment = prompt.column(self.assignment_column)
        if not isinstance(assignment, Mapping):
            raise UnverifiableError(f"the assignment is a mapping from variables to bools, not {repr(assignment)}")
        values: dict[str, int] = {}
        for variable in formula.variables:
            value = assignment.get(variable)
            if not isinstance(value, int) or value not in (0, 1):
                raise UnverifiableError(f"the assignment gives {variable!r} the value {repr(value)}; it needs a bool")
            values[variable] = int(value)
        return bool(formula.values(values, 1))

    def compare(self, answer: str, gold: bool) -> Verdict:
        """Compare the one value."""
        values = read_values(answer) if len(answer) <= 16 else None
        if values is None or len(values) != 1:
            return Verdict.MALFORMED
        return Verdict.CORRECT if values[0] == gold else Verdict.INCORRECT
