"""What a call is charged for: not its imports, not the machine's other work, and of its own all the processor time."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from importlib import import_module
from itertools import count

import pytest

from rlframework.rewards.function import FunctionReward
from rlframework.rewards.math import grade_answer, math_verify_worker
from rlframework.rewards.pool import WorkerPool
from tests.rewards.pool_functions import act, compute, start_and_compute
from tests.rewards.test_pool import gone

IMPORT_S, LIMIT_S = 0.6, 0.25
NUMBERS = count()

# Each is the module of a pool's function; SLOW takes longer to import than a call may take.
PLACES = {
    "at the top": "import SLOW\ndef f(hang): return g(hang, SLOW)",
    "in the function": "def f(hang):\n import SLOW\n return g(hang, SLOW)",
    "a name of it": "def f(hang):\n from SLOW import part\n return g(hang, part)",
    "a module of a package": "def f(hang):\n from PACKAGE import inner\n return g(hang, inner)",
    "in a helper": "def h():\n import SLOW\n return SLOW\ndef f(hang): return g(hang, h())",
    "in a method": "class C:\n def m(self):\n  import SLOW\n  return SLOW\ndef f(hang): return g(hang, C().m())",
    "in a function inside": "def f(hang):\n def h():\n  import SLOW\n  return SLOW\n return g(hang, h())",
    "behind a decorator": "from functools import cache\n@cache\ndef f(hang):\n import SLOW\n return g(hang, SLOW)",
    "after one that is not installed": (
        "def f(hang):\n try:\n  import not_there_at_all\n except ImportError:\n  import SLOW\n return g(hang, SLOW)"
    ),
}
HANG = "\nimport time\ndef g(hang, module): return time.sleep(60) if hang else module.__name__.rpartition('.')[2]\n"


@pytest.fixture
def slow_function(tmp_path, monkeypatch):
    """Makes a function whose import is slow; each has names of its own, since Python keeps what it has imported."""
    monkeypatch.syspath_prepend(tmp_path)

    def made(source):
        number = next(NUMBERS)
        for name, body in {
            f"slow_{number}.py": f"import sys\npart = sys.modules[__name__]\nimport time\ntime.sleep({IMPORT_S})",
            f"package_{number}/__init__.py": "",
            f"package_{number}/inner.py": f"import time\ntime.sleep({IMPORT_S})",
            f"user_{number}.py": source.replace("SLOW", f"slow_{number}").replace("PACKAGE", f"package_{number}")
            + HANG,
        }.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(body)
        return import_module(f"user_{number}").f

    return made


def test_imports_are_done_before_the_clock_starts(slow_function):
    def imported(function):
        with closing(WorkerPool(function, limit_s=LIMIT_S)) as pool:
            [outcome] = pool.map([(0,)])
        return outcome.failure or outcome.value.rpartition("_")[0] or outcome.value

    functions = [slow_function(source) for source in PLACES.values()]
    with ThreadPoolExecutor(3) as at_once:
        found = dict(zip(PLACES, at_once.map(imported, functions), strict=True))
    assert found == {place: "inner" if "package" in place else "slow" for place in PLACES}


def test_a_killed_workers_successor_imports_before_its_clock_starts(slow_function):
    pool = WorkerPool(slow_function(PLACES["in the function"]), limit_s=LIMIT_S)
    outcomes = pool.map([(False,), (True,), (False,)])
    pool.close()
    assert [outcome.failure for outcome in outcomes] == [None, "timeout", None]


def test_a_reward_whose_function_imports_slowly_fails_on_no_row(slow_function):
    reward = FunctionReward(slow_function(PLACES["in a helper"]), workers=1, limit_s=LIMIT_S)
    assert [outcome.failure for outcome in reward.pool.map([(False,), (True,), (False,)])] == [None, "timeout", None]
    reward.pool.close()


def test_an_import_that_fails_ahead_fails_in_its_call_alone(slow_function):
    pool = WorkerPool(slow_function("def f(hang):\n    if hang: import not_there_at_all\n    return 'slow_'"))
    outcomes = pool.map([(True,), (False,)])
    pool.close()
    assert [outcome.failure for outcome in outcomes] == ["exception", None]
    assert "No module named 'not_there_at_all'" in outcomes[0].detail


def test_what_no_call_can_reach_is_not_imported(slow_function):
    pool = WorkerPool(slow_function("def other():\n    import SLOW\ndef f(hang):\n    import sys\n    return sys"))
    started = time.monotonic()
    pool.warm()
    pool.close()
    assert time.monotonic() - started < IMPORT_S


def prepared(seconds):
    return _PREPARED


_PREPARED = []


def prepare():
    until = time.process_time() + 0.5
    while time.process_time() < until:
        pass
    _PREPARED.append(os.getpid())


def test_what_is_prepared_takes_no_time_of_a_call_and_is_done_in_every_worker_once():
    pool = WorkerPool(prepared, workers=2, limit_s=30.0, cpu_limit_s=0.3, prepare=prepare)
    outcomes = pool.map([(0,)] * 6)
    pool.close()
    assert [outcome.failure for outcome in outcomes] == [None] * 6
    assert all(len(outcome.value) == 1 for outcome in outcomes)


def test_a_preparation_that_fails_leaves_the_word_to_the_calls():
    pool = WorkerPool(compute, limit_s=30.0, prepare=fails)
    assert pool.map([(0.01,)])[0].value == "done"
    pool.close()


def fails():
    raise ImportError("nothing of that name")


@pytest.fixture
def computing():
    pool = WorkerPool(compute, limit_s=30.0, cpu_limit_s=0.3)
    pool.warm()
    yield pool
    pool.close()


@pytest.mark.parametrize("call", [(60,), (60, "in C"), (60, "threads")], ids=["python", "in C", "threads"])
def test_a_call_that_computes_too_long_is_ended_and_its_neighbours_are_not(computing, call):
    outcomes = computing.map([(0.01,), call, (0.01,)])
    assert [outcome.failure for outcome in outcomes] == [None, "processor", None]
    assert outcomes[1].detail == "no answer within 0.3 s of processor time"
    assert 0.01 <= outcomes[0].cpu_s < 0.3


def test_each_call_has_the_whole_limit(computing):
    assert [outcome.value for outcome in computing.map([(0.12,)] * 5)] == ["done"] * 5


def test_a_call_cannot_take_the_limit_from_the_next(computing):
    assert [outcome.failure for outcome in computing.map([(0.01, "no signals"), (60,)])] == [None, "processor"]


def test_processor_time_is_not_charged_for_waiting():
    pool = WorkerPool(act, limit_s=1.0, cpu_limit_s=0.2)
    outcomes = pool.map([("sleep", 0.4), ("sleep", 60), ("double", 2)])
    pool.close()
    assert [outcome.failure for outcome in outcomes] == [None, "timeout", None]
    assert outcomes[0].cpu_s < 0.2


def test_a_worker_out_of_processor_time_takes_its_children_along():
    pool = WorkerPool(start_and_compute, limit_s=30.0, cpu_limit_s=0.3)
    pool.warm()
    group = pool._idle[0].process.pid
    assert pool.map([()])[0].failure == "processor"
    assert gone(group)


def test_the_children_of_a_worker_that_has_ended_by_itself_go_too():
    pool = WorkerPool(start_and_compute)
    assert pool.map([(0,)])[0].value == "done"
    worker = pool._idle[0]
    group = worker.process.pid
    os.kill(group, signal.SIGKILL)
    os.waitid(os.P_PID, group, os.WEXITED | os.WNOWAIT)
    pool.close()
    assert gone(group)


@contextmanager
def no_processor(pool, seconds):
    """Keep a pool's worker from running for a while, as a machine does that is busy with something else."""
    pool.warm()
    pid = pool._idle[0].process.pid
    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(seconds, os.kill, (pid, signal.SIGCONT))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def test_a_machine_without_a_free_processor_costs_no_processor_time(computing):
    with no_processor(computing, 0.6):
        outcomes = computing.map([(0.1,), (60,)])
    assert [outcome.failure for outcome in outcomes] == [None, "processor"]


SQUARES = r"\sum_{k=1}^{n} k^2"
SAME = {
    "sum": (SQUARES, r"\sum_{j=1}^{n} j^2", "correct"),
    "product": (r"\prod_{k=1}^{n} k", r"\prod_{j=1}^{n} j", "correct"),
    "integral": (r"\int_0^1 x^2 dx", r"\int_0^1 y^2 dy", "correct"),
    "integral that takes seconds": (r"\int_0^\infty e^{-x} dx", r"\int_0^\infty e^{-t} dt", "correct"),
    "matrix": (
        rf"\begin{{pmatrix}} {SQUARES} & 2 \end{{pmatrix}}",
        r"\begin{pmatrix} \sum_{j=1}^{n} j^2 & 2 \end{pmatrix}",
        "correct",
    ),
    "another sum": (SQUARES, r"\sum_{j=1}^{n} j^3", "incorrect"),
}


@pytest.mark.parametrize("case", SAME)
def test_a_verdict_on_a_busy_machine_is_the_one_on_an_idle_machine(case):
    gold, answer, verdict = SAME[case]
    wait_s = 1.2 * math_verify_worker.CPU_LIMIT_S if case in ("sum", "another sum") else 0.1
    with no_processor(math_verify_worker._POOL, wait_s):
        assert grade_answer(answer, gold) == verdict


def test_a_time_out_by_the_wall_clock_is_no_wrong_answer(monkeypatch):
    # Enough for the gold alone, which must not turn the verdict.
    monkeypatch.setattr(math_verify_worker._POOL, "limit_s", 1.5)
    with no_processor(math_verify_worker._POOL, 2.0):
        assert grade_answer(r"\sum_{j=1}^{n} j^2", SQUARES) == "error"


def test_a_worker_that_is_killed_once_costs_no_right_answer():
    pool = math_verify_worker._POOL
    with no_processor(pool, 60):
        timer = threading.Timer(0.3, os.kill, (pool._idle[0].process.pid, signal.SIGKILL))
        timer.start()
        assert grade_answer(r"\sum_{j=1}^{n} j^2", SQUARES) == "correct"
    timer.join()


# A short text that math-verify works on without end.
ENDLESS = r"\sum_{k=1}^{99999999} k^{k}"


def test_an_answer_that_takes_too_long_is_wrong_if_its_gold_does_not_take_long():
    assert grade_answer(ENDLESS, SQUARES) == "incorrect"


def test_a_gold_that_takes_too_long_itself_makes_the_check_fail():
    assert grade_answer(ENDLESS.replace("99}", "98}"), ENDLESS) == "error"
