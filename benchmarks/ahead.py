"""Rollouts ahead of learning: the time of a step with a stand-in server, at ``rollouts_ahead`` of 0, 1 and 2.

    make bench-ahead          # about three minutes, mostly of sleep

A server in another process answers over HTTP and sleeps in place of a device: it has 32 slots, and a row occupies one
for as long as it has tokens. The trainer is Lightning's own, whose steps sleep as well. What is measured is how much of
the two overlaps; a step can take no less than its bound, the longer of training and ``work / slots``.

- Equal times without a tail: all rows are of one length, and sampling takes as long as training.
- With a tail: lengths are lognormal (sigma 0.8, at most 7 times the median), as those of answers that reason.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytorch_lightning as pl

from rlframework import GRPO, PromptDataModule, rewards
from rlframework.completions import Completion, Completions
from rlframework.policies.base import Policy
from rlframework.policies.fingerprint import fingerprint
from rlframework.prompt import Prompt
from rlframework.samplers import RemoteSampler, Version
from rlframework.testing import letter_rows, tiny_policy
from table import facts

PROMPTS, GROUP, SLOTS = 16, 8, 32
SIGMA, LONGEST = 0.8, 7.0
STEPS, WARM_UP = 14, 3
# Seconds: of a training step, and of all rows of a rollout over the slots.
TRAIN, WORK = 1.2, 1.04
RESULTS = Path(__file__).parent / "results" / "ahead_cpu.json"
# At most so many times the bound.
BARS = {"equal, 1 drained": 1.10, "tail, 1 side by side": 1.35, "tail, 2 side by side": 1.15}


def serve(port: Any, slots: int) -> None:
    """Answer requests of groups: sleep for each row in a slot, and say when all are done."""
    free = threading.Semaphore(slots)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            seconds = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            rows = [threading.Thread(target=self.occupy, args=(row,)) for row in seconds]
            for row in rows:
                row.start()
            for row in rows:
                row.join()
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def occupy(self, seconds: float) -> None:
            with free:
                time.sleep(seconds)

        def log_message(self, *arguments: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    port.send(server.server_address[1])
    server.serve_forever()


def row_seconds(step: int, prompt: int, tail: bool, train: float) -> list[float]:
    """Return how long the rows of a group occupy a slot; a function of rollout and prompt."""
    if not tail:
        return [train * SLOTS / (PROMPTS * GROUP)] * GROUP
    lengths = np.exp(SIGMA * np.random.default_rng((step, prompt)).standard_normal(GROUP)).clip(max=LONGEST)
    mean = float(np.exp(SIGMA * np.random.default_rng(0).standard_normal(10**6)).clip(max=LONGEST).mean())
    return (lengths / mean * WORK * SLOTS / (PROMPTS * GROUP)).tolist()


class StandIn(RemoteSampler):
    """Asks the stand-in server: real requests, sleep in place of decoding.

    Args:
        port: Of the server.
        tail: Whether the lengths of rows differ.
        beside: Whether versions are answered from side by side.
    """

    def __init__(self, port: int, tail: bool, beside: bool) -> None:
        super().__init__(group_size=GROUP, max_tokens=4)
        self.port, self.tail, self.beside = port, tail, beside

    def publish(self, policy: Policy, prompts: Sequence[Prompt]) -> Version:
        return Version(fingerprint(policy), policy, 0.0)

    def side_by_side(self, policy: Policy) -> bool:
        return self.beside

    def ask(self, prompts: Sequence[Prompt], *, step: int, version: Version) -> Completions:
        with ThreadPoolExecutor(len(prompts)) as pool:
            groups = list(pool.map(lambda prompt: self._group(prompt, step), prompts))
        return Completions([row for group in groups for row in group], GROUP)

    def _group(self, prompt: Prompt, step: int) -> list[Completion]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", "/", json.dumps(row_seconds(step, prompt.index, self.tail, TRAIN)))
        connection.getresponse().read()
        connection.close()
        rng = np.random.default_rng((step, prompt.index))
        ids = rng.integers(3, 20, (GROUP, 4)).tolist()
        return [Completion(prompt, row, "abcd"[: 1 + row[0] % 4], "length", [-3.0] * 4) for row in ids]


class Steps(pl.Callback):
    """Sleeps in each step, and writes down when steps and rollouts end."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.figures: list[dict[str, float]] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *arguments: Any) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        # What the step itself has taken is a part of its time.
        time.sleep(max(0.0, TRAIN - (time.perf_counter() - self.began)))
        self.ends.append(time.perf_counter())
        names = ("rollout_seconds", "wait_seconds", "publish_seconds", "sampler_idle_seconds")
        self.figures.append({name: float(trainer.callback_metrics.get(f"train/{name}", 0.0)) for name in names})


def measured(port: int, ahead: int, tail: bool, beside: bool) -> dict[str, float]:
    """Return the mean seconds of a step, and of its parts, once a run is under way."""
    steps = Steps()
    algorithm = GRPO(
        tiny_policy(),
        rewards.FunctionReward(length),
        StandIn(port, tail, beside),
        prompts_per_rollout=PROMPTS,
        rollouts_ahead=ahead,
    )
    trainer = pl.Trainer(
        max_steps=STEPS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[steps],
    )
    trainer.fit(algorithm, PromptDataModule(letter_rows(PROMPTS * STEPS)))
    seconds = (steps.ends[-1] - steps.ends[WARM_UP - 1]) / (STEPS - WARM_UP)
    parts = {name: fmean(figures[name] for figures in steps.figures[WARM_UP:]) for name in steps.figures[0]}
    return {"step": seconds, **parts}


def length(completion: str) -> float:
    return float(len(completion))


def compare(path: Path | None) -> None:
    """Measure all cases and print them beside their bars."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, SLOTS), daemon=True)
    server.start()
    port = ours.recv()
    cases = {
        "equal, 0": (0, False, False),
        "equal, 1 drained": (1, False, False),
        "tail, 0": (0, True, False),
        "tail, 1 drained": (1, True, False),
        "tail, 1 side by side": (1, True, True),
        "tail, 2 side by side": (2, True, True),
    }
    found = {name: measured(port, *case) for name, case in cases.items()}
    server.terminate()
    for name, figures in found.items():
        bound = TRAIN + figures["publish_seconds"] if name.startswith("equal") else max(TRAIN, WORK)
        figures["over_bound"] = figures["step"] / bound
        sync = found[f"{name.split(',')[0]}, 0"]["step"]
        figures["times_sync"] = sync / figures["step"]
        bar = BARS.get(name)
        verdict = "" if bar is None else f"  <= {bar:.2f}  {'met' if figures['over_bound'] <= bar else 'MISSED'}"
        print(
            f"{name:<22}{figures['step']:>6.2f} s a step {figures['times_sync']:>6.2f} times sync "
            f"{figures['over_bound']:>6.2f} x bound{verdict}"
        )
    if path is not None:
        said = {"prompts": PROMPTS, "group_size": GROUP, "slots": SLOTS, "train": TRAIN, "work": WORK, "steps": STEPS}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**facts(), **said, "cases": found}, indent=2) + "\n")
    ratios = [found[f"tail, {ahead} side by side"]["times_sync"] for ahead in (1, 2)]
    print(f"ahead1_ratio={ratios[0]:.3f} ahead2_ratio={ratios[1]:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help=f"write the figures to results/{RESULTS.name}")
    compare(RESULTS if parser.parse_args().record else None)
