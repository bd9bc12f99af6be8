"""A call that hangs, crashes, raises or takes too much loses its own result, and nothing else."""

import math
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rlframework.rewards.pool import WorkerPool
from tests.rewards.pool_functions import act


@pytest.fixture(scope="module")
def pool():
    pool = WorkerPool(act, workers=2, limit_s=0.5, memory_mb=200)
    yield pool
    pool.close()


def gone(group):
    """Whether no process of a group is left, a moment after it was killed."""
    for _ in range(100):
        if not processes_of(group):
            return True
        time.sleep(0.05)
    return False


def processes_of(group):
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and _group(entry) == group]


def _group(entry):
    try:
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[2])


FAILURES = {
    "sleep": (("sleep", 60), "timeout", "no answer within 0.5 s"),
    "endless loop": (("spin",), "timeout", "no answer"),
    "ignored signals": (("deaf",), "timeout", "no answer"),
    "exit": (("exit", 3), "crash", "exit code 3"),
    "segfault": (("segfault",), "crash", "exit code -11"),
    "raise": (("raise",), "exception", "IndexError"),
    "system exit": (("leave", 0), "exception", "SystemExit"),
    "recursion": (("recurse",), "exception", "RecursionError"),
    "memory": (("allocate", 4000), "exception", "MemoryError"),
    "result that cannot be pickled": (("unpicklable",), "exception", "could not be sent back"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_one_row_is_lost_and_its_neighbours_are_not(pool, case):
    call, failure, detail = FAILURES[case]
    outcomes = pool.map([("double", 1), ("double", 2), call, ("double", 3), ("double", 4)])
    assert [outcome.value for outcome in outcomes] == [2, 4, None, 6, 8]
    assert outcomes[2].failure == failure
    assert detail in outcomes[2].detail
    assert {outcome.failure for outcome in outcomes if outcome is not outcomes[2]} == {None}


def test_the_limit_is_one_of_wall_clock_for_each_row(pool):
    pool.warm()
    started = time.monotonic()
    outcomes = pool.map([("sleep", 60)] * 4)
    assert {outcome.failure for outcome in outcomes} == {"timeout"}
    assert 0.9 < time.monotonic() - started < 8  # two rounds of half a second, and two workers started anew


def test_workers_stay_and_work_side_by_side(pool):
    pool.warm()
    pids = {outcome.value for _ in range(3) for outcome in pool.map([("sleep", 0.05), ("pid",), ("pid",), ("pid",)])}
    assert 1 <= len(pids - {None}) <= 2
    assert os.getpid() not in pids
    started = time.monotonic()
    pool.map([("sleep", 0.3), ("sleep", 0.3)])
    assert time.monotonic() - started < 0.55


def test_a_worker_takes_its_children_along():
    pool = WorkerPool(act, limit_s=0.5)
    [pid] = [outcome.value for outcome in pool.map([("pid",)])]
    assert pool.map([("child",)])[0].failure == "timeout"
    assert gone(pid)


def test_threads_share_the_workers(pool):
    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(lambda n: [o.value for o in pool.map([("double", n), ("double", -n)])], range(30)))
    assert results == [[2 * n, -2 * n] for n in range(30)]


def test_a_thread_does_not_wait_for_what_another_does(pool):
    pool.warm()
    with ThreadPoolExecutor(1) as other:
        long = other.submit(pool.map, [("sleep", 60)])
        started = time.monotonic()
        assert [outcome.value for outcome in pool.map([("double", 1), ("double", 2)])] == [2, 4]
        assert time.monotonic() - started < 0.4
        assert long.result()[0].failure == "timeout"


def test_several_functions_share_the_workers():
    pool = WorkerPool({"act": act, "product": math.prod}, limit_s=5.0)
    first, product, last = pool.map([("act", ("pid",)), ("product", ([6, 7],)), ("act", ("pid",))])
    assert product.value == 42
    assert first.value == last.value
    pool.close()


def test_what_a_call_raised_is_known_by_its_names_and_its_whole_message(pool):
    [outcome] = pool.map([("raise",)])
    assert outcome.error.kinds[:3] == ("builtins.IndexError", "builtins.LookupError", "builtins.Exception")
    assert outcome.error.message == "list index out of range"


def test_a_call_that_forks_answers_once(pool):
    assert [outcome.value for outcome in pool.map([("fork",), ("double", 1), ("fork",), ("double", 2)])] == [1, 2, 1, 4]


def test_a_thread_that_is_not_the_main_one_has_limits_too(pool):
    found = []
    thread = threading.Thread(target=lambda: found.extend(pool.map([("spin",), ("double", 5)])))
    thread.start()
    thread.join()
    assert [(outcome.failure, outcome.value) for outcome in found] == [("timeout", None), (None, 10)]


def test_large_results_and_arguments_pass(pool):
    [outcome] = pool.map([("big", 8)])
    assert outcome.value == b"x" * 8 * 2**20
    assert pool.map([("double", b"y" * 4 * 2**20)])[0].value == b"y" * 8 * 2**20


def test_what_a_call_prints_goes_elsewhere(pool):
    assert pool.map([("print",), ("double", 1)])[0].value == "quiet"


def test_a_worker_imports_what_the_function_needs_and_no_more(pool):
    assert pool.map([("torch",)])[0].value is False


def test_closing_ends_the_workers_and_a_later_call_starts_new_ones(pool):
    before = pool.map([("pid",)])[0].value
    pool.close()
    assert gone(before)
    assert pool.map([("pid",)])[0].value != before


def test_a_copy_in_another_process_starts_its_own():
    pool = WorkerPool(act, limit_s=5)
    copy = pickle.loads(pickle.dumps(pool))
    assert copy.map([("pid",)])[0].value != pool.map([("pid",)])[0].value
    copy.close()
    pool.close()


def test_arguments_that_no_other_process_can_have_fail_their_call_at_once():
    """Such as an episode that holds a lock or a connection: it is one row's, and the worker is as good as before."""
    pool = WorkerPool(act, limit_s=60)
    begun = time.monotonic()
    strange = ("double", threading.Lock())
    outcomes = pool.map([strange, ("double", 4), strange, ("pid",)])
    assert [outcome.value for outcome in outcomes[1::2]] == [8, pool.map([("pid",)])[0].value]
    assert [outcome.failure for outcome in outcomes[::2]] == ["exception"] * 2
    assert "the arguments cannot be sent to a worker: TypeError: cannot pickle" in outcomes[0].detail
    assert time.monotonic() - begun < 50
    pool.close()


def test_a_fork_leaves_the_workers_to_its_parent():
    pool = WorkerPool(act, limit_s=5)
    mine = pool.map([("pid",)])[0].value
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, str(pool.map([("pid",)])[0].value).encode())
        pool.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reader, 20)) != mine
    assert pool.map([("pid",)])[0].value == mine
    pool.close()


BUSY = """
from rlframework.rewards.pool import WorkerPool
from tests.rewards.pool_functions import act
pool = WorkerPool(act, limit_s=600)
print(pool.map([("pid",)])[0].value, flush=True)
pool.map([("child",)])
"""


def test_a_run_that_is_killed_in_a_call_leaves_no_process():
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True) as run:
        group = int(run.stdout.readline())
        while len(processes_of(group)) < 2:
            time.sleep(0.05)
        run.kill()
    assert gone(group)


@pytest.mark.parametrize("function", [lambda: 1, [].append], ids=["lambda", "method of an instance"])
def test_a_function_that_no_process_finds_is_refused(function):
    with pytest.raises(ValueError, match="cannot be imported by another process"):
        WorkerPool(function)


SCRIPT = """
from rlframework.rewards.pool import WorkerPool
def triple(x): return 3 * x
{guard}print(WorkerPool(triple).map([(2,)])[0].value)
"""


def test_a_script_with_a_function_of_its_own_needs_the_usual_guard(tmp_path):
    for name, guard in (("guarded.py", 'if __name__ == "__main__": '), ("bare.py", "")):
        (tmp_path / name).write_text(SCRIPT.format(guard=guard))
    guarded, bare = (
        subprocess.run(
            [sys.executable, tmp_path / name], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "."}
        )
        for name in ("guarded.py", "bare.py")
    )
    assert guarded.stdout == "6\n", guarded.stderr
    assert 'put what it runs under `if __name__ == "__main__":`' in bare.stderr


def test_a_script_without_a_guard_may_call_what_it_imports():
    lines = "from tests.rewards.pool_functions import act; from rlframework.rewards import WorkerPool"
    program = f"{lines}; print(WorkerPool(act).map([('double', 4)])[0].value)"
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True)
    assert done.stdout == "8\n", done.stderr


def test_nothing_is_left_behind_when_the_interpreter_ends():
    lines = "from tests.rewards.pool_functions import act; from rlframework.rewards import WorkerPool"
    program = f"{lines}; pool = WorkerPool(act, workers=2); print(*[o.value for o in pool.map([('pid',)] * 8)])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    pids = {int(pid) for pid in done.stdout.split()}
    assert pids
    assert all(gone(pid) for pid in pids)
