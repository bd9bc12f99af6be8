"""Knights, who only tell the truth, and knaves, who only lie: who is who, where exactly one answer fits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from reprlib import repr  # Short, and without recursion: data can be long and deep.
from typing import Any

from rlframework.prompt import Prompt
from rlframework.rewards.logic.base import LogicReward, UnverifiableError
from rlframework.rewards.logic.formula import (
    MAX_DEPTH,
    MAX_VARIABLES,
    WORDS,
    Formula,
    FormulaError,
    parse_formula,
    table_columns,
)
from rlframework.rewards.template import AnswerTemplate
from rlframework.rewards.verdict import Verdict

Statement = str | Sequence[Any]

MAX_ANSWER_CHARACTERS = 2_000
MAX_STATEMENTS = 64

_ROLES = {"knight": True, "telling-truth": True, "knave": False, "lying": False}
_JOINTS = {"not": "not", "and": "and", "or": "or", "implies": "implies", "->": "implies", "iff": "iff", "<=>": "iff"}
_NAME = r"\w[\w'-]*"
_ITEM = re.compile(rf"({_NAME})(?:\s+is(?:\s+an?)?\s+|\s*[:=]\s*(?:an?\s+)?)({_NAME})")
_BETWEEN = re.compile(r"\s*(?:[,;.\n]\s*(?:and\s+)?|\s+and\s+)\s*")


def statement_formula(statement: Statement, people: Sequence[str]) -> Formula:
    """Return what a statement says, as a formula in which a variable means that this person is a knight.

    A statement is a tree of lists, ``["knight", "Ann"]``, ``["knave", "Ben"]``, ``["not", s]``, ``["and", s, ...]``,
    ``["or", s, ...]``, ``["implies", s, t]``, ``["iff", s, t]``; or a formula over the names, ``"Ann & ~Ben"``. A
    person may also be named by position, and the words ``telling-truth``, ``lying``, ``->`` and ``<=>`` of
    reasoning-gym's puzzles are understood.

    Raises:
        UnverifiableError: It is none of these, or it names somebody else.

    Example:
        >>> tree = ["or", ["knight", "Ann"], ["not", ["knave", "Ben"]]]
        >>> str(statement_formula(tree, ["Ann", "Ben"])), str(statement_formula("Ann & ~Ben", ["Ann", "Ben"]))
        ('(Ann | ~~Ben)', '(Ann & ~Ben)')
    """
    try:
        code = parse_formula(statement).code if isinstance(statement, str) else _code(statement, people, MAX_DEPTH)
    except FormulaError as error:
        raise UnverifiableError(f"{repr(statement)} is no statement: {error}") from error
    formula = Formula(code)
    strangers = sorted(set(formula.variables) - set(people))
    if strangers:
        raise UnverifiableError(f"a statement is about {strangers}, and the people are {list(people)}")
    return formula


def solutions(people: Sequence[str], statements: Sequence[tuple[str, Statement]]) -> list[frozenset[str]]:
    """Return every set of knights that makes each knight's statements true and each knave's false.

    Args:
        people: Names, at most 16.
        statements: Who says what, as pairs.

    Raises:
        UnverifiableError: A statement that is none, a speaker who is nobody, or too many people.

    Example:
        >>> solutions(["Ann", "Ben"], [("Ann", ["and", ["knave", "Ann"], ["knave", "Ben"]])])
        [frozenset({'Ben'})]
    """
    if not 1 <= len(people) <= MAX_VARIABLES or len(set(people)) < len(people):
        raise UnverifiableError(f"1 to {MAX_VARIABLES} people with names of their own are needed, not {list(people)}")
    if set(people) & set(WORDS):
        raise UnverifiableError(f"{sorted(set(people) & set(WORDS))} are words of formulas and name nobody")
    columns, everywhere = table_columns(people)
    fitting = everywhere
    for speaker, statement in statements:
        if speaker not in columns:
            raise UnverifiableError(f"{speaker!r} speaks, and the people are {list(people)}")
        # A knight's statement is as true as "the speaker is a knight".
        fitting &= everywhere ^ columns[speaker] ^ statement_formula(statement, people).values(columns, everywhere)
    rows = [row for row in range(1 << len(people)) if fitting >> row & 1]
    return [frozenset(name for name in people if columns[name] >> row & 1) for row in rows]


def read_roles(answer: str, knight: str = "knight", knave: str = "knave") -> list[tuple[str, bool]] | None:
    """Read who is what, in lower case and in the order written; None if the answer is anything else.

    Items such as ``Ann is a knight``, ``Ann: knight`` or ``Ann = knight`` stand between commas, semicolons, full stops,
    line ends or ``and``. Nothing else is allowed: no negation, no "or", no remark.

    Example:
        >>> read_roles("Ann is a knight, and Ben is a knave.")
        [('ann', True), ('ben', False)]
        >>> read_roles("Ann is a knight or a knave"), read_roles("Ann is not a knight")
        (None, None)
    """
    roles = {knight.lower(): True, knave.lower(): False}
    text = re.sub(r"[^\S\n]+", " ", answer.strip().lower().removesuffix("."))
    found: list[tuple[str, bool]] = []
    position = 0
    while position < len(text):
        if found:
            between = _BETWEEN.match(text, position)
            if between is None:
                return None
            position = between.end()
        item = _ITEM.match(text, position)
        if item is None or item[2] not in roles:
            return None
        found.append((item[1], roles[item[2]]))
        position = item.end()
    return found or None


class KnightsKnaves(LogicReward):
    """The answer says of everybody whether they are a knight or a knave. All right or all wrong.

    The puzzle is solved by trying all ``2 ** n`` casts. A row abstains if none fits or several do, whatever answer is
    written down for it. The order of people does not matter; each occurs exactly once.

    Args:
        template: The layout of the answer; `AnswerTemplate()` by default.
        people_column: Column of the data with the names.
        statements_column: Column with who says what: pairs ``[speaker, statement]``, or one statement for each of the
            people in their order. `statement_formula` says what a statement is.
        knight: The word for those who tell the truth.
        knave: The word for those who lie.
        scores: ``correct``, ``incorrect``, ``malformed`` and ``name`` of `VerifiedReward`.

    Raises:
        ValueError: Both are called the same.

    Example:
        >>> from rlframework.completions import Completion, Completions
        >>> puzzle = {"people": ["Ann", "Ben"], "statements": [["Ann", "~Ann & ~Ben"]]}
        >>> answers = ("Ben is a knight and Ann is a knave.", "Ann: knight, Ben: knave", "Ben is a knight")
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in answers]
        >>> rows = [Completion(Prompt([1], "?", puzzle), [2], text, "stop") for text in texts]
        >>> [str(verdict) for verdict in KnightsKnaves().verdicts(Completions(rows, 3))[0]]
        ['correct', 'incorrect', 'incorrect']
    """

    def __init__(
        self,
        template: AnswerTemplate | None = None,
        people_column: str = "people",
        statements_column: str = "statements",
        *,
        knight: str = "knight",
        knave: str = "knave",
        **scores: Any,
    ) -> None:
        super().__init__(template, **scores)
        if knight.lower() == knave.lower():
            raise ValueError(f"knights and knaves are both called {knight!r}, so that no answer could tell them apart")
        self.people_column = people_column
        self.statements_column = statements_column
        self.knight = knight
        self.knave = knave

    def gold(self, prompt: Prompt) -> dict[str, bool]:
        """Return the one cast that fits, by name in lower case."""
        people, statements = prompt.column(self.people_column), prompt.column(self.statements_column)
        if not isinstance(people, Sequence) or isinstance(people, str) or not all(map(_is_name, people)):
            raise UnverifiableError(f"people are a list of names of one word each, not {repr(people)}")
        fitting = solutions(people, _pairs(people, statements))
        if len(fitting) != 1:
            raise UnverifiableError(f"the puzzle has {len(fitting)} solutions, not one")
        cast = {name.lower(): name in fitting[0] for name in people}
        if len(cast) < len(people):
            raise UnverifiableError(f"names that differ in case only cannot be told apart: {people}")
        return cast

    def compare(self, answer: str, gold: Mapping[str, bool]) -> Verdict:
        """Compare everybody, each named once."""
        roles = read_roles(answer, self.knight, self.knave) if len(answer) <= MAX_ANSWER_CHARACTERS else None
        if roles is None:
            return Verdict.MALFORMED
        return Verdict.CORRECT if len(roles) == len(gold) and dict(roles) == gold else Verdict.INCORRECT


def _pairs(people: Sequence[str], statements: Any) -> list[tuple[str, Statement]]:
    if isinstance(statements, str) or not isinstance(statements, Sequence) or len(statements) > MAX_STATEMENTS:
        raise UnverifiableError(f"statements are a list of at most {MAX_STATEMENTS}, not {repr(statements)}")
    if all(_is_pair(entry, people) for entry in statements):
        return [(speaker, statement) for speaker, statement in statements]
    if len(statements) != len(people):
        raise UnverifiableError(f"{len(statements)} statements without speakers do not fit {len(people)} people")
    return list(zip(people, statements, strict=True))


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch(_NAME, name) is not None


def _is_pair(entry: Any, people: Sequence[str]) -> bool:
    return not isinstance(entry, str) and isinstance(entry, Sequence) and len(entry) == 2 and entry[0] in people


def _code(statement: Any, people: Sequence[str], depth: int) -> tuple[str, ...]:
    """Return postfix code of a tree."""
    if depth == 0:
        raise FormulaError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(statement, str) or not isinstance(statement, Sequence) or len(statement) < 2:
        raise FormulaError(f"{repr(statement)} is not a list of an operator and what it is about")
    operator, *parts = statement
    if operator in _ROLES and len(parts) == 1:
        who = parts[0]
        if isinstance(who, int) and not isinstance(who, bool) and 0 <= who < len(people):
            who = people[who]
        if who not in people:
            raise FormulaError(f"{repr(who)} is nobody of {list(people)}")
        return (who,) if _ROLES[operator] else (who, "not")
    fits = {"not": len(parts) == 1, "implies": len(parts) == 2, "iff": len(parts) == 2, "and": True, "or": True}
    if not isinstance(operator, str) or operator not in _JOINTS or not fits[_JOINTS[operator]]:
        raise FormulaError(f"{repr(operator)} with {len(parts)} parts is no operator of statements")
    codes = [_code(part, people, depth - 1) for part in parts]
    if operator == "not":
        return (*codes[0], "not")
    # Operands first, then one operator fewer: from the right, which for "and" and "or" does not matter.
    return (*(symbol for code in codes for symbol in code), *[_JOINTS[operator]] * (len(codes) - 1))
