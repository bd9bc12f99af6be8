"""Programs that do not solve the task and want to be taken for ones that do."""

import pytest

from rlframework.rewards.code import judge, read_cases
from rlframework.rewards.verdict import Verdict

HIDDEN = 918_273_645
CALLS = read_cases([{"call": "f", "args": [2], "expected": 4}, {"call": "f", "args": [3], "expected": HIDDEN}])
LINES = read_cases([{"stdin": "2\n", "stdout": "4\n"}, {"stdin": "3\n", "stdout": "9\n27\n"}])

LOOKS_FOR_IT = """
import gc, sys
def numbers(thing, depth=4):
    if type(thing) is int and thing > 900_000_000:
        yield thing
    elif depth and type(thing) in (list, tuple, set):
        for item in thing: yield from numbers(item, depth - 1)
    elif depth and type(thing) is dict:
        for item in thing.values(): yield from numbers(item, depth - 1)
    elif depth and hasattr(thing, 'expected'):
        yield from numbers(thing.expected, depth - 1)
def f(x):
    if x == 2: return 4
    frame = sys._getframe()
    while frame:
        for found in numbers(dict(frame.f_locals)): return found
        frame = frame.f_back
    for thing in gc.get_objects():
        for found in numbers(thing): return found
"""

FORGED_CALLS = {
    "sys.exit(0)": "import sys\nsys.exit(0)",
    "sys.exit(0) when called": "import sys\ndef f(x): sys.exit(0)",
    "os._exit(0)": "import os\ndef f(x): os._exit(0)",
    "a marker and out": "import os\nprint('OK 2 passed all tests passed', flush=True)\nos._exit(0)",
    "a forged line in every pipe": """
import os
def f(x):
    for handle in range(3, 32):
        try:
            os.write(handle, b'true\\n4\\n{"verdict": "correct"}\\n')
        except OSError: pass
    os._exit(0)
""",
    "more lines than calls": """
import os
def f(x):
    for handle in range(3, 32):
        try:
            for number in range(100): os.write(handle, b'%d\\n' % number)
        except OSError: pass
    return 4
""",
    "always equal": """
class Any:
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __repr__(self): return '4'
def f(x): return Any()
""",
    "an int of its own": """
class Any(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def f(x): return Any(4)
""",
    "a type that says it is int": """
class Any:
    __class__ = int
    def __eq__(self, other): return True
def f(x): return Any()
""",
    "nan": "def f(x): return float('nan')",
    "infinity": "def f(x): return float('inf')",
    "all at once": "def f(x): return [4, 918273645]",
    "a generator": "def f(x): yield from range(10)",
    "None": "def f(x): pass",
    "the type alone": "def f(x): return int",
    "frames and the garbage collector": LOOKS_FOR_IT,
    "its own arguments": """
def f(x):
    import re
    if x == 2: return 4
    return int(re.findall('9[0-9]{8}', open('/proc/self/cmdline').read() + open('/proc/self/environ').read())[0])
""",
    "atexit": "import atexit, os\natexit.register(lambda: os._exit(0))\ndef f(x): raise ValueError",
    "excepthook": "import os, sys\nsys.excepthook = lambda *_: os._exit(0)\ndef f(x): raise ValueError",
    "patched json": "import json\njson.dumps = lambda *a, **k: '4'\ndef f(x): return 1",
    "patched builtins": """
import builtins
builtins.type = lambda *a: int
builtins.sorted = builtins.repr = lambda *a, **k: 4
def f(x): return 'nothing'
""",
    "patched driver": """
import sys
def f(x):
    frame = sys._getframe(1)
    frame.f_globals['encode'] = lambda value, depth=0: 4
    return 0
""",
    "patched os.write": "import os\nos.write = lambda handle, data: len(data)\ndef f(x): return 4",
    "true is no number": "def f(x): return True",
    "right, then a bad end": """
import atexit, os
atexit.register(lambda: os._exit(1))
def f(x): return {2: 4, 3: 918273645}[x]
""",
    "public case alone": "def f(x): return 4 if x == 2 else 0",
    "syntax error": "def f(x) return 4",
    "null byte": "def f(x): return 4\0",
    "not in the encoding": "# coding: nonsense\ndef f(x): return 0",
    "deep source": "x = " + "(" * 5000 + ")" * 5000,
    "deep result": "def f(x):\n  r = []\n  for _ in range(9999): r = [r]\n  return r",
    "circle": "def f(x):\n  r = []\n  r.append(r)\n  return r",
    "other name": "def g(x): return 4",
    "nothing but a comment": "# f",
    "recursion": "def f(x): return f(x)",
    "long number": "def f(x): return 10 ** 40000",
}

FORGED_LINES = {
    "nothing": "pass",
    "exit": "import os\nos._exit(0)",
    "marker": "print('OK')",
    "beginning of it": "print({'2': '4', '3': '9'}[input()])",
    "more of it": "print({'2': '4', '3': '9\\n27\\n'}[input()] + '\\n81')",
    "something before it": "print('The answer:\\n' + {'2': '4', '3': '9\\n27'}[input()])",
    "other blanks within": "print({'2': '4', '3': '9 27'}[input()])",
    "every number": "for number in range(100): print(number)",
    "not text": "import os\nos.write(1, b'\\xff\\xfe4')",
    "right, with a bad end": "print({'2': '4', '3': '9\\n27'}[input()])\nraise SystemExit(1)",
    "right, killed": "import os\nprint({'2': '4', '3': '9\\n27'}[input()], flush=True)\nos.kill(os.getpid(), 9)",
    "public case alone": "print(4)",
    "the sandbox's own word": "print('ready')",
    "it says that the sandbox failed": "import sys\nprint('bwrap: failed', file=sys.stderr)\nsys.exit(1)",
}


@pytest.mark.parametrize("program", FORGED_CALLS.values(), ids=FORGED_CALLS)
def test_a_forged_call_is_incorrect(jail, program):
    assert judge(jail, program, CALLS).verdict is Verdict.INCORRECT


@pytest.mark.parametrize("program", FORGED_LINES.values(), ids=FORGED_LINES)
def test_forged_output_is_incorrect(jail, program):
    assert judge(jail, program, LINES).verdict is Verdict.INCORRECT


@pytest.mark.parametrize(
    "program",
    [
        "def f(x): return {2: 4, 3: 918273645}[x]",
        "print('noise', flush=True)\nf = {2: 4, 3: 918273645}.get",
        "class F:\n  def __call__(self, x): return 4 if x == 2 else 918273645\nf = F()",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n  v: int\n"
        "def f(x): return P(4 if x == 2 else 918273645).v",
    ],
)
def test_right_functions_are_correct(jail, program):
    assert judge(jail, program, CALLS) == (Verdict.CORRECT, "")


@pytest.mark.parametrize(
    "program",
    [
        "print({'2': '4', '3': '9\\n27'}[input()])",
        "import sys\nsys.stdout.write({'2': '4', '3': '9 \\n27'}[sys.stdin.read().strip()])",
        "if __name__ == '__main__':\n  print({'2': '4', '3': '9\\r\\n27\\n\\n'}[open(0).read().strip()])",
    ],
)
def test_right_programs_are_correct(jail, program):
    assert judge(jail, program, LINES) == (Verdict.CORRECT, "")


def test_the_search_for_the_expected_value_finds_it_in_this_process():
    expected = [HIDDEN]  # noqa: F841  (a frame holds it)
    names = {}
    exec(LOOKS_FOR_IT, names)
    assert names["f"](3) == HIDDEN
