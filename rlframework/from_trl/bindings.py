"""Names of a script and what they stand for, read from its syntax tree: nothing of the script is run."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Scope = ast.FunctionDef | ast.AsyncFunctionDef | None
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_OF_ONE: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.Not: operator.not_}
# Characters of a text, elements of a list: what is longer is no setting, and may not fit into memory.
_LONGEST = 100_000
_CHANGES = ("append", "clear", "extend", "insert", "pop", "remove", "setdefault", "update")
_DTYPES = ("bfloat16", "float16", "float32")


class UnreadableError(Exception):
    """Raised for an expression whose value only the running script knows.

    Args:
        why: In words.
    """


@dataclass(frozen=True)
class Binding:
    """A place where a name is bound.

    Args:
        name: The name.
        scope: The function that it is in; None at the top level.
        statement: The statement; of a compound one, such as ``if``, the outermost.
        value: The expression, or the definition; None where there is none that could be read.
        straight: Whether it is reached whenever the statement before it is.
        end: Last line of the simple statement; what stands below it may see the binding.
        path: Of something imported: ``trl.GRPOConfig``.
    """

    name: str
    scope: Scope
    statement: ast.stmt
    value: ast.AST | None
    straight: bool
    end: int
    path: str = ""


class _At(NamedTuple):
    """Where a statement stands: in a function, in a statement of its body, and whether it is always reached."""

    scope: Scope
    outer: ast.stmt
    inner: ast.stmt
    straight: bool


class Bindings:
    r"""The names of a script, by where they are bound.

    Args:
        tree: Of the script.

    Example:
        >>> script = Bindings(ast.parse("import torch\nrate = 2 * 1e-6\ndtype = torch.bfloat16\nother = compute()"))
        >>> script.value(ast.Name("rate", lineno=9), None), script.value(ast.Name("dtype", lineno=9), None)
        (2e-06, 'bfloat16')
        >>> script.value(ast.Name("other", lineno=9), None)
        Traceback (most recent call last):
        ...
        rlframework.from_trl.bindings.UnreadableError: compute() is known only while the script runs
    """

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.all: dict[str, list[Binding]] = {}
        self.scopes: dict[ast.AST, Scope] = {}
        self.stars: list[str] = []
        self.changed: dict[str, list[tuple[int, Scope]]] = {}
        for statement in tree.body:
            for inner in statement.body if isinstance(statement, ast.If) and _is_main(statement) else [statement]:
                self._read(inner, _At(None, inner, inner, True))
        # What a function does to a name of the top level happens when it is called.
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                for name in node.names:
                    self.all.setdefault(name, []).append(Binding(name, None, tree.body[-1], None, False, node.lineno))

    def calls(self) -> Iterator[ast.Call]:
        """Yield every call of the script, in no particular order."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node

    def path(self, node: ast.AST, scope: Scope) -> str:
        """Return the dotted path of something imported, such as ``trl.GRPOConfig``; empty for anything else."""
        if isinstance(node, ast.Attribute):
            before = self.path(node.value, scope)
            return f"{before}.{node.attr}" if before else ""
        if not isinstance(node, ast.Name):
            return ""
        found = self._candidates(node.id, scope)
        if not found:
            return f"{self.stars[0]}.{node.id}" if self.stars else ""
        paths = {one.path for one in found}
        # Of `from . import rewards` and `import rewards` in its place, the one that does not ask where the script is.
        paths = {path for path in paths if not path.startswith(".")} or paths
        return paths.pop() if len(paths) == 1 else ""

    def bound(self, node: ast.Name, scope: Scope) -> Binding:
        """Return the binding that a name has where it is used.

        Args:
            node: The name.
            scope: The function that it is used in.

        Raises:
            UnreadableError: It is bound nowhere, under a condition, or only a call of its function knows to what.
        """
        found = self._candidates(node.id, scope)
        if not found:
            raise UnreadableError(f"{node.id} is bound nowhere in the script")
        before = [one for one in found if one.scope is not scope or one.end < node.lineno]
        if found[0].scope is not scope and len(found) > 1:
            lines = ", ".join(str(one.end) for one in found)
            raise UnreadableError(
                f"{node.id} is bound in the lines {lines}, and which of them counts the script decides"
            )
        if not before or not before[-1].straight:
            raise UnreadableError(f"{node.id} is bound under a condition or in a loop, line {found[-1].end}")
        if before[-1].value is None and not before[-1].path:
            raise UnreadableError(f"{node.id} is known only while the script runs (line {before[-1].end})")
        return before[-1]

    def value(self, node: ast.AST, scope: Scope) -> Any:
        """Return the value of an expression of literals, of names of such, and of arithmetic with them.

        Args:
            node: The expression.
            scope: The function that it stands in.

        Raises:
            UnreadableError: Only the running script knows it.
        """
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return [self.value(one, scope) for one in node.elts]
        if isinstance(node, ast.Dict) and all(key is not None for key in node.keys):
            keys = [self.value(key, scope) for key in node.keys if key is not None]
            return _computed(node, dict, zip(keys, [self.value(one, scope) for one in node.values], strict=True))
        if isinstance(node, ast.UnaryOp) and type(node.op) in _OF_ONE:
            return _computed(node, _OF_ONE[type(node.op)], self.value(node.operand, scope))
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            operands = self.value(node.left, scope), self.value(node.right, scope)
            return _computed(node, _ARITHMETIC[type(node.op)], *operands)
        named = isinstance(node, ast.Call) and not node.args and all(keyword.arg for keyword in node.keywords)
        if isinstance(node, ast.Call) and named and ast.unparse(node.func) == "dict":
            return {str(keyword.arg): self.value(keyword.value, scope) for keyword in node.keywords}
        path = self.path(node, scope)
        if path.startswith("torch.") and path.removeprefix("torch.") in _DTYPES:
            return path.removeprefix("torch.")
        if isinstance(node, ast.Name) and not path:
            binding = self.bound(node, scope)
            if binding.value is None or isinstance(binding.value, ast.stmt):
                raise UnreadableError(f"{node.id} is no value that could be written down")
            if node.id in self.changed and isinstance(binding.value, (ast.Dict, ast.List, ast.Call)):
                raise UnreadableError(f"{node.id} is changed in line {self.changed[node.id][0][0]}")
            return self.value(binding.value, binding.scope)
        raise UnreadableError(f"{shown(node)} is known only while the script runs")

    def expression(self, node: ast.AST, scope: Scope) -> tuple[ast.AST, Scope]:
        """Return what a name stands for, through other names and functions without arguments that return it at once.

        An expression that is neither is returned as it is.

        Args:
            node: The expression.
            scope: The function that it stands in.

        Raises:
            UnreadableError: As of `bound`.
        """
        followed: set[ast.AST] = set()
        while True:
            if node in followed:
                raise UnreadableError(f"{shown(node)} leads back to itself")
            followed.add(node)
            made = self._returned(node, scope)
            if made is not None:
                node, scope = made
                continue
            if not isinstance(node, ast.Name):
                return node, scope
            binding = self.bound(node, scope)
            if binding.value is None:
                return node, scope
            node, scope = binding.value, binding.scope

    def _returned(self, node: ast.AST, scope: Scope) -> tuple[ast.AST, Scope] | None:
        """Return the expression of the only ``return`` of a function that is called without arguments."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args or node.keywords:
            return None
        found = [one.value for one in self._candidates(node.func.id, scope)]
        if len(found) != 1 or not isinstance(found[0], ast.FunctionDef) or found[0].decorator_list:
            return None
        function = found[0]
        returns = [part for part in ast.walk(function) if isinstance(part, (ast.Return, ast.Yield, ast.YieldFrom))]
        last = function.body[-1]
        if len(returns) != 1 or not isinstance(last, ast.Return) or last.value is None:
            return None
        return last.value, function

    def statements_behind(self, node: ast.AST) -> list[ast.stmt]:
        """Return the statements of the top level that an expression or a definition cannot do without, in their order.

        Args:
            node: The expression or the definition.

        Raises:
            UnreadableError: It stands in a function, or it uses an object that is changed afterwards.
        """
        if self.scopes.get(node) is not None:
            raise UnreadableError("it is defined inside a function")
        needed: dict[ast.stmt, None] = {}
        waiting = [node]
        while waiting:
            for part in ast.walk(waiting.pop()):
                if not (isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)):
                    continue
                for binding in self.all.get(part.id, ()):
                    if binding.scope is not None or binding.statement in needed:
                        continue
                    for line, scope in self.changed.get(part.id, ()):
                        if scope is None:
                            raise UnreadableError(f"it uses {part.id}, which is changed in line {line}")
                    needed[binding.statement] = None
                    waiting.append(binding.statement)
        return sorted(needed, key=lambda statement: statement.lineno)

    def _candidates(self, name: str, scope: Scope) -> list[Binding]:
        found = self.all.get(name, [])
        return [one for one in found if one.scope is scope] or [one for one in found if one.scope is None]

    def _bind(self, name: str, at: _At, value: ast.AST | None, path: str = "") -> None:
        # What stands inside a compound statement sees what its head binds.
        compound = not isinstance(value, ast.stmt) and any(True for _ in _blocks(at.inner))
        end = at.inner.lineno if compound else at.inner.end_lineno or at.inner.lineno
        self.all.setdefault(name, []).append(Binding(name, at.scope, at.outer, value, at.straight, end, path))

    def _read(self, node: ast.stmt, at: _At) -> None:
        """Take down what a statement binds, and of which function each of its expressions is."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._read_import(node, at)
            return
        for part in _of_statement(node):
            self.scopes[part] = at.scope
            self._read_expression(part, at)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.scopes[node] = at.scope
            self._bind(node.name, at, node)
            if not isinstance(node, ast.ClassDef):
                self._read_function(node)
            return
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                self._read_target(target, node.value, at)
        elif isinstance(node, (ast.AugAssign, ast.For, ast.AsyncFor)):
            self._read_target(node.target, None, at)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                if item.optional_vars is not None:
                    self._read_target(item.optional_vars, None, at)
        straight = at.straight and isinstance(node, (ast.With, ast.AsyncWith))
        for inner in _blocks(node):
            self._read(inner, at._replace(inner=inner, straight=straight))

    def _read_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        everything = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for argument in [*everything, *filter(None, (node.args.vararg, node.args.kwarg))]:
            self.all.setdefault(argument.arg, []).append(Binding(argument.arg, node, node, None, True, node.lineno))
        for inner in node.body:
            self._read(inner, _At(node, inner, inner, True))

    def _read_import(self, node: ast.Import | ast.ImportFrom, at: _At) -> None:
        # Under a condition, too: which module a name comes from does not depend on it.
        at = at._replace(straight=True)
        for alias in node.names:
            if isinstance(node, ast.Import):
                bound = alias.asname or alias.name.partition(".")[0]
                self._bind(bound, at, None, alias.name if alias.asname else bound)
            elif alias.name == "*":
                self.stars.append(node.module or "")
            else:
                module = "." * node.level + (node.module or "")
                self._bind(alias.asname or alias.name, at, None, f"{module}.{alias.name}")

    def _read_target(self, target: ast.AST, value: ast.AST | None, at: _At) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, at, value)
        elif isinstance(target, ast.Starred):
            self._read_target(target.value, None, at)
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
            for place, one in enumerate(target.elts):
                self._read_target(one, parts[place] if len(parts) == len(target.elts) else None, at)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            self.changed.setdefault(target.value.id, []).append((target.lineno, at.scope))

    def _read_expression(self, node: ast.AST, at: _At) -> None:
        if isinstance(node, ast.NamedExpr):
            self._read_target(node.target, None, at)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return
        if node.func.attr in _CHANGES and isinstance(node.func.value, ast.Name):
            self.changed.setdefault(node.func.value.id, []).append((node.lineno, at.scope))


def shown(node: ast.AST, longest: int = 70) -> str:
    """Return an expression as it is written, shortened."""
    text = ast.unparse(node)
    return text if len(text) <= longest else f"{text[:longest]} ..."


def _computed(node: ast.AST, function: Callable[..., Any], *operands: Any) -> Any:
    """Return what a function makes of values; what the script would fail with there is no value."""
    numbers = [one for one in operands if isinstance(one, int)]
    texts = [one for one in operands if isinstance(one, (str, bytes, list))]
    if function is operator.mul and texts and numbers and len(texts[0]) * numbers[0] > _LONGEST:
        raise UnreadableError(f"{shown(node)} is longer than any setting")
    try:
        return function(*operands)
    except (ArithmeticError, TypeError) as error:
        raise UnreadableError(f"{shown(node)} has no value: {error}") from error


def _is_main(node: ast.If) -> bool:
    return not node.orelse and ast.unparse(node.test) == "__name__ == '__main__'"


def _blocks(node: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the statements inside a compound one."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, (ast.ExceptHandler, ast.match_case)):
            yield from child.body


def _of_statement(node: ast.stmt) -> Iterator[ast.AST]:
    """Yield the expressions of a statement, without those of the statements inside it."""
    parts = (ast.expr, ast.keyword, ast.withitem)
    waiting: list[ast.AST] = [child for child in ast.iter_child_nodes(node) if isinstance(child, parts)]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += [child for child in ast.iter_child_nodes(part) if not isinstance(child, ast.stmt)]
