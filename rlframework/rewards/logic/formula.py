"""Propositional formulas in a small grammar of our own: read without `eval`, evaluated without recursion."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_CHARACTERS = 2_000
MAX_DEPTH = 64
MAX_VARIABLES = 16

# Longest first: "<->" before "->" and "&&" before "&".
_SIGNS = {
    "<->": "iff",
    "↔": "iff",
    "->": "implies",
    "→": "implies",
    "&&": "and",
    "&": "and",
    "∧": "and",
    "||": "or",
    "|": "or",
    "∨": "or",
    "⊕": "xor",
    "~": "not",
    "!": "not",
    "¬": "not",
    "⊤": "true",
    "⊥": "false",
    "(": "(",
    ")": ")",
}
WORDS = ("not", "and", "xor", "or", "implies", "iff", "true", "false")
# ASCII: a letter that only looks like "p" would be another variable that nobody can tell from it.
_TOKEN = re.compile(rf"({'|'.join(map(re.escape, _SIGNS))})|([A-Za-z][A-Za-z0-9_]*)|(\s+)")
# From the loosest to the tightest.
_BINARY = ("iff", "implies", "or", "xor", "and")
_OPERATORS = ("not", *_BINARY)


class FormulaError(ValueError):
    """A text that is no formula, or one beyond the limits."""


@dataclass(frozen=True)
class Formula:
    """A formula in postfix order: operands first, then what joins them.

    Args:
        code: Variables, ``"true"``, ``"false"`` and the names of operators.

    Example:
        >>> formula = parse_formula("~p & q -> r")
        >>> formula.code
        ('p', 'not', 'q', 'and', 'r', 'implies')
        >>> formula.variables, str(formula)
        (('p', 'q', 'r'), '((~p & q) -> r)')
    """

    code: tuple[str, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables, sorted by name."""
        return tuple(sorted({symbol for symbol in self.code if symbol not in WORDS}))

    @property
    def operands(self) -> int:
        """How many variables and constants it is written with, repeated ones counted again."""
        return sum(symbol not in _OPERATORS for symbol in self.code)

    def values(self, columns: Mapping[str, int], everywhere: int) -> int:
        """Evaluate on many rows at once: bit ``r`` of the result is the value in row ``r``.

        Args:
            columns: For each variable, a bit for each row.
            everywhere: The bits of all rows.
        """
        stack: list[int] = []
        constants = {"true": everywhere, "false": 0}
        for symbol in self.code:
            if symbol not in _OPERATORS:
                stack.append(constants[symbol] if symbol in constants else columns[symbol])
            elif symbol == "not":
                stack.append(everywhere ^ stack.pop())
            else:
                right, left = stack.pop(), stack.pop()
                stack.append(_joined(symbol, left, right, everywhere))
        return stack.pop()

    def __str__(self) -> str:
        signs = {"and": "&", "or": "|", "implies": "->", "iff": "<->", "xor": "xor"}
        stack: list[str] = []
        for symbol in self.code:
            if symbol == "not":
                stack.append(f"~{stack.pop()}")
            elif symbol in signs:
                right, left = stack.pop(), stack.pop()
                stack.append(f"({left} {signs[symbol]} {right})")
            else:
                stack.append(symbol)
        return stack.pop()


def parse_formula(text: str) -> Formula:
    """Read a formula.

    From the tightest to the loosest: ``~ ! ¬ not``, ``& && ∧ and``, ``⊕ xor``, ``| || ∨ or``, ``-> → implies``,
    ``<-> ↔ iff``. Implication groups to the right, all others to the left. Words may be in any case and name no
    variable; a variable is an ASCII letter and more letters, digits or underscores. ``true ⊤ false ⊥`` are constants.

    Raises:
        FormulaError: The text is no formula, longer than ``MAX_CHARACTERS``, nested deeper than ``MAX_DEPTH``, or has
            more than ``MAX_VARIABLES`` variables.

    Example:
        >>> str(parse_formula("p -> q -> r or not s and t"))
        '(p -> (q -> (r | (~s & t))))'
        >>> parse_formula("p q")
        Traceback (most recent call last):
        ...
        rlframework.rewards.logic.formula.FormulaError: 'q' at character 3: expected an operator or the end
    """
    if not isinstance(text, str):
        raise FormulaError(f"a formula is a text, not {type(text).__name__}")
    if len(text) > MAX_CHARACTERS:
        raise FormulaError(f"{len(text)} characters, at most {MAX_CHARACTERS} are read")
    formula = _Parser(text).formula()
    if len(formula.variables) > MAX_VARIABLES:
        raise FormulaError(f"{len(formula.variables)} variables, at most {MAX_VARIABLES} are evaluated")
    return formula


def table_columns(variables: Sequence[str]) -> tuple[dict[str, int], int]:
    """Return the columns of a truth table as bits, and the bits of all its rows.

    Rows count up in binary and the first variable is the slowest: 00, 01, 10, 11.

    Raises:
        FormulaError: More than ``MAX_VARIABLES`` variables.

    Example:
        >>> columns, everywhere = table_columns(["p", "q"])
        >>> f"{columns['p']:04b}", f"{columns['q']:04b}", f"{everywhere:04b}"  # row 0 is the last bit
        ('1100', '1010', '1111')
    """
    if len(variables) > MAX_VARIABLES:
        raise FormulaError(f"{len(variables)} variables together, at most {MAX_VARIABLES} are evaluated")
    everywhere = (1 << (1 << len(variables))) - 1
    columns = {}
    for position, variable in enumerate(variables):
        block = 1 << (len(variables) - 1 - position)
        columns[variable] = everywhere // ((1 << block) + 1) << block
    return columns, everywhere


def _joined(operator: str, left: int, right: int, everywhere: int) -> int:
    if operator == "and":
        return left & right
    if operator == "or":
        return left | right
    if operator == "xor":
        return left ^ right
    if operator == "implies":
        return (everywhere ^ left) | right
    return everywhere ^ left ^ right  # iff


class _Parser:
    """Recursive descent; emits postfix code."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.position = 0
        self.depth = 0
        self.code: list[str] = []

    def formula(self) -> Formula:
        self._binary(0)
        if self._next() != "end":
            raise self._error("expected an operator or the end")
        return Formula(tuple(self.code))

    def _binary(self, loosest: int) -> None:
        """Read operands joined by operators, none looser than ``loosest``."""
        self._operand()
        while (operator := self._next()) in _BINARY and _BINARY.index(operator) >= loosest:
            rank = _BINARY.index(operator)
            self.position += 1
            # What binds tighter belongs to the right operand; of implications, the next implication too.
            if operator == "implies":
                self._deeper(rank)
            else:
                self._binary(rank + 1)
            self.code.append(operator)

    def _operand(self) -> None:
        kind = self._next()
        if kind == "not":
            self.position += 1
            self._deeper(len(_BINARY))
            self.code.append("not")
        elif kind == "(":
            self.position += 1
            self._deeper(0)
            if self._next() != ")":
                raise self._error("expected an operator or a closing parenthesis")
            self.position += 1
        elif kind in ("name", "true", "false"):
            self.code.append(self.tokens[self.position][1] if kind == "name" else kind)
            self.position += 1
        else:
            raise self._error("expected a variable, a negation or an opening parenthesis")

    def _deeper(self, loosest: int) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FormulaError(f"nested deeper than {MAX_DEPTH}")
        self._binary(loosest)
        self.depth -= 1

    def _next(self) -> str:
        return self.tokens[self.position][0]

    def _error(self, expected: str) -> FormulaError:
        kind, written, start = self.tokens[self.position]
        where = "the end" if kind == "end" else f"{written!r} at character {start + 1}"
        return FormulaError(f"{where}: {expected}")


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """Return (kind, as written, where) of every token, and an end."""
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise FormulaError(f"{text[position]!r} at character {position + 1} is not part of the grammar")
        sign, word, _ = match.groups()
        if sign:
            tokens.append((_SIGNS[sign], sign, position))
        elif word:
            tokens.append((word.lower() if word.lower() in WORDS else "name", word, position))
        position = match.end()
    return [*tokens, ("end", "", len(text))]
