"""Weights over HTTP to a real server: `rlframework serve` and the trainer have no folder in common."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import pytorch_lightning as pl

from rlframework import GRPO, PromptDataModule, VLLMSampler
from rlframework.samplers import DiskSync, HTTPSync, LoRASync, ServerError
from rlframework.samplers.vllm.client import Server
from rlframework.serving.token import VARIABLE
from rlframework.testing import letter_prompts, letter_rows
from tests.distributed.hosts import hiding
from tests.samplers.vllm.real_server import ENVIRONMENT, NEEDS_SERVER, PYTHON
from tests.samplers.vllm.test_server import Letter, Watch, largest_gap
from tests.samplers.vllm.tiny_qwen import checkpoint, policy

pytestmark = NEEDS_SERVER

TOKEN = "0123456789abcdef"
# What `rlframework serve` does not set itself.
FLAGS = ["--served-model-name", "tiny", "--enforce-eager", "--dtype", "float32"]
FLAGS += ["--max-model-len", "256", "--block-size", "32", "--max-num-batched-tokens", "2048"]


def free_pair() -> int:
    """A port that is free, as is the one 1,000 above it."""
    while True:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = int(low.getsockname()[1])
            try:
                high.bind(("127.0.0.1", port + 1000))
            except (OSError, OverflowError):
                continue
            return port


class Served:
    """A real server that `rlframework serve` started, in folders that the trainer does not use."""

    def __init__(self, folder: Path) -> None:
        self.here, self.there = folder / "trainer", folder / "server"
        for made in (self.here, self.there / "tmp"):
            made.mkdir(parents=True)
        self.port = free_pair()
        self.url, self.receiver = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.port + 1000}"
        self.servers = folder / "servers.txt"
        self.log = folder / "log.txt"
        model = checkpoint(self.there / "model")
        words = [sys.executable, "-m", "rlframework.cli", "serve", str(model), "--python", str(PYTHON)]
        words += ["--lora-rank", "16", "--rollouts-ahead", "2", "--port", str(self.port), "--folder"]
        words += [str(self.there / "tmp"), "--register", str(self.servers), "--", *FLAGS]
        kept = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        kept |= {**ENVIRONMENT, VARIABLE: TOKEN, "HOME": str(self.there), "TMPDIR": str(self.there / "tmp")}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(hiding(self.here, words), env=kept, stdout=output, stderr=output)

    def wait(self, seconds: float = 900.0) -> None:
        until = time.monotonic() + seconds
        while not self.servers.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.5)

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("apart"))
    try:
        made.wait()
        yield made
    finally:
        made.end()
    assert made.servers.read_text() == ""
    assert not list(made.there.glob("tmp/rlframework-received-*"))


@pytest.fixture
def sampler(served, monkeypatch):
    """Return a maker of samplers, and the folders that the server was told to load from."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    # Another test loads whole models into it.
    DiskSync().load(Server(served.url, timeout=60), served.there / "model", "base")
    places: list[Path] = []

    def make(sync, **options):
        load = sync.load

        def noted(server, folder, version):
            places.append(folder)
            load(server, folder, version)

        sync.load = noted
        given = {"group_size": 8, "max_tokens": 16, "temperature": 0.7, "patience": 20.0, "timeout": 120.0}
        over = HTTPSync(sync, token_file=options.pop("token_file", None))
        return VLLMSampler(str(served.servers), sync=over, sync_folder=served.here, **{**given, **options})

    return make, places


@pytest.mark.parametrize("kind", ["adapter", "whole"])
def test_three_steps_from_weights_that_came_over_http(kind, served, sampler):
    make, places = sampler
    sampling, watch = make(LoRASync() if kind == "adapter" else DiskSync()), Watch()
    algorithm = GRPO(
        policy(lora=kind == "adapter"),
        Letter(),
        sampling,
        prompts_per_rollout=16,
        learning_rate=2e-2 if kind == "adapter" else 1e-3,
        schedule="constant",
        rollouts_ahead=1,
    )
    quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    trainer = pl.Trainer(max_steps=3, accelerator="cpu", callbacks=[watch], **quiet)
    trainer.fit(algorithm, PromptDataModule(letter_rows(48)))
    assert trainer.global_step == 3
    assert len(set(watch.rewards)) == 3
    gap = trainer.callback_metrics["train/canary_gap"].item()
    print(f"{kind}: rewards {watch.rewards}, canary gap {gap:.2g}, {sampling.gap}")
    assert 0 < gap < 1e-5
    assert largest_gap(algorithm.policy, sampling.sample(algorithm.policy, letter_prompts(8)), 0.7) < 1e-3
    # The first two rollouts came from the same weights; what the server read is its own, and it sees no other.
    assert len([place for place in places if "-altered" not in place.name]) == 3
    assert all(place.is_relative_to(served.there) for place in places)
    assert not any(place.is_relative_to(served.here) for place in places)


def test_another_token_is_refused_with_words(sampler, tmp_path):
    make, places = sampler
    (tmp_path / "token").write_text("fedcba9876543210")
    with pytest.raises(ServerError, match=r"status 401.*both sides need the same one"):
        make(LoRASync(), token_file=tmp_path / "token").sample(policy(lora=True), letter_prompts(2))
    assert not places


def test_half_a_file_and_another_fingerprint_are_refused_and_the_whole_is_taken(served, sampler):
    make, _ = sampler
    content = b"weights" * 1000

    def ask(method, path, body):
        request = urllib.request.Request(f"{served.receiver}{path}", body, method=method)
        request.add_header("Authorization", f"Bearer {TOKEN}")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["error"]

    entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    ask("POST", "/weights/half", json.dumps({"files": {"a.bin": entry}, "keep": []}).encode())
    with socket.create_connection(("127.0.0.1", served.port + 1000)) as sender:
        head = f"PUT /weights/half/a.bin HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(content)}"
        sender.sendall(f"{head}\r\n\r\n".encode() + content[:3500])
        sender.shutdown(socket.SHUT_WR)
        assert b"a.bin ended after 3500 of 7000 bytes: send it again" in sender.makefile("rb").read()
    status, said = ask("PUT", "/weights/half/a.bin", content[::-1])
    assert (status, "arrived with the fingerprint" in said) == (422, True)
    assert ask("PUT", "/weights/half/a.bin", content)[1]["missing"] == []
    adapted = policy(lora=True, noise=0.05)
    assert largest_gap(adapted, make(LoRASync()).sample(adapted, letter_prompts(4)), 0.7) < 1e-3
