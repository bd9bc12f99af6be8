"""A vLLM server on the CPU, in an environment of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rlframework import VLLMSampler
from rlframework.samplers import DiskSync
from rlframework.samplers.vllm.client import Server
from tests.samplers.vllm.tiny_qwen import checkpoint

PYTHON = os.environ.get("RLFRAMEWORK_VLLM_PYTHON")
NEEDS_SERVER = [
    pytest.mark.vllm,
    pytest.mark.skipif(PYTHON is None, reason="RLFRAMEWORK_VLLM_PYTHON names no Python with vLLM; make test-vllm does"),
]

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_SERVER_DEV_MODE": "1",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
}

OPTIONS = [
    *("--served-model-name", "tiny", "--host", "127.0.0.1", "--enforce-eager", "--enable-prefix-caching"),
    *("--max-model-len", "256", "--block-size", "32"),
    *("--enable-lora", "--max-lora-rank", "16", "--max-loras", "4", "--logprobs-mode", "processed_logprobs"),
]


class RealServer:
    """Starts and kills a server; the port stays the same."""

    def __init__(self, model: Path, log: Path, dtype: str = "float32") -> None:
        self.model = model
        self.dtype = dtype
        self.log = log
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 900) -> None:
        """Return when it answers."""
        module = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server"]
        command = [*module, "--model", str(self.model), "--port", str(self.port), "--dtype", self.dtype, *OPTIONS]
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        with self.log.open("ab") as output:
            # A session of its own: the engine is another process, and one signal ends both.
            self.process = subprocess.Popen(
                command, env={**kept, **ENVIRONMENT}, stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + seconds
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.5)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as response:
                return response.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def serving(folder: Path, tied: bool = False) -> Iterator[RealServer]:
    """Serve the tiny model of `tiny_qwen` inside the context."""
    server = RealServer(checkpoint(folder / "model", tied), folder / "log.txt")
    server.start()
    try:
        yield server
    finally:
        server.kill()


def samplers_of(server: RealServer) -> Callable[..., VLLMSampler]:
    """Return a maker of samplers of a server that is on the base weights: other tests load whole models into it."""
    DiskSync().load(Server(server.url, timeout=60), server.model, "base")

    def make(**options: Any) -> VLLMSampler:
        defaults = {"group_size": 8, "max_tokens": 32, "patience": 10.0, "timeout": 120.0}
        return VLLMSampler(server.url, **{**defaults, **options})

    return make
