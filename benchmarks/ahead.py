"""Rollouts ahead of learning: the seconds of a step at k=0, 1 and 2, against the slower of sampler and trainer.

    make bench-ahead                           # about four minutes, mostly asleep

The sampler is a server in another process that sleeps in place of a device (`sleeping_server.py`), the trainer sleeps
in its step, and all else is real: `pl.Trainer.fit`, HTTP, rewards, a tiny policy that learns. 16 prompts x 8 rows on 32
slots. With the tail, lengths are lognormal (sigma 0.8, the longest 7 times the median); without, all rows are alike and
the sampler takes as long as the trainer.

``train`` is what a step at k=0 takes beside sampling, the computation of this process included. The bound of a step is
``max(train, work / slots)``. ``ahead1_ratio`` is the step at k=0 over the step at k=1, side by side, with the tail.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

import pytorch_lightning as pl
import torch

from rlframework import GRPO, PromptDataModule, rewards
from rlframework.completions import Completion, Completions
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.samplers import RemoteSampler, Version
from rlframework.testing import letter_rows, tiny_policy
from sleeping_server import PUBLISH_S, row_seconds
from table import facts

PROMPTS, GROUP, SLOTS, WARM_UP = 16, 8, 32, 3
ROWS = PROMPTS * GROUP
# Seconds of the trainer's sleep, and of the median row, with the tail and without.
TRAIN_S, TAIL_ROW_S = 1.5, 0.24
SHAPES = {"tail": (TAIL_ROW_S, 0.8, 7.0), "equal": (TRAIN_S * SLOTS / ROWS, 0.0, 1.0)}
CASES = [("tail", 0, True), ("tail", 1, False), ("tail", 1, True), ("tail", 2, True), ("equal", 0, True)]
CASES += [("equal", 1, False)]
# Most times the bound that a step may take; the publishing comes on top where nothing else is in flight.
BARS = {("tail", 1, True): 1.35, ("tail", 2, True): 1.15, ("equal", 1, False): 1.10}
RESULTS = Path(__file__).parent / "results" / "ahead_cpu.json"


class Sleeping(RemoteSampler):
    """Asks the sleeping server, and says itself which tokens were sampled."""

    port: int
    beside: bool
    seconds = 0.0

    def _post(self, path: str, **body: Any) -> None:
        data = json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", data, timeout=60.0) as answer:
            if json.load(answer)["version"] != body["version"]:
                raise RuntimeError("the server has answered from another version")

    def publish(self, policy: Policy, prompts: Sequence[Prompt]) -> Version:
        self.count = getattr(self, "count", 0) + 1
        version = Version(f"policy-{self.count}", policy, 0.0)
        self._post("publish", version=version.name)
        return version

    def side_by_side(self, policy: Policy) -> bool:
        return self.beside

    def ask(self, prompts: Sequence[Prompt], *, step: int, version: Version) -> Completions:
        rows = [
            Completion(prompt, ids := [3 + (step + row) % 20], version.decode(ids), "stop", [-3.0])
            for prompt in prompts
            for row in range(self.group_size)
        ]
        self._post("sample", version=version.name, step=step, rows=len(rows))
        return Completions(rows, self.group_size)

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        started = time.perf_counter()
        try:
            return super().sample(policy, prompts, step=step)
        finally:
            self.seconds = time.perf_counter() - started


class Clock(pl.Callback):
    """Sleeps in each step, in place of a device that learns; notes its end, and how long sampling kept it at k=0."""

    def __init__(self, sampler: Sleeping) -> None:
        self.sampler = sampler
        self.ends: list[float] = []
        self.sampling: list[float] = []

    def on_after_backward(self, *arguments: Any) -> None:
        time.sleep(TRAIN_S)

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.ends.append(time.perf_counter())
        self.sampling.append(self.sampler.seconds)


@contextmanager
def server(shape: tuple[float, float, float]) -> Iterator[int]:
    program = Path(__file__).with_name("sleeping_server.py")
    words = [sys.executable, str(program), *map(str, shape), str(SLOTS)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def measure(shape: str, ahead: int, beside: bool, steps: int) -> dict[str, float]:
    """Return the mean seconds of a step, and of its sampling, over the steps between the first and the last ones."""
    with server(SHAPES[shape]) as port:
        sampler = Sleeping(group_size=GROUP, max_tokens=4)
        sampler.port, sampler.beside = port, beside
        reward = rewards.FunctionReward(lambda completion: float(ord(completion[0]) % 2))
        module = GRPO(tiny_policy(), reward, sampler, prompts_per_rollout=PROMPTS, rollouts_ahead=ahead)
        clock, last = Clock(sampler), WARM_UP + steps
        quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        # The last rollouts have none asked for beside them, and are not counted.
        trainer = pl.Trainer(
            accelerator="cpu", max_steps=last + ahead, callbacks=[clock], enable_checkpointing=False, **quiet
        )
        trainer.fit(module, PromptDataModule(letter_rows(PROMPTS * (last + ahead))))
    seconds = [after - before for before, after in zip(clock.ends, clock.ends[1:], strict=False)][
        WARM_UP - 1 : last - 1
    ]
    return {"step": mean(seconds), "sampling": mean(clock.sampling[WARM_UP:last])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=7, help="steps that count, of each run")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures go")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {case: measure(*case, options.steps) for case in CASES}
    results, bounds = [], {}
    for shape in SHAPES:
        none = found[shape, 0, True]
        work = sum(row_seconds(*SHAPES[shape], ROWS)) / SLOTS
        train = none["step"] - none["sampling"]
        bounds[shape] = max(train, work)
        print(f"{shape}: train {train:.2f} s, work / slots {work:.2f} s, a rollout alone {none['sampling']:.2f} s")
    print(f"{'':8}{'ahead':>6}{'':>14}{'step':>9}{'of bound':>10}{'speed-up':>10}  bar")
    for (shape, ahead, beside), figures in found.items():
        case, step = (shape, ahead, beside), figures["step"]
        allowed = BARS.get(case)
        published = 0.0 if beside else PUBLISH_S
        over, faster = (step - published) / bounds[shape], found[shape, 0, True]["step"] / step
        said = "" if allowed is None else f"<= {allowed:.2f}  {'met' if over <= allowed else 'MISSED'}"
        way = "" if not ahead else "side by side" if beside else "drained"
        print(f"{shape:8}{ahead:>6}{way:>14}{step:>7.2f} s{over:>10.2f}{faster:>10.2f}  {said}".rstrip())
        row = {"shape": shape, "ahead": ahead, "side_by_side": beside, "step_seconds": step, "bound": bounds[shape]}
        results.append({**row, "over_bound": over, "speed_up": faster, "bar": allowed})
    options.json.write_text(json.dumps({**facts(), "steps": options.steps, "cases": results}, indent=2) + "\n")
    ratios = [found["tail", 0, True]["step"] / found["tail", ahead, True]["step"] for ahead in (1, 2)]
    print(f"ahead1_ratio={ratios[0]:.3f} ahead2_ratio={ratios[1]:.3f}")


if __name__ == "__main__":
    main()
