"""Programs of a policy in a real jail: what they print and what they do wrong is told, a broken jail is not."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rlframework.environments import PythonTool, ToolError
from rlframework.rewards.code import BubblewrapSandbox, Limits, SandboxError, SandboxUnavailableError
from tests.rewards.code.conftest import jail  # noqa: F401


@pytest.fixture(scope="module")
def tool(jail):  # noqa: F811
    return PythonTool(BubblewrapSandbox(Limits(case_s=1.5, memory_mb=128, output_kb=2)))


PRINTED = {
    "what is printed": ("print(6 * 7)\nprint('a')", "42\na\n"),
    "the value of a last expression": ("x = 6\nx * 7", "42\n"),
    "both, in their order": ("print(1)\n'a'", "1\n'a'\n"),
    "not that of an expression before": ("1\n2", "2\n"),
    "not None": ("print(3)\nNone", "3\n"),
    "not in a block": ("if True:\n    5", "(nothing was printed)"),
    "nothing at all": ("x = 1", "(nothing was printed)"),
    "no program": ("", "(nothing was printed)"),
    "a program that leaves": ("print(1)\nimport sys\nsys.exit()", "1\n"),
    "a module as any other": (
        "from __future__ import annotations\nimport pickle\n"
        "class A: pass\ntype(pickle.loads(pickle.dumps(A()))).__module__, __name__",
        "('__main__', '__main__')\n",
    ),
    "names that it has not made": ("sorted(name for name in globals() if name[0] != '_')", "[]\n"),
    "braces and quotes as they are": ('f\'{{}}\' + \'"""\' + "{source!r}"', '\'{}"""{source!r}\'\n'),
    "bytes that are no text": ("import os\nos.write(1, b'a\\xff')\nNone", "a\ufffd"),
    "after it has closed its output": ("import os\nos.close(1)\nos.close(2)", "(nothing was printed)"),
    "of a child, too": ("import os\nos.fork() or os._exit(0)\nos.wait()\nprint('parent')", "parent\n"),
}


@pytest.mark.parametrize("case", PRINTED)
def test_the_policy_reads_what_the_program_shows(tool, case):
    program, printed = PRINTED[case]
    assert tool.python(program) == printed


TOLD = {
    "an exception": ("print('a')\n1 / 0", "a\nZeroDivisionError: division by zero"),
    "after half a line": ("print('a', end='')\n[][1]", "a\nIndexError: list index out of range"),
    "in the last expression": ("[][1]", "IndexError: list index out of range"),
    "no Python": ("print(1)\ndef f(:", "SyntaxError: invalid syntax"),
    "a zero byte": ("print('\0')", "SyntaxError: source code string cannot contain null bytes"),
    "half a character": ("'\ud800'", "UnicodeEncodeError: 'utf-8' codec"),
    "a program too deep for the parser": ("-" * 100_000 + "1", "MemoryError"),
    "time": ("print('a', flush=True)\nwhile True: pass", "a\nTimeoutError: stopped after 1.5 s"),
    "memory": ("bytearray(2**30)", "MemoryError"),
    "output": ("print('a' * 5000)", "a" * 2048 + "\nOutputError: stopped after 2 kB of output"),
    "noise beside the output": ("import sys\nsys.stderr.write('a' * 5000)\nNone", "OutputError: stopped after 2 kB"),
    "an exit code": ("import os\nos._exit(3)", "ended with exit code 3"),
    "a message on leaving": ("import sys\nsys.exit('no way')", "no way"),
    "a signal": ("import os\nos.kill(os.getpid(), 11)", "ended by SIGSEGV"),
    "too many threads": (
        "import threading as t, time\nfor _ in range(9): t.Thread(target=time.sleep, args=(1,), daemon=True).start()",
        "RuntimeError: can't start new thread",
    ),
    "a file outside": ("open('/etc/passwd')", "FileNotFoundError"),
    "a long message": ("raise ValueError('b' * 900)", "ValueError: " + "b" * 388),
}


@pytest.mark.parametrize("case", TOLD)
def test_the_policy_is_told_of_what_its_program_did_wrong(tool, case):
    program, told = TOLD[case]
    with pytest.raises(ToolError) as raised:
        tool.python(program)
    assert str(raised.value).startswith(told)
    assert "Traceback" not in str(raised.value)


def test_nothing_is_kept_from_call_to_call(tool):
    tool.python("x = 1\nopen('file', 'w').write('1')\nimport builtins\nbuiltins.y = 1")
    for look in ("x", "open('file')", "y"):
        with pytest.raises(ToolError, match=r"NameError|FileNotFoundError"):
            tool.python(look)


def test_what_a_program_leaves_behind_is_ended_with_it(tool):
    mark = f"left-by-{os.getpid()}"
    program = (
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', {mark!r}])"
    )
    assert tool.python(f"{program}.poll()") == "(nothing was printed)"
    ends = time.monotonic() + 5
    while any(mark in entry.read_text() for entry in Path("/proc").glob("[0-9]*/cmdline") if entry.exists()):
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_calls_of_several_threads_do_not_meet(tool):
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda n: tool.python(f"import os\nopen('f', 'x').write('{n}')\n{n}"), range(8)))
    assert found == [f"{n}\n" for n in range(8)]


def test_a_jail_that_breaks_is_no_mistake_of_the_policy(jail):  # noqa: F811
    tool = PythonTool(BubblewrapSandbox(Limits(start_s=5.0)))
    tool.sandbox.python = Path("/usr/bin/gone")
    with pytest.raises(SandboxError, match="before the program began"):
        tool.python("1")


def test_without_bubblewrap_it_refuses_and_names_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailableError, match=r"apt-get install bubblewrap.*PythonTool\(PlainSandbox\(\)\)"):
        PythonTool()
