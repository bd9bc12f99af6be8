"""A calculator as a tool: exact arithmetic of what a policy writes, and the short calls of it."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

from rlframework.environments.calls import CallFormat
from rlframework.environments.tool_error import ToolError
from rlframework.turns import Call

MOST_CHARACTERS = 200

_ALLOWED = re.compile(r"[0-9. +\-*/()]+")
_OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def calculate(expression: str) -> str:
    """Calculate exactly: numbers, + - * / and parentheses.

    Nothing is executed: of Python's grammar the text is parsed by, only these parts are read. Decimals are exact, and
    what is no integer comes back as a fraction in lowest terms.

    Args:
        expression: Such as (412 - 96) * 37.

    Raises:
        ToolError: It is something else, longer than 200 characters, or divides by zero; the policy is told.

    Example:
        >>> calculate("(412 - 96) * 37"), calculate("10 / 4"), calculate("0.1 + 0.2 - 0.3")
        ('11692', '5/2', '0')
    """
    if len(expression) > MOST_CHARACTERS:
        raise ToolError(f"the expression has {len(expression)} characters, and may have {MOST_CHARACTERS}")
    text = expression.strip()
    try:
        # The signs are checked first, so that no name, call, power of e or underscore gets as far as the parser.
        if not _ALLOWED.fullmatch(text):
            raise SyntaxError
        return str(_value(ast.parse(text, mode="eval").body, text))
    except SyntaxError:
        raise ToolError("this is no arithmetic; use numbers, + - * / and parentheses") from None
    except ZeroDivisionError:
        raise ToolError("this divides by zero") from None


def _value(node: ast.expr, text: str) -> Fraction:
    """Return the value of a part of an expression.

    Raises:
        SyntaxError: It is more than arithmetic, such as a power.
    """
    if isinstance(node, ast.Constant):
        # From its own digits: a float would have rounded them.
        return Fraction(text[node.col_offset : node.end_col_offset])
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(node.left, text), _value(node.right, text))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand, text)
        return -value if isinstance(node.op, ast.USub) else value
    raise SyntaxError


class LineCalls(CallFormat):
    r"""Reads calls such as ``calculate(412 * 37)``, each on a line of its own: short ones for a small model.

    With SmolLM2's tokenizer ``calculate(412 * 37 - 16)`` has 14 tokens, and the same call as JSON between tags has 38.

    Example:
        >>> LineCalls().calls("calculate((412 - 96) * 37)")
        [Call(name='calculate', arguments={'expression': '(412 - 96) * 37'}, fault=None, result='')]
        >>> [call.fault for call in LineCalls().calls("calculate(412 - 96")], LineCalls().calls("It is 42.")
        (['malformed'], [])
    """

    def calls(self, text: str) -> list[Call]:
        """Return the calls in a turn, in their order.

        Args:
            text: The policy's turn with its special tokens, without the stop token.
        """
        found: list[Call] = []
        for line in text.splitlines():
            if call := re.fullmatch(r"\s*calculate\((.*)\)\s*", line):
                found.append(Call("calculate", {"expression": call[1]}))
            elif line.lstrip().startswith("calculate("):
                found.append(Call(fault="malformed", result="Error: the call has no ) at its end."))
        return found
