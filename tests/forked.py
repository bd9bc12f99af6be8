"""Runs Python programs as processes of their own that need not import torch and its like again.

Such an import takes longer than most programs of the tests run. So a process makes it once, this file as ``__main__``,
and is forked for each program. It imports nothing of this package: a program does that itself, as ever.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]


def run(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``python program.py ...`` or ``python -m module ...``, which begins with the first of the arguments."""
    [done] = run_together(arguments, [environment], cwd)
    return done


def run_together(
    arguments: Sequence[object],
    environments: Sequence[Mapping[str, str]],
    cwd: Path = ROOT,
    seconds: int = 300,
    end_others: bool = True,
) -> list[subprocess.CompletedProcess[str]]:
    """Run a program at the same time in each of some environments; one that fails ends the others, unless told not."""
    words = [*map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        outputs = [[str(Path(folder, f"{n}.{name}")) for name in ("out", "err")] for n in range(len(environments))]
        given = [{**os.environ, **environment} for environment in environments]
        job = {"arguments": words, "environments": given, "outputs": outputs, "cwd": str(cwd), "seconds": seconds}
        job["end_others"] = end_others
        server = _server()
        print(json.dumps(job), file=server.stdin, flush=True)
        codes = json.loads(server.stdout.readline())
        said = [[Path(path).read_text() for path in pair] for pair in outputs]
    return [subprocess.CompletedProcess(words, code, *texts) for code, texts in zip(codes, said, strict=True)]


@functools.cache
def _server() -> Any:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen([sys.executable, "-m", "tests.forked"], cwd=ROOT, env=environment, **pipes)
    atexit.register(server.wait)
    atexit.register(server.kill)  # the last that is registered comes first
    return server


def serve() -> None:
    """Fork for every job, a line of JSON, and answer with the exit statuses."""
    import datasets  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import peft  # noqa: F401
    import pytorch_lightning.cli  # noqa: F401
    import torchmetrics  # noqa: F401
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen3ForCausalLM  # noqa: F401

    for line in sys.stdin:
        job = json.loads(line)
        children: dict[int, int] = {}
        for n, (environment, output) in enumerate(zip(job["environments"], job["outputs"], strict=True)):
            child = os.fork()
            if not child:
                _become(job["arguments"], environment, output, job["cwd"], job["seconds"])
            children[child] = n
        codes = [0] * len(children)
        while children:
            child, status = os.wait()
            codes[n := children.pop(child)] = os.waitstatus_to_exitcode(status)
            for other in children if codes[n] and job["end_others"] else ():
                os.kill(other, signal.SIGKILL)
        print(json.dumps(codes), flush=True)


def _become(arguments: list[str], environment: dict[str, str], output: list[str], cwd: str, seconds: int) -> NoReturn:
    signal.alarm(seconds)
    for number, path in enumerate([os.devnull, *output]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    status: Any = 0
    try:
        if arguments[0] == "-m":
            sys.path[0], sys.argv = cwd, arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.path[0], sys.argv = str(Path(arguments[0]).resolve().parent), arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        status = end.code or 0
        if not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve()
