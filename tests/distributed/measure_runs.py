"""Sentinels and metrics on one or two processes for test_measures.py: ``python measure_runs.py <folder> <devices>``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import torch

from rlframework import Sentinel, Sentinels
from rlframework.completions import Completion, Completions
from rlframework.metrics import MajorityAtK, MeanScore, PairedBootstrap, PassAtK, ShareBound
from rlframework.prompt import Prompt
from rlframework.rewards import RowReward
from rlframework.utilities.distributed import global_rank
from tests.distributed.distributed_runs import EarlyLetter, Plain, algorithm, fit, make_trainer, weights


class LateLetters(Sentinel):
    """Stops when enough rows of a rollout begin late in the alphabet: more than half a rank's, or few of all."""

    needs = ("late",)

    def measure(self, tally, record) -> None:
        late = [float(row.text[:1] >= "n") for row in record.completions]
        tally.mean("late", torch.tensor(late))
        tally.sum("rows", torch.tensor(float(len(late))))

    def look(self, figures: dict[str, float]) -> str | None:
        self.memory.setdefault("seen", []).append((figures["late"], figures["rows"]))
        return "two rollouts" if len(self.memory["seen"]) == 2 else None


class Right(RowReward):
    def score_row(self, completion: Completion) -> float:
        return float(completion.text == "a")


def watch(folder: Path, strategy: Any, devices: int) -> dict[str, Any]:
    """Return what a run that a sentinel stops came to, and what the sentinel saw."""
    late, module = LateLetters(action="stop"), algorithm(Plain)
    trainer = make_trainer(folder, strategy, devices, max_steps=9, callbacks=[Sentinels([late])], limit_val_batches=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(module, trainer)
    lines = [str(line.message) for line in caught if str(line.message).startswith("LateLetters")]
    return {"steps": trainer.global_step, "memory": late.memory, "lines": lines, "weights": weights(module)}


def hold(folder: Path, strategy: Any, devices: int) -> dict[str, Any]:
    """Return what a validation with every metric logs; ranks have unequally many prompts."""
    measures = {
        "accuracy": EarlyLetter(),
        "pass@2": PassAtK(EarlyLetter(), k=2),
        "maj@4": MajorityAtK(EarlyLetter(), k=4, answer=lambda row: row.text[:1]),
        "low": ShareBound(EarlyLetter(), "low"),
    }
    module = algorithm(Plain, validation=measures, validation_samples=4)
    trainer = make_trainer(folder, strategy, devices, max_steps=1)
    data = fit(module, trainer)
    [figures] = trainer.validate(module, data, verbose=False)
    return figures


def pairs() -> list[float]:
    """Return the paired difference of scores of which each rank has its own, seven in all."""
    rank, ranks = global_rank()
    scores = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])[
        rank::ranks
    ]
    metric, mean = PairedBootstrap(resamples=500), MeanScore(Right())
    metric.update(scores[:, :1], scores[:, 1:])
    mean.update(Completions([Completion(Prompt([1], "?"), [2], "ab"[rank], "stop")], group_size=1))
    return [*map(float, metric.compute()), float(mean.compute())]


def run(folder: Path, devices: int) -> dict[str, Any]:
    """Return what this rank ends with."""
    strategy = "ddp" if devices > 1 else "auto"
    return {"watch": watch(folder, strategy, devices), "hold": hold(folder, strategy, devices), "pairs": pairs()}


if __name__ == "__main__":
    results = run(Path(sys.argv[1]), 2)
    torch.save(results, Path(sys.argv[1]) / f"rank{torch.distributed.get_rank()}.pt")
