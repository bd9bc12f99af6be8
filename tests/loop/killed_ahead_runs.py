"""A run ahead and its server, for test_ahead_killed.py: ``python killed_ahead_runs.py <folder> <kill at> <seconds>``.

With ``ROLE=server`` in its environment the process is the server, which samples from weights that come as files. The
other goes on from the checkpoint in the folder; some seconds after a step has begun it is killed with requests in
flight, or it ends and leaves its weights there.
"""

from __future__ import annotations

import copy
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework.algorithms import GRPO
from rlframework.completions import Completion, Completions
from rlframework.data import PromptDataModule
from rlframework.policies.base import Policy
from rlframework.policies.fingerprint import fingerprint
from rlframework.prompt import Prompt
from rlframework.rewards import FunctionReward
from rlframework.samplers import BatchedSampler, RemoteSampler, Version
from rlframework.testing import letter_rows, tiny_policy

GROUP, TOKENS = 4, 6


class Server(BaseHTTPRequestHandler):
    """Loads versions from files and samples from them, after a while that is another each time."""

    versions: ClassVar[dict[str, Policy]] = {}
    sampler = BatchedSampler(GROUP, max_tokens=TOKENS, seed=3)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps(getattr(self, asked.pop("call"))(**asked)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def load(self, name: str, path: str) -> str:
        policy = copy.deepcopy(tiny_policy()).eval()
        policy.load_state_dict(torch.load(path, weights_only=True))
        self.versions[name] = policy
        return fingerprint(policy)

    def say(self, name: str, step: int, prompts: list[tuple[list[int], int]]) -> list[tuple[list[int], str, Any]]:
        time.sleep(random.uniform(0.05, 0.25))
        with torch.no_grad():
            rows = self.sampler.sample(
                self.versions[name], [Prompt(ids, "", index=index) for ids, index in prompts], step=step
            )
        return [(row.ids, row.stop_reason, row.logprobs) for row in rows]

    def log_message(self, *arguments: object) -> None:
        return


class Client(RemoteSampler):
    """Sends weights as files, and asks the server at the port that it has left."""

    folder: Path
    flying: set[int]

    def _post(self, **body: Any) -> Any:
        address = f"http://127.0.0.1:{(self.folder / 'port').read_text()}"
        with urllib.request.urlopen(address, json.dumps(body).encode(), timeout=60.0) as answer:
            return json.load(answer)

    def publish(self, policy: Policy, prompts: Sequence[Prompt]) -> Version:
        name = fingerprint(policy)
        path = self.folder / f"{name}.weights"
        torch.save(policy.state_dict(), path)
        if self._post(call="load", name=name, path=str(path)) != name:
            raise RuntimeError("other weights have arrived")
        return Version(name, policy, 0.0)

    def side_by_side(self, policy: Policy) -> bool:
        return True

    def ask(self, prompts: Sequence[Prompt], *, step: int, version: Version) -> Completions:
        self.flying.add(step)
        said = self._post(
            call="say", name=version.name, step=step, prompts=[(prompt.ids, prompt.index) for prompt in prompts]
        )
        self.flying.discard(step)
        rows = []
        for number, (ids, reason, logprobs) in enumerate(said):
            rows.append(Completion(prompts[number // GROUP], ids, version.decode(ids), reason, logprobs))
        return Completions(rows, GROUP)


class Killer(pl.Callback):
    def __init__(self, client: Client, at: int, seconds: float) -> None:
        self.client, self.at, self.seconds = client, at, seconds

    def on_train_batch_start(self, trainer: Any, *arguments: Any) -> None:
        if trainer.global_step == self.at:
            threading.Thread(target=self.kill, daemon=True).start()

    def kill(self) -> None:
        time.sleep(self.seconds)
        while not self.client.flying:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGKILL)


def serve(folder: Path) -> None:
    torch.set_num_threads(1)
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        (folder / "port.part").write_text(str(server.server_address[1]))
        (folder / "port.part").rename(folder / "port")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while not (folder / "end.pt").exists():
            time.sleep(0.05)


def train(folder: Path, at: int, seconds: float) -> None:
    while not (folder / "port").exists():
        time.sleep(0.05)
    saved = sorted(folder.glob("*.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    pl.seed_everything(2 if saved else 1, verbose=False)
    client = Client(GROUP, max_tokens=TOKENS)
    client.folder, client.flying = folder, set()
    reward = FunctionReward(lambda completion: sum(letter in "aeiou" for letter in completion) / TOKENS)
    module = GRPO(tiny_policy(), reward, client, prompts_per_rollout=4, rollouts_ahead=2, learning_rate=1e-2)
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    rolling = ModelCheckpoint(folder, "{step}", every_n_train_steps=1)
    trainer = pl.Trainer(accelerator="cpu", max_steps=10, callbacks=[rolling, Killer(client, at, seconds)], **quiet)
    trainer.fit(module, PromptDataModule(letter_rows(24)), ckpt_path=saved[-1] if saved else None)
    torch.save(torch.nn.utils.parameters_to_vector(module.policy.parameters()).detach(), folder / "end.part")
    (folder / "end.part").rename(folder / "end.pt")


if __name__ == "__main__":
    if os.environ.get("ROLE") == "server":
        serve(Path(sys.argv[1]))
    else:
        train(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
