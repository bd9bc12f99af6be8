"""The hidden cases of a task, read from a column of the data and checked before any program runs."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rlframework.rewards.code.driver import encode
from rlframework.rewards.code.values import same_output, same_value


class CaseError(ValueError):
    """Cases that no program can be checked against."""


@dataclass(frozen=True)
class StdinCase:
    """A program that is given ``stdin`` writes ``stdout``, and ends with exit code 0."""

    stdin: str
    stdout: str

    @property
    def request(self) -> dict[str, Any]:
        """The request that the sandbox sends to its driver."""
        return {"stdin": self.stdin}

    def accepts(self, output: bytes) -> bool:
        """Return whether a program's stdout is right."""
        return same_output(output, self.stdout)


@dataclass(frozen=True)
class CallCase:
    """A function of the program that is called with these arguments returns ``expected``.

    Args:
        call: Name of the function.
        args: Its arguments by position.
        expected: What it returns; of built-in types.
        kwargs: Its arguments by name.
        tolerance: For numbers, as in `values.same_value`; None compares exactly, types included.
    """

    call: str
    args: tuple[Any, ...]
    expected: Any
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float | None = None

    @property
    def request(self) -> dict[str, Any]:
        """The request that the sandbox sends to its driver."""
        kwargs = {name: encode(value) for name, value in self.kwargs.items()}
        return {"call": self.call, "args": [encode(value) for value in self.args], "kwargs": kwargs}

    def accepts(self, output: bytes) -> bool:
        """Return whether an encoded result is right."""
        return same_value(output, self.expected, self.tolerance)


Case: TypeAlias = StdinCase | CallCase


def read_cases(column: Any, float_tolerance: float | None = None) -> list[Case]:
    r"""Return the cases in a column of the data.

    The column holds a list, or a list as JSON text (in Arrow tables the arguments of a call have to be of one type, in
    JSON they do not). Each case is one of

    - ``{"stdin": "3\n", "stdout": "6\n"}``
    - ``{"call": "double", "args": [3], "expected": 6}``; also ``"kwargs"`` and ``"tolerance"``
    - ``"assert double(3) == 6"``, with literals alone; tuples and sets can be said only so

    Args:
        column: The value of the column.
        float_tolerance: ``tolerance`` of the call cases that have none of their own.

    Raises:
        CaseError: There are none, or one is not of these forms, or it expects nan, which equals nothing.

    Example:
        >>> read_cases('[{"call": "double", "args": [3], "expected": 6}, "assert double((1, 2)) == (1, 2, 1, 2)"]')[1]
        CallCase(call='double', args=((1, 2),), expected=(1, 2, 1, 2), kwargs={}, tolerance=None)
    """
    if isinstance(column, str):
        try:
            column = json.loads(column)
        except (ValueError, RecursionError) as error:
            raise CaseError(f"the cases are text and no JSON: {error}") from None
    if isinstance(column, (Mapping, str, bytes)) or not isinstance(column, Iterable):
        raise CaseError(f"the cases are a list (or one as JSON text), got {type(column).__name__}")
    cases = [_case(item, position, float_tolerance) for position, item in enumerate(column)]
    if not cases:
        raise CaseError("there are no cases; every program would pass")
    return cases


def read_assert(statement: str, float_tolerance: float | None = None, rename: Mapping[str, str] | None = None) -> Case:
    """Return the call case that an assert states, without running any of it.

    It is ``assert f(literals) == literal``, or ``assert abs(f(literals) - literal) < literal``; a message is left out.

    Args:
        statement: One assert statement.
        float_tolerance: As in `read_cases`.
        rename: Other names for functions, such as ``{"candidate": "has_close_elements"}``.

    Raises:
        CaseError: It states something else.

    Example:
        >>> read_assert("assert abs(half(3) - 1.5) < 1e-6").tolerance
        1e-06
    """
    try:
        body = ast.parse(statement.strip()).body
        if len(body) != 1 or not isinstance(body[0], ast.Assert):
            raise ValueError("it is not one assert")
        call, expected, tolerance = _equation(body[0].test)
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError("no named function is called on its left")
        if any(keyword.arg is None for keyword in call.keywords):
            raise ValueError("it unpacks keywords")
        return _checked(
            CallCase(
                (rename or {}).get(call.func.id, call.func.id),
                tuple(map(_literal, call.args)),
                _literal(expected),
                {str(keyword.arg): _literal(keyword.value) for keyword in call.keywords},
                float_tolerance if tolerance is None else tolerance,
            )
        )
    except (ValueError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise CaseError(
            f"{statement.strip()[:200]!r} is not `assert f(literals) == literal`: {str(error)[:200]}"
        ) from None


def cases_from_asserts(source: str, entry_point: str, float_tolerance: float | None = None) -> list[Case]:
    r"""Return the cases that a test file states by its asserts, without running any of it.

    They stand at its top (MBPP) or in a function ``check(candidate)`` (HumanEval). Assignments, imports and asserts of
    a constant say nothing and are left out. A test that does anything else (loops, random inputs, asserts of a truth
    value) is refused whole: a part of it would be a weaker test under the same name.

    Args:
        source: The test file, such as HumanEval's column ``test``.
        entry_point: Name of the function under test; ``candidate`` stands for it.
        float_tolerance: As in `read_cases`. Python compares 1 and 1.0 as equal: 0.0 does.

    Raises:
        CaseError: It has a statement that is no such assert, or no case at all.

    Example:
        >>> cases_from_asserts("def check(candidate):\n    assert candidate(2) == 4\n    assert True", "double")
        [CallCase(call='double', args=(2,), expected=4, kwargs={}, tolerance=None)]
    """
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CaseError(f"the test is no Python: {error}") from None
    checks = [node for node in statements if isinstance(node, ast.FunctionDef) and node.name == "check"]
    inner = [statement for check in checks for statement in check.body]
    # A call of `check` says nothing more.
    outer = [node for node in statements if node not in checks and not _calls_check(node)]
    cases = [
        read_assert(ast.unparse(statement), float_tolerance, {"candidate": entry_point})
        for statement in (*outer, *inner)
        if not _says_nothing(statement)
    ]
    strangers = sorted({case.call for case in cases if isinstance(case, CallCase)} - {entry_point})
    if strangers or not cases:
        raise CaseError(f"the test is of {strangers} and not of {entry_point!r}" if strangers else "it has no assert")
    return cases


def _case(item: Any, position: int, float_tolerance: float | None) -> Case:
    if isinstance(item, str):
        return read_assert(item, float_tolerance)
    if not isinstance(item, Mapping):
        raise CaseError(f"case {position} is {type(item).__name__}; give a dict or an assert")
    # A table gives every case the keys of all cases, with None for those that it lacks.
    keys = {key for key, value in item.items() if value is not None}
    if "stdin" in keys and keys == {"stdin", "stdout"}:
        if not isinstance(item["stdin"], str) or not isinstance(item["stdout"], str):
            raise CaseError(f"case {position}: stdin and stdout are text")
        return StdinCase(item["stdin"], item["stdout"])
    if "call" not in keys or "expected" not in item or keys - {"call", "args", "kwargs", "expected", "tolerance"}:
        raise CaseError(
            f"case {position} has the keys {sorted(map(str, keys))}; give stdin and stdout, or call, args and expected"
        )
    args, kwargs, tolerance = (item.get(key) for key in ("args", "kwargs", "tolerance"))
    if isinstance(args, (str, bytes, Mapping)) or not isinstance(() if args is None else args, Iterable):
        raise CaseError(f"case {position}: args are a list, got {type(args).__name__}")
    if not isinstance({} if kwargs is None else kwargs, Mapping):
        raise CaseError(f"case {position}: kwargs are a dict, got {type(kwargs).__name__}")
    return _checked(
        CallCase(
            item["call"],
            () if args is None else tuple(args),
            item["expected"],
            {} if kwargs is None else dict(kwargs),
            float_tolerance if tolerance is None else tolerance,
        )
    )


def _checked(case: CallCase) -> CallCase:
    if not isinstance(case.call, str) or not case.call.isidentifier():
        raise CaseError(f"{case.call!r} is no name of a function")
    if not all(isinstance(name, str) and name.isidentifier() for name in case.kwargs):
        raise CaseError(f"case of {case.call}: the names of kwargs are {list(case.kwargs)}")
    tolerance = case.tolerance
    if tolerance is not None and not (type(tolerance) in (int, float) and math.isfinite(tolerance) and tolerance >= 0):
        raise CaseError(f"a tolerance is a number of at least 0, got {case.tolerance}")
    try:
        encode([list(case.args), dict(case.kwargs)])
        if _has_nan(encode(case.expected)):
            raise CaseError(f"{case.call} is expected to return nan, which equals nothing")
    except (TypeError, RecursionError) as error:
        raise CaseError(f"case of {case.call}: {error}") from None
    return case


def _has_nan(tree: Any) -> bool:
    if isinstance(tree, list):
        return any(map(_has_nan, tree))
    return isinstance(tree, dict) and any(body == "nan" or _has_nan(body) for body in tree.values())


def _equation(test: ast.expr) -> tuple[ast.expr, ast.expr, float | None]:
    """Return the call, the expected value and the tolerance of ``f() == x`` or ``abs(f() - x) < t``."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        raise ValueError("it is no comparison of two sides")
    left, operator, right = test.left, test.ops[0], test.comparators[0]
    # `is` is read as `==`: between literals of exact types they differ in nothing that a program could mean.
    if isinstance(operator, (ast.Eq, ast.Is)):
        return left, right, None
    if (
        isinstance(operator, (ast.Lt, ast.LtE))
        and isinstance(left, ast.Call)
        and isinstance(left.func, ast.Name)
        and left.func.id == "abs"
        and len(left.args) == 1
        and isinstance(left.args[0], ast.BinOp)
        and isinstance(left.args[0].op, ast.Sub)
    ):
        return left.args[0].left, left.args[0].right, float(_literal(right))
    raise ValueError("it is neither an equation nor a distance below a bound")


def _literal(node: ast.expr) -> Any:
    """Return the value of a literal; a quotient or product of two numbers is one too, as in ``2.0 / 3.0``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Mult)):
        left, right = ast.literal_eval(node.left), ast.literal_eval(node.right)
        if not all(type(side) in (int, float) for side in (left, right)) or right == 0:
            raise ValueError("it calculates with something else than two numbers")
        return left / right if isinstance(node.op, ast.Div) else left * right
    return ast.literal_eval(node)


def _calls_check(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "check"


def _says_nothing(statement: ast.stmt) -> bool:
    """Return whether a statement tests nothing: assert of a constant, text, ``pass``, import, ``NAME = literal``."""
    if isinstance(statement, ast.Assert):
        return isinstance(statement.test, ast.Constant) and bool(statement.test.value)
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_text or isinstance(statement, (ast.Pass, ast.Import, ast.ImportFrom, ast.Assign))
