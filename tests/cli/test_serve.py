"""``rlframework serve`` from its start to its end, with a stand-in for vLLM that answers what vLLM answered."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from rlframework import VLLMSampler
from rlframework.cli.serve import main
from rlframework.samplers import HTTPSync, LoRASync
from rlframework.serving.receiver import Receiver, Store
from rlframework.serving.supervisor import answers
from rlframework.serving.token import VARIABLE
from tests.samplers.vllm import tiny_qwen
from tests.samplers.vllm.recording import PROMPTS, SETTINGS

TOKEN = "0123456789abcdef"
# In place of `python -m vllm...`: says how it was called, and serves what was recorded.
STAND_IN = f"""#!{sys.executable}
import os, sys, threading
from tests.samplers.vllm.replay import Replay
assert "{VARIABLE}" not in os.environ and os.environ["VLLM_SERVER_DEV_MODE"] == "1"
print(*sys.argv[1:], flush=True)
replay = Replay()
replay._port = int(sys.argv[sys.argv.index("--port") + 1])
known = replay.before
replay.before = lambda path, body: (200, {{}}) if path == "/health" else None
replay.start()
threading.Event().wait()
"""


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Return what starts `rlframework serve` with the stand-in: its process, and its address."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    (tmp_path / "python").write_text(STAND_IN)
    (tmp_path / "python").chmod(0o755)
    started = []

    def serve(*options, receiver=0, register):
        port = free_port()
        words = ["--port", str(port), "--receiver-port", str(receiver or free_port()), "--lora-rank", "8"]
        words += ["--python", str(tmp_path / "python"), "--register", str(register), "--folder", str(tmp_path)]
        process = subprocess.Popen(
            [sys.executable, "-m", "rlframework.cli", "serve", "tiny", *words, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )
        started.append(process)
        return process, f"http://127.0.0.1:{port}"

    yield serve
    for process in started:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def wait_for(condition, process):
    until = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < until
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)


def test_a_run_finds_the_server_and_sends_it_weights(start, tmp_path):
    servers, receiver = tmp_path / "servers.txt", free_port()
    process, url = start("--", "--dtype", "float32", receiver=receiver, register=servers)
    wait_for(servers.exists, process)
    assert servers.read_text() == f"{url}\n"
    sync = HTTPSync(LoRASync(), port_offset=receiver - int(url.rpartition(":")[2]))
    made = VLLMSampler(str(servers), **SETTINGS, sync=sync, patience=5.0)
    assert len(made.sample(tiny_qwen.policy(lora=True), PROMPTS)) == 18
    process.terminate()
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert servers.read_text() == ""
    assert "--enable-lora --max-lora-rank 8 --max-loras 2 --dtype float32" in said
    assert f"serves tiny; its receiver listens at port {receiver}" in said
    assert TOKEN not in said
    assert not list(tmp_path.glob("rlframework-received-*"))


def test_a_list_at_a_url_is_waited_for(start, tmp_path):
    port, servers = free_port(), tmp_path / "servers.txt"
    process, url = start(register=f"http://127.0.0.1:{port}/servers.txt")
    wait_for(lambda: answers(f"{url}/health"), process)
    time.sleep(1.0)
    (tmp_path / "there").mkdir()
    receiver = Receiver("127.0.0.1", port, TOKEN, Store([tmp_path / "there"]), str(servers))
    receiver.start()
    wait_for(lambda: servers.exists() and servers.read_text() == f"{url}\n", process)
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM
    assert servers.read_text() == ""
    receiver.stop()


def test_a_signal_ends_the_waiting_for_a_list(start):
    process, url = start(register=f"http://127.0.0.1:{free_port()}/servers.txt")
    wait_for(lambda: answers(f"{url}/health"), process)
    time.sleep(1.0)
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--", "--port", "9"], "--port after --"),
        (["--register", "servers"], "ends in .txt"),
        (["--folder", "/no/such/folder"], "No such file"),
        (["--token-file", "/no/such/file"], "No such file"),
    ],
)
def test_a_wrong_command_ends_at_once(options, said, capsys, monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)
    with pytest.raises(SystemExit, match="2"):
        main(["tiny", "--port", str(free_port()), *options])
    assert said in capsys.readouterr().err


def test_without_a_token_it_does_not_start(capsys, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SystemExit, match="2"):
        main(["tiny"])
    assert "openssl rand" in capsys.readouterr().err
