"""Whatever an async reward does costs its own row, and nothing keeps a run from ending."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import BatchFunctionReward, FunctionReward

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


@pytest.mark.parametrize("hang", [forever, blocks, in_a_thread, deaf_to_cancellation, cancels_itself, raises])
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
    """Thirty clients made one after the other take longer than one call may."""

    async def judge(completion):
        time.sleep(0.05)
        await asyncio.sleep(0.01)
        return 1.0

    reward = FunctionReward(judge, limit_s=0.6)
    assert reward.evaluate(completions_of(*"a" * 30)).total.flatten().tolist() == [1.0] * 30


class Judge(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if text == "hang":
            time.sleep(4)
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

    reward = FunctionReward(judge, limit_s=1.0, at_once=16)
    for rollout in range(5):
        texts = ["fine"] * 31 + ["hang" if rollout == 2 else "fine"]
        judgement = reward.evaluate(completions_of(*texts)).judgements["judge"]
        assert judgement.error_flags.flatten().tolist() == [text == "hang" for text in texts], judgement.detail


RUN = """
import asyncio, time, sys
import pytorch_lightning as pl
from rlframework import GRPO, BatchedSampler, PromptDataModule
from rlframework.rewards import FunctionReward
from rlframework.testing import letter_rows, tiny_policy
async def sleeps(completion):
    print("asked", flush=True)
    await asyncio.sleep(3600)
async def blocks(completion):
    print("asked", flush=True)
    time.sleep(3600)
async def thread(completion):
    print("asked", flush=True)
    await asyncio.to_thread(time.sleep, 3600)
def plain(completion):
    print("asked", flush=True)
    time.sleep(3600)
how = globals()[sys.argv[1]]
reward = FunctionReward(how) if how is plain else FunctionReward(how, limit_s=3600)
if __name__ == "__main__":
    model = GRPO(tiny_policy(), reward, BatchedSampler(group_size=4, max_tokens=4), prompts_per_rollout=4)
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu")
    pl.Trainer(max_steps=1, **quiet).fit(model, PromptDataModule(letter_rows(8)))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("how", ["sleeps", "blocks", "thread", "plain"])
def test_a_signal_ends_a_run_whose_reward_hangs(tmp_path, how, number):
    (tmp_path / "run.py").write_text(RUN)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "run.py", how],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
        # A shell may have it ignored for what runs in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        said = []
        while (line := process.stdout.readline()) != "asked\n":
            said.append(line)
            assert line, "".join(said)
        started = time.monotonic()
        process.send_signal(number)
        process.wait(20)
        assert time.monotonic() - started < 5
        assert process.returncode != 0
    finally:
        process.kill()
        process.communicate()
