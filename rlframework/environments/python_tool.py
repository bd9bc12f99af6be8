"""The Python tool: programs of the policy, run in a jail, a fresh process for each."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from rlframework.environments.shared_tools import SharedTools
from rlframework.environments.tool_error import ToolError
from rlframework.rewards.code.bubblewrap import BubblewrapSandbox
from rlframework.rewards.code.resource_limits import Limits
from rlframework.rewards.code.sandbox import CaseOutput, Sandbox
from rlframework.utilities.arguments import at_least

# Before the program's own output is lost to the policy's budget, what is told of its end has to be in sight.
_LONGEST_LINE = 400

# Runs inside. A last line that is an expression is shown, as in a notebook: many models do not write `print`. The tree
# is made there too, as the parser of a program that nobody has read may take any time and memory.
_NOTEBOOK = """
def run(source):
    import _ast
    main = globals()
    del main["run"]
    body = compile(source, "<program>", "exec", _ast.PyCF_ONLY_AST, True).body
    last = [body.pop()] if body and isinstance(body[-1], _ast.Expr) else []
    exec(compile(_ast.Module(body, []), "<program>", "exec", 0, True), main)
    exec(compile(_ast.Interactive(last), "<program>", "single", 0, True), main)

run({source!r})
"""


class PythonTool(SharedTools):
    r"""Tool that runs the policy's Python programs in a jail: ``Toolbox([PythonTool()])``.

    The policy calls ``python(code)`` and reads what the program printed. If the program ends in an expression it also
    reads its value, as in a notebook, unless that is None. Each call has a process of its own: nothing is kept, no
    variable and no file. There is no network and no file but those of Python.

    What the program does wrong is told to the policy and counted: after what it printed the last line of the traceback,
    or the limit that ended it. A jail that does not start is a failure of the environment.

    Args:
        sandbox: Where programs run, and what one may use (`Limits`): by default `BubblewrapSandbox`, with 5 s of clock
            time, 512 MB, and 16 kB of output. `PlainSandbox` holds nothing; read what that means before you pass it.
        at_once: Programs that run at a time; by default as many as there are processors.

    Raises:
        SandboxUnavailableError: The sandbox does not run on this machine, or does not hold; it says the way out.
        ValueError: ``at_once`` is below 1.

    Example:
        >>> from rlframework.rewards.code import PlainSandbox
        >>> tool = PythonTool(PlainSandbox())  # this program is ours; leave it out for those of a model
        >>> tool.python("x = 6\nprint(x)\nx * 7")
        '6\n42\n'
        >>> tool.python("print(1)\n1 / 0")
        Traceback (most recent call last):
        rlframework.environments.tool_error.ToolError: 1
        ZeroDivisionError: division by zero
    """

    def __init__(self, sandbox: Sandbox | None = None, at_once: int | None = None) -> None:
        self.sandbox = sandbox or BubblewrapSandbox(Limits(case_s=5.0, output_kb=16))
        self.at_once = at_once or len(os.sched_getaffinity(0))
        at_least(self, 1, at_once=self.at_once)
        self._turn = threading.Semaphore(self.at_once)
        self.sandbox.probe()

    def python(self, code: str) -> str:
        """Run a Python program and return what it prints. If its last line is an expression, its value is shown.

        Args:
            code: The program. It runs by itself, and knows nothing of programs that ran before.

        Raises:
            SandboxError: The jail did not start.
            ToolError: The program failed; the policy is told how.
        """
        # Rows may ask from many threads, and beside too many others a program takes longer than its limit.
        with self._turn:
            output = next(self.sandbox.run(_NOTEBOOK.format(source=code), [{"stdin": ""}]))
        printed = output.output.decode("utf-8", "replace")
        if output.failure or output.exit_code:
            apart = "\n" if printed and not printed.endswith("\n") else ""
            raise ToolError(f"{printed}{apart}{_end_of(output, self.sandbox.limits)}")
        return printed or "(nothing was printed)"

    def __getstate__(self) -> dict[str, Any]:
        return {"sandbox": self.sandbox, "at_once": self.at_once}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _turn=threading.Semaphore(state["at_once"]))


def _end_of(output: CaseOutput, limits: Limits) -> str:
    """Return in a line what ended a program."""
    if output.failure == "time":
        return f"TimeoutError: stopped after {min(limits.case_s, limits.program_s):g} s"
    if output.failure == "output":
        return f"OutputError: stopped after {limits.output_kb} kB of output"
    last = output.stderr.strip().rpartition("\n")[2]
    if last and output.exit_code < 128:
        return last[:_LONGEST_LINE]
    number = -output.exit_code if output.exit_code < 0 else output.exit_code - 128
    if number in signal.valid_signals():
        return f"ended by {signal.Signals(number).name}"
    return f"ended with exit code {output.exit_code}"
