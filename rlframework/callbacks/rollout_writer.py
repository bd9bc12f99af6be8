"""Rollouts on disk as JSON lines, readable without any service."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from rlframework.loop.callback import RolloutCallback, RolloutRecord
from rlframework.utilities.distributed import replica
from rlframework.utilities.paths import writable_folder


class RolloutWriter(RolloutCallback):
    """Appends one JSON line per completion: prompt, completion, stop reason, each reward, advantage.

    ``details`` has the columns that rewards add, such as the verdict of a verifier; what JSON cannot hold becomes text.

    A rank writes its own file, ``rollouts.jsonl`` or ``rollouts-<rank>.jsonl``. Lines are only ever appended: after
    a resume, a rollout that had not reached the checkpoint is written again, and its last lines are the ones that were
    learned from.

    Args:
        folder: Where the files go; by default the logger's folder, else the Trainer's ``default_root_dir``.

    Raises:
        PermissionError: The folder cannot be written to; raised before training starts.

    Example:
        Read it back with pandas (``pandas.read_json(path, lines=True)``) or line by line with ``json.loads``.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.path: Path | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Try the folder, so that one without permission fails now and not after the first rollout."""
        if stage != "fit":
            return
        rank, replicas = replica(trainer)
        folder = writable_folder(self.folder or trainer.log_dir or trainer.default_root_dir)
        self.path = folder / ("rollouts.jsonl" if replicas == 1 else f"rollouts-{rank}.jsonl")

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, collected: RolloutRecord) -> None:
        """Append the rollout; nothing in a ``fast_dev_run``, which keeps no records."""
        if self.path is None or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        with self.path.open("a", encoding="utf-8") as file:
            for record in records(collected):
                file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")


def records(collected: RolloutRecord) -> Iterator[dict[str, Any]]:
    """Yield one plain record per completion. An abstention (NaN) becomes null, since JSON has no NaN."""
    rollout = collected.rollout
    components = {name: scores.flatten().tolist() for name, scores in collected.scores.components.items()}
    advantages = rollout.advantages.cpu().mean(1).tolist()
    for row, completion in enumerate(collected.completions):
        yield {
            "rollout": collected.step,
            "prompt_index": completion.prompt.index,
            "prompt": completion.prompt.text,
            "completion": completion.text,
            "completion_ids": completion.ids,
            "stop_reason": completion.stop_reason,
            "reward": _number(float(rollout.rewards[row])),
            "rewards": {name: _number(values[row]) for name, values in components.items()},
            "details": {
                name: {column: values[row] for column, values in judgement.columns.items()}
                for name, judgement in collected.scores.judgements.items()
                if judgement.columns
            },
            "advantage": advantages[row],
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
