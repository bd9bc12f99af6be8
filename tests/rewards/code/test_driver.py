"""The case's input, however a program reads it, and nothing else of the job."""

import pytest

from rlframework.rewards.code import judge, read_cases
from rlframework.rewards.verdict import Verdict

STDIN = "a b\nc ü\n"
READS = {
    "input()": "print(input()); print(input())",
    "sys.stdin": "import sys; print(sys.stdin.read(), end='')",
    "lines of sys.stdin": "import sys\nfor line in sys.stdin: print(line, end='')",
    "sys.stdin.buffer": "import sys; print(sys.stdin.buffer.read().decode(), end='')",
    "os.read": "import os; print(os.read(0, 99).decode(), end='')",
    "open(0)": "print(open(0).read(), end='')",
    "open(0, 'rb')": "print(open(0, 'rb').read().decode(), end='')",
    "/dev/stdin": "print(open('/dev/stdin').read(), end='')",
    "/dev/fd/0": "print(open('/dev/fd/0').read(), end='')",
    "/proc/self/fd/0": "print(open('/proc/self/fd/0').read(), end='')",
    "/dev/stdin by the interpreter's parts": "import os; print(os.read(os.open('/dev/stdin', 0), 99).decode(), end='')",
    "pathlib": "import pathlib; print(pathlib.Path('/dev/stdin').read_text(), end='')",
    "fileinput": "import fileinput\nfor line in fileinput.input(): print(line, end='')",
    "from its beginning again": "import sys; sys.stdin.read(); sys.stdin.seek(0); print(sys.stdin.read(), end='')",
    "one after the other": "x = input(); print(x); print(input())\nassert open('/dev/stdin').readline() == x + '\\n'",
    "mmap": "import mmap; print(mmap.mmap(0, 0, prot=mmap.PROT_READ)[:].decode(), end='')",
    "select": "import select, sys; assert select.select([0], [], [], 1)[0]; print(sys.stdin.read(), end='')",
    "a child": "import subprocess; subprocess.run(['cat'])",
    "a child from /dev/stdin": "import subprocess; subprocess.run(['cat', '/dev/stdin'])",
    "a forked child": "import os, sys\nif not os.fork(): print(sys.stdin.read(), end=''); sys.exit()\nos.wait()",
    "exec": "import os; os.execv('/bin/cat', ['cat'])",
}

# Searches its memory, what is open and what lies about for a word that it is told in two halves, so that it does not
# hold the word itself.
SEARCH = """
import os
def found(first, second):
    places = []
    def look(where, content):
        start = content.find(first)
        while start >= 0:
            if content[start + len(first) : start + len(first) + len(second)] == second:
                places.append(where)
            start = content.find(first, start + 1)
    for process in [name for name in os.listdir('/proc') if name.isdigit()]:
        for name in ('cmdline', 'environ', 'fd/0', 'fd/3', 'fd/4', 'fd/5'):
            try:
                with os.fdopen(os.open(f'/proc/{process}/{name}', os.O_RDONLY | os.O_NONBLOCK), 'rb') as file:
                    look(name, file.read(1 << 20) or b'')
            except OSError:
                pass
    for name in os.listdir('.'):
        look(name, open(name, 'rb').read())
    with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:
        for line in maps.read().splitlines():
            start, end = (int(word, 16) for word in line.split()[0].split('-'))
            if line.split()[1].startswith('rw') and end - start < 1 << 25:
                memory.seek(start)
                look('memory', memory.read(end - start))
    return places
"""


@pytest.fixture(params=["jail", "plain"])
def sandbox(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("program", READS.values(), ids=READS)
def test_a_program_reads_its_case(sandbox, program):
    [output] = sandbox.run(program, [{"stdin": STDIN}])
    assert output.output.decode() == STDIN, output


@pytest.mark.parametrize("stdin", ["", "x", "\n", "12345678" * 20_000, "\0\1\n", "000000000012"])
def test_an_input_of_any_kind_is_whole(sandbox, stdin):
    program = "text = open('/dev/stdin').read(); print([len(text), len(open(0).read())], sorted(set(text)))"
    [output] = sandbox.run(program, [{"stdin": stdin}])
    assert output.output.decode() == f"{[len(stdin)] * 2} {sorted(set(stdin))}\n"


def test_calls_have_an_empty_input(sandbox):
    cases = read_cases([{"call": "f", "args": [], "expected": ["", ""]}])
    program = "import sys\ndef f(): return [sys.stdin.read(), open('/dev/stdin').read()]"
    assert judge(sandbox, program, cases).verdict is Verdict.CORRECT


def test_the_environment_is_not_passed_on(sandbox, monkeypatch):
    monkeypatch.setenv("TOKEN", "of the trainer")
    [output] = sandbox.run("import os; print('PATH' in os.environ, 'TOKEN' in os.environ)", [{"stdin": ""}])
    assert output.output == b"True False\n"


FIRST, SECOND = "kqzw-7731-", "hjvx-1994"


def test_nothing_of_what_is_expected_or_comes_later_is_to_be_found(jail):
    word = FIRST + SECOND
    program = SEARCH + "print(found(input().encode(), input().encode()))"
    cases = read_cases(
        [
            {"stdin": f"{FIRST}\n{SECOND}\n", "stdout": "[]"},
            {"stdin": f"{FIRST}\n{SECOND}\n{word}", "stdout": word},
        ]
    )
    # The second is what the first may not see; there it is the input, and is found: the search can find.
    assert judge(jail, program, cases).reason == "case 1: another result"
    [first, second] = jail.run(program, [case.request for case in cases])
    assert first.output == b"[]\n"
    assert b"fd/0" in second.output


def test_functions_find_their_arguments_and_no_expected_value(jail):
    program = SEARCH + "def f(first, second, *more): return bool(found(first, second))"
    halves = [FIRST.encode(), SECOND.encode()]
    for more, expected in ([], False), ([FIRST + SECOND], True):
        requests = read_cases(
            [
                {"call": "f", "args": [*halves, *more], "expected": expected},
                {"call": "g", "args": [], "expected": FIRST + SECOND},
            ]
        )
        assert judge(jail, program, requests).reason.startswith("case 1: exit code 1")
