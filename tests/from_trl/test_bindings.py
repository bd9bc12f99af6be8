"""Values of names in a script: what a reader of the script can tell is told, and nothing else."""

from __future__ import annotations

import ast
import re
from textwrap import dedent

import pytest

from rlframework.from_trl.bindings import Bindings, UnreadableError


def value(script: str) -> object:
    """Return the value of the argument of the call of ``look`` in a script."""
    names = Bindings(ast.parse(dedent(script)))
    call = next(call for call in names.calls() if ast.unparse(call.func) == "look")
    return names.value(call.args[0], names.scopes[call])


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("look(-1e-6)", -1e-6),
        ("a = 4\nlook([a, a * 2, not a])", [4, 8, False]),
        ("look({'b': (1, None)})", {"b": [1, None]}),
        ("look(dict(dtype='bfloat16'))", {"dtype": "bfloat16"}),
        ("from torch import float16\nlook(float16)", "float16"),
        ("a = 1\na = a + 1\nlook(a)", 2),
        ("a = (\n 1\n)\na = (\n  a\n  + 1)\nlook(a)", 2),
        ("a, b = 1, 2\nlook(b)", 2),
        ("def main():\n    b = a\n    look(b)\na = 3", 3),
        ("if __name__ == '__main__':\n    a = 5\n    look(a)", 5),
        ("with open(f) as g:\n    pass\na: int = 7\nlook(a)", 7),
        ("if x:\n    a = 1\na = 2\nlook(a)", 2),
    ],
)
def test_what_can_be_told(script: str, expected: object) -> None:
    assert value(script) == expected


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("look(args.lr)", "args.lr is known only while the script runs"),
        ("look(os.environ['A'])", "known only while the script runs"),
        ("look(compute())", "compute\\(\\) is known"),
        ("look(f'{a}')", "known only"),
        ("if x:\n    a = 1\nelse:\n    a = 2\nlook(a)", "under a condition or in a loop, line 4"),
        ("for a in (1, 2):\n    look(a)", "a is known only while the script runs"),
        ("a = 1\nfor i in x:\n    a = i\nlook(a)", "under a condition or in a loop, line 3"),
        ("a = 1\na += f()\nlook(a)", "a is known only while the script runs \\(line 2\\)"),
        ("def main(a):\n    look(a)\nmain(1)", "a is known only while the script runs"),
        ("def main():\n    look(a)\na = 1\na = 2", "bound in the lines 3, 4"),
        ("a = 1\ndef f():\n    global a\n    a = 2\nlook(a)", "under a condition"),
        ("a = {'b': 1}\na['b'] = 2\nlook(a)", "a is changed in line 2"),
        ("a = [1]\na.append(2)\nlook(a)", "a is changed in line 2"),
        ("def a():\n    pass\nlook(a)", "no value that could be written down"),
        ("look(nothing)", "bound nowhere"),
        ("look({**a})", "known only"),
        ("look(dict(**a))", "known only"),
        ("if (a := 1):\n    look(a)", "known only"),
        ("a = 1\nwith x as a:\n    look(a)", "known only|under a condition"),
    ],
)
def test_what_cannot_be_told_is_said_and_never_guessed(script: str, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        value(script)


def test_a_definition_brings_along_what_it_needs_and_nothing_else() -> None:
    script = """
        import re
        import os
        PATTERN = re.compile(WORD)
        WORD = "a"
        model = load()

        def helper(text):
            return PATTERN.findall(text)

        def reward(completions):
            return [len(helper(text)) for text in completions]
    """
    tree = ast.parse(dedent(script))
    lines = [statement.lineno for statement in Bindings(tree).statements_behind(tree.body[-1])]
    assert [dedent(script).splitlines()[line - 1].split("(")[0] for line in lines] == [
        "import re",
        "PATTERN = re.compile",
        'WORD = "a"',
        "def helper",
    ]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("look(1 / 0)", "1 / 0 has no value: division by zero"),
        ("look('a' + 1)", "has no value"),
        ("look(-'a')", "has no value"),
        ("look({[1]: 2})", "has no value: unhashable"),
        ("look(2.0 * 10 ** 3)", "known only while the script runs"),
        ("look(1e300 * 1e300 // 0.0)", "has no value"),
        ("look('a' * 10000000000)", "longer than any setting"),
        ("look([0] * 10000000000)", "longer than any setting"),
    ],
)
def test_arithmetic_that_would_fail_or_fill_the_memory_is_said(script: str, why: str) -> None:
    with pytest.raises(UnreadableError, match=re.escape(why)):
        value(script)


def test_functions_that_return_each_other_end() -> None:
    names = Bindings(ast.parse("def f():\n    return g()\ndef g():\n    return f()\nlook(f())"))
    call = next(call for call in names.calls() if ast.unparse(call.func) == "look")
    with pytest.raises(UnreadableError, match="leads back to itself"):
        names.expression(call.args[0], None)
