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


def test_a_run_finds_the_server_and_sends_it_weights(tmp_path, monkeypatch):
    stand_in, servers, port, receiver = tmp_path / "python", tmp_path / "servers.txt", free_port(), free_port()
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    monkeypatch.setenv(VARIABLE, TOKEN)
    options = ["--port", str(port), "--receiver-port", str(receiver), "--lora-rank", "8", "--python", str(stand_in)]
    options += ["--register", str(servers), "--folder", str(tmp_path), "--", "--dtype", "float32"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rlframework.cli", "serve", "tiny", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    try:
        until = time.monotonic() + 60
        while not servers.exists() and time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
        assert servers.read_text() == f"http://127.0.0.1:{port}\n"
        sync = HTTPSync(LoRASync(), port_offset=receiver - port)
        made = VLLMSampler(str(servers), **SETTINGS, sync=sync, patience=5.0)
        assert len(made.sample(tiny_qwen.policy(lora=True), PROMPTS)) == 18
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert servers.read_text() == ""
    assert "--enable-lora --max-lora-rank 8 --max-loras 2 --dtype float32" in said
    assert f"serves tiny; its receiver listens at port {receiver}" in said
    assert TOKEN not in said
    assert not list(tmp_path.glob("rlframework-received-*"))


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
