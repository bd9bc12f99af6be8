"""Whatever an async reward does costs its own row, and nothing keeps a run from ending."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import BatchFunctionReward, FunctionReward, TRLReward
from rlframework.rewards.event_loop import EventLoop
from tests import forked
from tests.drawn import drawn

NAN = float("nan")


def completions_of(*texts):
    return Completions([Completion(Prompt([1], "?"), [2], text, "stop") for text in texts], 1)


async def forever(completion):
    await asyncio.sleep(3600)


async def blocks(completion):
    time.sleep(8)


async def in_a_thread(completion):
    await asyncio.to_thread(time.sleep, 8)


async def deaf_to_cancellation(completion):
    ends = time.monotonic() + 8
    while time.monotonic() < ends:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            continue


async def cancels_itself(completion):
    raise asyncio.CancelledError


async def raises(completion):
    raise ValueError("no")


async def leaves(completion):
    sys.exit(3)


async def interrupts(completion):
    raise KeyboardInterrupt


HANGS = [forever, blocks, in_a_thread, deaf_to_cancellation, cancels_itself, raises, leaves, interrupts]


@pytest.mark.parametrize("hang", HANGS)
def test_a_row_that_is_not_answered_is_that_rows_loss(hang):
    async def judge(completion):
        if completion == "hang":
            await hang(completion)
        return 1.0

    started = time.monotonic()
    judgement = FunctionReward(judge, limit_s=0.5).evaluate(completions_of("a", "hang", "b", "c")).judgements["judge"]
    assert time.monotonic() - started < 6
    assert judgement.error_flags.flatten().tolist() == [False, True, False, False]
    assert judgement.scores.isnan().flatten().tolist() == [False, True, False, False]
    assert judgement.detail
    assert ("blocks the event loop" in judgement.detail) == (hang is blocks)


def test_calls_that_are_cancelled_by_another_are_made_again():
    async def judge(completion):
        await asyncio.sleep(0)
        if completion == "cancels":
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
        return 1.0

    scores = FunctionReward(judge, limit_s=5).evaluate(completions_of("a", "cancels", "b")).total
    assert scores.flatten().tolist() == [1.0, 1.0, 1.0]


def test_a_limit_is_there_without_being_asked_for():
    assert FunctionReward(forever).limit_s == 10.0


@pytest.mark.parametrize("hang", [forever, blocks])
def test_a_batch_that_is_not_answered_has_failed(hang):
    async def judge(completions):
        await hang(completions)

    judgement = BatchFunctionReward(judge, limit_s=0.3).evaluate(completions_of("a", "b")).judgements["judge"]
    assert judgement.error_flags.all()
    assert "no answer within 0.3 s" in judgement.detail


def test_what_others_do_between_two_awaits_is_not_ones_own_time():
    """Sixteen clients made one after the other take longer than one call may."""

    async def judge(completion):
        time.sleep(0.05)
        await asyncio.sleep(0.01)
        return 1.0

    reward = FunctionReward(judge, limit_s=0.6)
    assert reward.evaluate(completions_of(*"a" * 16)).total.flatten().tolist() == [1.0] * 16


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_so_many_calls_run_together_and_no_more(at_once):
    running, most = 0, 0

    async def judge(completion):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return 1.0

    reward = FunctionReward(judge, limit_s=5.0, at_once=at_once)
    assert reward.evaluate(completions_of(*"a" * 12)).total.sum() == 12
    assert most == min(at_once, 12)


def test_a_call_that_waits_for_its_turn_is_not_late():
    async def judge(completion):
        await asyncio.sleep(0.1)
        return 1.0

    scores = FunctionReward(judge, limit_s=0.3, at_once=1).evaluate(completions_of(*"a" * 5)).total
    assert scores.flatten().tolist() == [1.0] * 5


def test_a_late_call_is_told_and_an_early_one_is_not():
    told = []

    async def judge(completion):
        try:
            await asyncio.sleep(3600 if completion == "hang" else 0)
        except asyncio.CancelledError:
            told.append(completion)
            raise
        return 1.0

    reward = FunctionReward(judge, limit_s=0.1)
    assert reward.evaluate(completions_of("a", "hang")).total.isnan().flatten().tolist() == [False, True]
    reward.evaluate(completions_of("b"))
    assert told == ["hang"]


@pytest.mark.parametrize(
    ("options", "words"), [({"at_once": 0}, "at_once"), ({"limit_s": 0.0}, "limit_s"), ({"limit_s": -1.0}, "limit_s")]
)
def test_no_call_at_once_and_no_time_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        FunctionReward(forever, **options)
    if "limit_s" in options:
        with pytest.raises(ValueError, match=words):
            BatchFunctionReward(forever, **options)


def test_one_loop_serves_rewards_of_all_kinds():
    loops = set()

    async def one(completion):
        loops.add(asyncio.get_running_loop())
        return 1.0

    async def batch(completions):
        loops.add(asyncio.get_running_loop())
        return [1.0 for _ in completions]

    async def trl(completions, **kwargs):
        return await batch(completions)

    for reward in (FunctionReward(one), BatchFunctionReward(batch), TRLReward(trl)) * 2:
        assert reward.evaluate(completions_of("a", "b")).total.sum() == 2
    assert loops == {EventLoop.shared().loop}


def test_a_loop_that_is_closed_leaves_nothing_behind():
    said = []

    async def numbers():
        try:
            yield "begun"
        finally:
            said.append("generator")

    async def waits():
        said.append(await anext(kept))
        try:
            await asyncio.sleep(3600)
        finally:
            said.append("call")

    kept = numbers()
    loop = EventLoop()
    asyncio.run_coroutine_threadsafe(waits(), loop.loop)
    while not said:
        time.sleep(0.001)
    loop.close()
    assert said == ["begun", "call", "generator"]
    assert loop.loop.is_closed()
    assert not loop.thread.is_alive()
    loop.close()


# The end of an interpreter: of two that have forked from one that judges, and then of that one.
ENDS = """
import asyncio, atexit, os, time
from rlframework.rewards.event_loop import EventLoop

async def waits():
    try:
        begun.append(1)
        await asyncio.sleep(3600)
    finally:
        os.write(1, b"closed ")

begun = []
loop = EventLoop.shared()
asyncio.run_coroutine_threadsafe(waits(), loop.loop)
while not begun:
    time.sleep(0.001)
for uses in (False, True):
    child = os.fork()
    if not child:
        if uses:
            assert EventLoop.shared() is not loop and EventLoop.shared().answers
        atexit._run_exitfuncs()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    os.write(1, f"{loop.answers} {EventLoop.shared() is loop} ".encode())
"""


def test_the_shared_loop_ends_with_its_process_and_with_no_other(tmp_path):
    script = tmp_path / "ends.py"
    script.write_text(ENDS)
    done = forked.run(script)
    assert (done.stdout, done.returncode) == ("True True True True closed ", 0), done.stderr


class Judge(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if text == "hang":
            time.sleep(6)
        self.send_response(200)
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"1")

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@pytest.fixture
def judge_url():
    server = Server(("127.0.0.1", 0), Judge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_shared_client_works_over_many_rollouts(judge_url):
    httpx = pytest.importorskip("httpx")
    client = httpx.AsyncClient(trust_env=False, timeout=None)

    async def judge(completion):
        return float((await client.post(judge_url, content=completion)).text)

    reward = FunctionReward(judge, limit_s=3.0, at_once=16)
    for rollout in range(5):
        texts = ["fine"] * 31 + ["hang" if rollout == 2 else "fine"]
        judgement = reward.evaluate(completions_of(*texts)).judgements["judge"]
        assert judgement.error_flags.flatten().tolist() == [text == "hang" for text in texts], judgement.detail


# Imports once and forks a run for each line that it reads from a socket, where it also says what it does.
RUNS = """
import asyncio, atexit, os, signal, socket, sys, time, urllib.request
import httpx
import pytorch_lightning as pl
from hangs import pool, say
from rlframework import GRPO, BatchedSampler, PromptDataModule
from rlframework.rewards import BatchFunctionReward, FunctionReward
from rlframework.testing import letter_rows, tiny_policy

def over():
    # After all threads that Python waits for. Taking the modules apart is left out: it only takes time.
    say("over")
    os._exit(1)

async def sleeps(completion):
    say("asked")
    await asyncio.sleep(3600)
async def blocks(completion):
    say("asked")
    time.sleep(3600)
async def thread(completion):
    say("asked")
    await asyncio.to_thread(time.sleep, 3600)
async def batch(completions):
    say("asked")
    await asyncio.sleep(3600)
async def client(completion):
    say("asked")
    async with httpx.AsyncClient(trust_env=False, timeout=None) as client:
        await client.post(URL, content="hang")
def plain(completion):
    say("asked")
    time.sleep(3600)
def http(completion):
    say("asked")
    urllib.request.urlopen(URL, b"hang").read()
class Waits(BatchedSampler):
    def sample(self, policy, prompts, *, step=0):
        http("")
def run(how):
    sampler = how if isinstance(how, type) else BatchedSampler
    how = plain if isinstance(how, type) else how
    options = {} if how in (plain, http) else {"limit_s": 3600} | ({"workers": 1} if how is pool else {})
    reward = (BatchFunctionReward if how is batch else FunctionReward)(how, **options)
    model = GRPO(tiny_policy(), reward, sampler(group_size=4, max_tokens=4), prompts_per_rollout=4)
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu")
    pl.Trainer(max_steps=1, **quiet).fit(model, PromptDataModule(letter_rows(8)))

if __name__ == "__main__":
    # A shell may have it ignored for what runs in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        for number in range(3):
            os.dup2(connection.fileno(), number)
    say("pid", os.getpid())
    while line := os.read(0, 999):
        how, URL = line.decode().split()
        child = os.fork()
        if not child:
            # The last of these functions that is called.
            atexit.register(over)
            try:
                run(globals()[how])
            except BaseException as error:
                chain, link = [], error
                while link is not None:
                    chain.append(type(link).__name__)
                    link = link.__cause__ or link.__context__
                say("raised", ",".join(chain), repr(error))
                raise
        say("run", child)
        os.waitpid(child, 0)
        say("gone")
"""


# In a module of its own, which another process imports without the rest.
HANGS = """
import os, time
def say(*words):
    # A line in one write: print makes two, and the line of another thread can fall between them.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
def pool(completion):
    say("asked")
    time.sleep(3600)
"""


class Process:
    """The program in a process of its own, and the socket over which it hears and speaks."""

    def __init__(self, script):
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(60)
            port = server.getsockname()[1]
            self.thread = threading.Thread(target=forked.run, args=(script, port), kwargs={"PYTHONPATH": os.getcwd()})
            self.thread.start()
            self.connection = server.accept()[0]
        self.lines = self.connection.makefile("r")
        self.pid = int(said_by(self, "pid")[1])

    def kill(self):
        if self.thread.is_alive():
            os.kill(self.pid, signal.SIGKILL)
            self.thread.join()
        self.lines.close()
        self.connection.close()


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """Processes of which the last one runs; the next test starts another where one was ended by a failure."""
    script = tmp_path_factory.mktemp("runs") / "run.py"
    script.write_text(RUNS)
    script.with_name("hangs.py").write_text(HANGS)
    processes = []

    def start():
        if not processes or not processes[-1].thread.is_alive():
            processes.append(Process(script))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


@pytest.fixture
def runs(started):
    return started()


def said_by(process, word):
    """Return the words of the next line that begins so, which has to come before the run is gone."""
    said = []
    while not (line := process.lines.readline()).startswith(word):
        said.append(line)
        assert line, "".join(said)
        assert line != "gone\n", "".join(said)
    return line.split()


WAYS = ["sleeps", "blocks", "thread", "batch", "client", "plain", "http", "pool", "Waits"]


@pytest.mark.parametrize(
    ("how", "number"),
    drawn(
        {f"{how}-{number.name}": (how, number) for how in WAYS for number in (signal.SIGTERM, signal.SIGINT)},
        {*(f"{how}-SIGTERM" for how in WAYS), *(f"{how}-SIGINT" for how in ("sleeps", "plain", "pool"))},
    ),
)
def test_a_signal_ends_a_run_that_waits(runs, judge_url, how, number):
    pytest.importorskip("httpx")
    runs.connection.sendall(f"{how} {judge_url}\n".encode())
    child = int(said_by(runs, "run")[1])
    # Of a run that no signal ends the test has to hear all the same.
    patience = threading.Timer(20, os.kill, (child, signal.SIGKILL))
    patience.start()
    try:
        said_by(runs, "asked")
        time.sleep(0.1)
        started = time.monotonic()
        os.kill(child, number)
        said = said_by(runs, "raised")
        # What it interrupts may raise on the way out.
        assert {"SIGTERMException", "SystemExit", "KeyboardInterrupt"} & set(said[1].split(",")), said
        said_by(runs, "over")
        assert time.monotonic() - started < 5
        said_by(runs, "gone")
    except BaseException:
        runs.kill()
        raise
    finally:
        patience.cancel()
