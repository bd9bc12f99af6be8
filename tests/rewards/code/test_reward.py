"""From a completion to a verdict."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import AnswerTemplate, Verdict
from rlframework.rewards.code import (
    BubblewrapSandbox,
    CodeTests,
    Launch,
    Limits,
    PlainSandbox,
    Sandbox,
    SandboxUnavailableError,
)
from rlframework.rewards.code.program import program_of

CASES = [{"call": "double", "args": [3], "expected": 6}, {"call": "double", "args": ["a"], "expected": "aa"}]
RIGHT = "def double(x):\n    return 2 * x\n"


@pytest.fixture
def reward(jail):
    return CodeTests(isolation=jail, malformed=-1.0)


def answer(program, stop_reason="stop", cases=CASES):
    text = f"Twice.<end_working_out><SOLUTION>{program}</SOLUTION>"
    return Completion(Prompt([1], "?", {"cases": cases}), [2, 3], text, stop_reason)


def verdicts(reward, *rows):
    return [verdict.value for verdict in reward.verdicts(Completions(list(rows), 1))[0]]


def test_verdicts_and_scores(reward):
    rows = [
        *(answer(RIGHT), answer(f"Here it is:\n```python\n{RIGHT}```\n"), answer("def double(x): return 6")),
        *(answer("def double(x) return"), answer(RIGHT, "length"), answer(RIGHT, cases=[])),
    ]
    judgement = reward.evaluate(Completions(rows, 3)).judgements["code_tests"]
    assert judgement.columns["verdict"] == [
        *("correct", "correct", "incorrect", "incorrect", "malformed", "gold_unverifiable")
    ]
    assert judgement.scores.flatten().nan_to_num(9).tolist() == [1, 1, 0, 0, -1, 9]
    assert judgement.unverifiable.flatten().tolist() == [False] * 5 + [True]
    assert not judgement.errors.any()
    assert judgement.columns["reason"][2] == "case 1: another result"
    assert "SyntaxError" in judgement.columns["reason"][3]
    assert judgement.detail == "there are no cases; every program would pass"


@pytest.mark.parametrize(
    "program",
    [
        *("", " \n", "```python\n```", "```python\n\n```", f"```python\n{RIGHT}```\n```python\n{RIGHT}```"),
        *(f"```python\n{RIGHT}", f"```javascript\n{RIGHT}```", f"```\n{RIGHT}```\n```\n", "#" * 10_000_000),
    ],
    ids=["empty", "blank", "empty block", "blank block", "two blocks", "open", "language", "three fences", "10 MB"],
)
def test_without_one_program_it_is_malformed(reward, program):
    assert verdicts(reward, answer(program)) == ["malformed"]


def test_a_program_outside_of_the_answer_is_not_looked_at(reward):
    row = answer("see above")
    row.text = f"```python\n{RIGHT}```" + row.text
    assert verdicts(reward, row) == ["incorrect"]
    row.text = f"```python\n{RIGHT}```"
    assert verdicts(reward, row) == ["malformed"]
    assert verdicts(CodeTests(isolation=reward.sandbox, whole_completion=True), row) == ["correct"]


def test_another_template(jail):
    template = AnswerTemplate("<think>", "</think>", "<code>", "</code>")
    row = answer("")
    row.text = f"so</think><code>{RIGHT}</code>"
    assert verdicts(CodeTests(template=template, isolation=jail), row) == ["correct"]


def test_a_row_without_the_column_is_unverifiable(reward):
    row = answer(RIGHT)
    row.prompt = Prompt([1], "?", {"tests": CASES})
    assert verdicts(reward, row) == ["gold_unverifiable"]


def test_cases_as_json_text(reward):
    assert verdicts(reward, answer(RIGHT, cases=json.dumps(CASES))) == ["correct"]


def test_order_threads_and_repetition_change_nothing(reward):
    rows = [answer(RIGHT), answer("def double(x): return 6"), answer("1 +")] * 3
    expected = ["correct", "incorrect", "incorrect"] * 3
    found = []
    threads = [threading.Thread(target=lambda: found.append(verdicts(reward, *rows))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected, expected]
    assert verdicts(reward, *rows[::-1]) == expected[::-1]


def test_one_program_that_hangs_takes_nothing_from_the_others(jail):
    reward = CodeTests(limits=Limits(case_s=0.5, memory_mb=128))
    assert verdicts(reward, answer("while True: pass"), answer(RIGHT)) == ["incorrect", "correct"]


class Broken(Sandbox):
    """A jail that fails as bubblewrap would."""

    def probe(self):
        pass

    def launch(self):
        return nullcontext(Launch(self.arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        ["/usr/bin/env", "sh", "-c", "echo bwrap: no namespace >&2; exit 1"],
        ["/usr/bin/env", "true"],
        ["/nowhere/bwrap"],
        ["/usr/bin/env", "sh", "-c", "echo correct; kill -9 $$"],
        ["/usr/bin/env", "sleep", "30"],
    ],
    ids=["message", "silent", "missing", "killed", "slow"],
)
def test_a_sandbox_that_fails_is_an_error_and_no_wrong_answer(arguments):
    sandbox = Broken(Limits(start_s=0.5))
    sandbox.arguments = arguments
    found, detail = CodeTests(isolation=sandbox).verdicts(Completions([answer(RIGHT)], 1))
    assert found == [Verdict.ERROR]
    assert "sandbox" in detail


def test_without_bubblewrap_it_refuses_and_names_the_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailableError, match="apt-get install bubblewrap"):
        CodeTests()


def test_a_bubblewrap_that_cannot_run_is_refused_with_its_reason(jail, monkeypatch, tmp_path):
    false = tmp_path / "bwrap"
    false.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    false.chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxUnavailableError, match="runs no program here"):
        CodeTests()


def test_a_bubblewrap_that_holds_nothing_is_refused(jail):
    class Open(BubblewrapSandbox):
        launch = PlainSandbox.launch
        counts_processes = False

    with pytest.raises(SandboxUnavailableError, match="files outside can be read"):
        Open().probe()


def test_no_isolation_has_to_be_asked_for_and_warns():
    with pytest.warns(UserWarning, match="all rights of this user"):
        reward = CodeTests(isolation="none")
    assert verdicts(reward, answer(RIGHT), answer("1/0")) == ["correct", "incorrect"]


def test_wrong_arguments():
    with pytest.raises(ValueError, match="isolation='docker'"):
        CodeTests(isolation="docker")
    with pytest.raises(ValueError, match="limits"):
        CodeTests(isolation=PlainSandbox(), limits=Limits())
    with pytest.raises(ValueError, match="case_s=0"):
        Limits(case_s=0)


def test_fences_are_counted_in_linear_time():
    assert program_of("`" * 2_000_000) is None
    assert program_of("```\n" * 500_000) is None
    assert program_of("\n" * 2_000_000) is None


def test_the_sandbox_is_imported_without_torch():
    code = (
        "import sys; from rlframework.rewards.code import BubblewrapSandbox, read_cases; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("kind", [BubblewrapSandbox, PlainSandbox])
def test_packages_can_be_imported_and_nothing_beside_them(kind, jail):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for name in ("shown", "hidden"):
            os.mkdir(f"{folder}/{name}", 0o755)
            Path(folder, name, f"{name}_module.py").write_text("VALUE = 7\n")
        sandbox = kind(Limits(case_s=4.0), [f"{folder}/shown"])
        output = next(sandbox.run("import shown_module\nprint(shown_module.VALUE)", [{"stdin": ""}]))
        assert output.output == b"7\n", output
        if kind is BubblewrapSandbox:
            program = f"import sys\nsys.path.append({folder!r} + '/hidden')\nimport hidden_module"
            assert "ModuleNotFoundError" in next(sandbox.run(program, [{"stdin": ""}])).stderr


def test_another_interpreter(jail):
    if not os.path.exists("/usr/bin/python3"):
        pytest.skip("there is no /usr/bin/python3")
    sandbox = BubblewrapSandbox(Limits(case_s=4.0), python="/usr/bin/python3")
    sandbox.probe()
    program = "import sys, os\nprint(sys.prefix, os.path.exists('/root'))"
    assert next(sandbox.run(program, [{"stdin": ""}])).output == b"/usr False\n"
