"""Tools that hang, crash, wait or leave things behind: each costs its own row and no other."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rlframework.environments import CallFormat, PlainGlue, PythonTool, Toolbox
from rlframework.environments.callers import FailedCallError
from rlframework.rewards.code import BubblewrapSandbox, Limits
from rlframework.samplers import BatchedSampler, EpisodeSampler
from rlframework.testing import letter_prompts, tiny_policy
from rlframework.turns import Call, Turn
from tests import forked
from tests.environments.tool_functions import PickyError, act, block, note, refuse, wait
from tests.rewards.code.conftest import jail  # noqa: F401

TELLS = (ValueError, LookupError, PickyError)


@pytest.fixture(scope="module")
def pooled():
    toolbox = Toolbox([act, refuse], workers=2, limit_s=1.0, tells=TELLS)
    yield toolbox
    toolbox.caller.direct.pool.close()


def asked(toolbox, *calls):
    """Return the turn of a row that makes these calls, answered."""
    turn = Turn(0, 1, "policy", "", [Call(name, dict(arguments)) for name, arguments in calls])
    turn.answer = toolbox.start({}, np.random.default_rng(0)).step(turn)
    return turn


def acts(toolbox, *whats):
    return [call.result for call in asked(toolbox, *(("act", {"what": what}) for what in whats)).calls]


@pytest.mark.parametrize("what", ["say", "refuse", "value", "key", "picky"])
def test_what_the_policy_reads_is_the_same_from_a_worker(pooled, what):
    direct = Toolbox([act, refuse], tells=TELLS)
    here, there = (asked(toolbox, ("act", {"what": what})) for toolbox in (direct, pooled))
    assert there.calls == here.calls
    assert there.calls[0].fault == (None if what == "say" else "told")


FAILURES = {
    "broken": "OSError: disk full",
    "exit": "exit code 3",
    "abort": "exit code -6",
    "unpicklable": "could not be sent back",
}


@pytest.mark.parametrize("what", FAILURES)
def test_what_is_not_the_policys_fault_fails_and_the_next_call_is_answered(pooled, what):
    with pytest.raises(FailedCallError, match=f"the tool act failed: .*{FAILURES[what]}"):
        acts(pooled, "say", what)
    assert acts(pooled, "say") == ["said 0"]


def test_a_hanging_tool_ends_at_its_limit_and_takes_no_other_row_along(pooled):
    acts(pooled, "say", "say")
    with ThreadPoolExecutor(1) as other:
        started = time.monotonic()
        hangs = other.submit(asked, pooled, ("act", {"what": "sleep", "number": 60.0}))
        time.sleep(0.1)
        assert acts(pooled, "say") == ["said 0"]
        assert time.monotonic() - started < 0.9
        with pytest.raises(FailedCallError, match="no answer within 1 s"):
            hangs.result()
    assert time.monotonic() - started < 5


def test_calls_of_a_turn_and_of_two_rows_run_side_by_side(pooled):
    acts(pooled, "say", "say")
    nap = ("act", {"what": "sleep", "number": 0.4})
    started = time.monotonic()
    asked(pooled, nap, nap)
    together = time.monotonic() - started
    with ThreadPoolExecutor(2) as rows:
        list(rows.map(lambda call: asked(pooled, call), [nap, nap]))
    assert together < 0.75
    assert time.monotonic() - started - together < 0.75


@pytest.mark.parametrize(
    ("what", "result"), {"print": "quiet", "close": "closed", "fork": "forked True", "leave": "left"}.items()
)
def test_what_a_tool_does_to_its_process_reaches_no_other_call(what, result):
    toolbox = Toolbox([act], workers=1, limit_s=5.0)
    assert acts(toolbox, what, "say", "say") == [result, "said 0", "said 0"]
    toolbox.caller.direct.pool.close()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_result_of_a_hundred_megabytes_loses_its_middle_before_anybody_encodes_it(workers):
    toolbox = Toolbox([act], workers=workers)
    [result] = acts(toolbox, "big")
    assert len(result) < 1_000_100
    assert "[99000000 characters left out]" in result


def test_one_pool_serves_all_functions_and_loads_no_torch_for_them(pooled):
    assert acts(pooled, "torch") == ["False"]
    assert len({*acts(pooled, *["pid"] * 6)}) <= 2
    assert asked(pooled, ("refuse", {"why": "no"})).calls[0].result == "Error: no"


def test_async_calls_of_a_turn_run_together_and_answer_in_their_order():
    toolbox = Toolbox([wait], limit_s=5.0)
    started = time.monotonic()
    calls = [("wait", {"seconds": 0.3 - 0.05 * n, "then": str(n)}) for n in range(6)]
    assert [call.result for call in asked(toolbox, *calls).calls] == list("012345")
    assert time.monotonic() - started < 0.8


@pytest.mark.parametrize(("then", "told"), [("refuse", "Error: not like this"), ("value", "Error: ValueError:")])
def test_an_async_tool_tells_too(then, told):
    turn = asked(Toolbox([wait]), ("wait", {"seconds": 0.0, "then": then}))
    assert turn.calls[0].result.startswith(told)
    assert turn.calls[0].fault == "told"


def test_an_async_tool_fails_by_its_limit_and_by_what_is_not_told():
    toolbox = Toolbox([wait], limit_s=0.3)
    with pytest.raises(FailedCallError, match=r"no answer within 0.3 s"):
        asked(toolbox, ("wait", {"seconds": 60.0}))
    with pytest.raises(FailedCallError, match="OSError: no network"):
        asked(toolbox, ("wait", {"seconds": 0.0, "then": "broken"}))


def test_an_async_tool_that_blocks_is_given_up_and_no_call_is_made_twice(tmp_path):
    toolbox = Toolbox([block, note], limit_s=0.3)
    notes = tmp_path / "notes"
    started = time.monotonic()
    with pytest.raises(FailedCallError, match="what is not awaited blocks the event loop"):
        asked(toolbox, ("note", {"file": str(notes), "seconds": 0.1}), ("block", {"file": str(notes), "seconds": 6.0}))
    assert time.monotonic() - started < 4
    assert sorted(notes.read_text().split()) == ["called", "noted"]
    assert asked(toolbox, ("note", {"file": str(notes), "seconds": 0.0})).calls[0].result == "noted"


def test_tools_of_every_kind_in_one_turn(jail):  # noqa: F811
    python = PythonTool(BubblewrapSandbox(Limits(case_s=4.0)))
    toolbox = Toolbox([act, python, wait], workers=1, limit_s=2.0)
    calls = [
        ("python", {"code": "6 * 7"}),
        ("act", {"what": "pid"}),
        ("wait", {"seconds": 0.0}),
        ("python", {"code": "x"}),
    ]
    results = [call.result for call in asked(toolbox, *calls).calls]
    assert results[0] == "42\n"
    assert results[1] != str(os.getpid())
    assert results[2:] == ["waited", "Error: NameError: name 'x' is not defined"]
    toolbox.caller.direct.pool.close()


class Workbench:
    """Tools with a state."""

    def __init__(self):
        self.number = 0

    async def add(self, number: int) -> int:
        """Add to what there is.

        Args:
            number: How much.
        """
        self.number += number
        return self.number


def test_a_class_may_have_async_methods_and_no_workers():
    toolbox = Toolbox(Workbench)
    assert asked(toolbox, ("add", {"number": 2}), ("add", {"number": 3})).calls[1].result == "5"
    assert asked(toolbox, ("add", {"number": 1})).calls[0].result == "1"
    with pytest.raises(ValueError, match="its objects live in this process"):
        Toolbox(Workbench, workers=1)


def test_a_limit_that_nobody_could_keep_is_refused():
    with pytest.raises(ValueError, match=r"limit_s=5.0 cannot be kept for act .*workers=1"):
        Toolbox([act], limit_s=5.0)


def test_a_function_that_no_process_finds_is_refused():
    def local(x: int) -> int:
        """Return it.

        Args:
            x: This.
        """
        return x

    with pytest.raises(ValueError, match="define it at the top of a module"):
        Toolbox([local], workers=1)


def test_an_environment_says_how_many_rows_may_ask_it_at_once():
    assert Toolbox([act]).at_once == 0
    assert Toolbox([act], workers=3).at_once == 3
    assert Toolbox([wait]).at_once == 64
    assert Toolbox([wait, act]).at_once == 0
    assert Toolbox(Workbench).at_once == 64


def test_rows_of_a_rollout_are_answered_together_and_in_their_order(jail):  # noqa: F811
    """Sixteen rows that each wait 0.2 s would take 3.2 s one after the other."""

    class Waits(CallFormat):
        def calls(self, text):
            return [Call("wait", {"seconds": 0.2, "then": text}), Call("python", {"code": repr(text)})]

    toolbox = Toolbox([wait, PythonTool()], calls=Waits(), tools_are_shown=False)
    policy = tiny_policy()
    sampler = EpisodeSampler(BatchedSampler(group_size=16, max_tokens=48), toolbox, 2, glue=PlainGlue(policy.tokenizer))
    rows = [row for row in sampler.sample(policy, letter_prompts(1)) if row.turns[1:]]
    assert len(rows) > 4
    assert sum(row.turns[0].seconds for row in rows) > 1.5 * max(row.turns[0].seconds for row in rows)
    for row in rows:
        assert row.failure is None
        waited, printed = (call.result for call in row.turns[0].calls)
        assert re.sub("<.*?>", "", waited) == row.turns[0].text
        assert printed == f"{waited!r}\n"


# Each asks for its end when its tool is at work, and says how long that took.
RUN = """
import atexit, os, signal, threading, time
from pathlib import Path
import pytorch_lightning as pl
from hanging_tools import asked, pooled
from rlframework import GRPO, BatchedSampler, EpisodeSampler, PromptDataModule
from rlframework.environments import CallFormat, PlainGlue, PythonTool, Toolbox
from rlframework.rewards import EpisodeReturn
from rlframework.rewards.code import BubblewrapSandbox, Limits
from rlframework.testing import letter_rows, tiny_policy
from rlframework.turns import Call

class Always(CallFormat):
    def calls(self, text):
        return [Call(os.environ["HOW"], {"code": "while True: pass"})]

def direct(code: str) -> str:
    '''Hang.

    Args:
        code: No matter.
    '''
    asked()
    time.sleep(3600)

def ask():
    while not Path(os.environ["ASKED"]).exists():
        time.sleep(0.02)
    time.sleep(0.2)
    global at
    at = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)

if __name__ == "__main__":
    how = os.environ["HOW"]
    if how == "python":
        tool = PythonTool(BubblewrapSandbox(Limits(case_s=3600.0, program_s=3600.0)))
        run = tool.sandbox.run
        tool.sandbox.run = lambda *arguments: asked() or run(*arguments)
        tools = Toolbox([tool], calls=Always(), tools_are_shown=False)
    elif how == "pooled":
        tools = Toolbox([pooled], calls=Always(), tools_are_shown=False, workers=1, limit_s=3600.0)
    else:
        tools = Toolbox([direct], calls=Always(), tools_are_shown=False)
    policy = tiny_policy()
    sampler = EpisodeSampler(BatchedSampler(group_size=4, max_tokens=48), tools, glue=PlainGlue(policy.tokenizer))
    model = GRPO(policy, EpisodeReturn(), sampler, prompts_per_rollout=8)
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu")
    threading.Thread(target=ask, daemon=True).start()
    try:
        pl.Trainer(max_steps=1, **quiet).fit(model, PromptDataModule(letter_rows(8)))
    except SystemExit as end:
        others = [t.name for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
        print("ended", type(end).__name__, others, flush=True)
    atexit.register(lambda: print(time.monotonic() - at, flush=True))
"""

# In a module of its own, which another process imports without the rest.
HANGING = """
import os, time
from pathlib import Path

def asked():
    Path(os.environ["ASKED"]).write_text(str(os.getpid()))

def pooled(code: str) -> str:
    '''Hang.

    Args:
        code: No matter.
    '''
    asked()
    time.sleep(3600)
"""


def test_sigterm_ends_a_run_whose_tool_hangs(jail, tmp_path):  # noqa: F811
    script = tmp_path / "run.py"
    script.write_text(RUN)
    script.with_name("hanging_tools.py").write_text(HANGING)
    hows = ["direct", "pooled", "python"]
    environments = [{"HOW": how, "ASKED": str(tmp_path / how), "PYTHONPATH": str(forked.ROOT)} for how in hows]
    runs = forked.run_together([script], environments, seconds=120, end_others=False)
    for how, run in zip(hows, runs, strict=True):
        *_, ended, seconds = run.stdout.splitlines() or ["", ""]
        assert ended == "ended SIGTERMException []", (how, run.stdout, run.stderr)
        assert float(seconds) < 5, how
    worker = int((tmp_path / "pooled").read_text())
    ends = time.monotonic() + 5
    while os.path.exists(f"/proc/{worker}"):
        assert time.monotonic() < ends
        time.sleep(0.05)
