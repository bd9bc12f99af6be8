"""Samples in the logger: what the policy says, as tables of completions with their scores, and histograms."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from rlframework.callbacks.loggers import Row, log_histogram, log_table, takes_tables
from rlframework.completions import Completion, Completions
from rlframework.loop.callback import RolloutCallback, RolloutRecord
from rlframework.prompt import Prompt
from rlframework.rewards.base import Scores
from rlframework.utilities.arguments import at_least


class SampleLogger(RolloutCallback):
    """Logs tables of completions, chosen so that people see change, to every logger that takes text or tables.

    A row has prompt, completion, expected answer, every score, advantage and stop reason; the column ``chosen`` says
    why it is there:

    - ``samples/heldout``, with each validation: ``same``, the first held-out prompts, the same ones each time;
      ``better`` and ``worse``, those whose score has changed most since the last validation. The score is the first
      measure of ``validation={...}``, else the reward.
    - ``samples/rollout``, with every n-th rollout: ``best`` and ``worst``, one completion of the prompts with the
      highest and the lowest rewards; ``better`` and ``worse``, the prompts whose mean reward has changed most since
      they were last asked, which may be epochs ago.

    Histograms of ``samples/reward`` and ``samples/completion_length`` come with the second. Nothing is sampled for it:
    validation and rollouts made these completions anyway. Rank 0 logs, and what it logs are its own prompts. What
    ``better`` and ``worse`` compare with is in the checkpoint.

    TensorBoard shows the tables as text, W&B as one table that grows, MLflow as a table artifact that grows; beside the
    figures of a ``CSVLogger`` they are files, ``samples/heldout.jsonl`` and ``samples/rollout.jsonl``. Another logger
    is taught by ``rlframework.callbacks.loggers.log_table.register``.

    Args:
        heldout: Held-out prompts that are shown at each validation, and at most as many that changed.
        rollout: Completions of a rollout that are shown of each kind: best, worst, and prompts that changed.
        every_n_rollouts: Rollouts from one that is shown to the next; each 10th costs less than 1 % of a small step.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> trainer = pl.Trainer(callbacks=[SampleLogger(heldout=8)], logger=False)
    """

    def __init__(self, heldout: int = 4, rollout: int = 2, every_n_rollouts: int = 10) -> None:
        at_least(self, 0, heldout=heldout, rollout=rollout)
        at_least(self, 1, every_n_rollouts=every_n_rollouts)
        self.heldout = heldout
        self.rollout = rollout
        self.every_n_rollouts = every_n_rollouts
        # The last score of each prompt, by its index.
        self._validated: dict[int, float] = {}
        self._rolled_out: dict[int, float] = {}
        self._now: dict[int, float] = {}
        self._same: list[Row] = []
        self._changed: list[tuple[float, Row]] = []

    def state_dict(self) -> dict[str, Any]:
        """Return the last score of each prompt, for a checkpoint."""
        return {"validated": dict(self._validated), "rolled_out": dict(self._rolled_out)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Compare with the scores that `state_dict` returned."""
        self._validated, self._rolled_out = dict(state_dict["validated"]), dict(state_dict["rolled_out"])

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Say so if no logger of the run takes tables."""
        if stage == "fit" and not trainer.fast_dev_run and not any(map(takes_tables, trainer.loggers)):  # type: ignore[attr-defined]
            kinds = ", ".join(type(logger).__name__ for logger in trainer.loggers) or "none"
            rank_zero_warn(
                f"SampleLogger has nowhere to log to (loggers: {kinds}). Take a TensorBoardLogger, WandbLogger, "
                "MLFlowLogger or CSVLogger, or leave it out; RolloutWriter writes every completion to a file"
            )

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin a new table."""
        self._now, self._same, self._changed = {}, [], []

    def on_validation_completions(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        completions: Completions,
        scores: Mapping[str, Scores],
    ) -> None:
        """Take what is shown of a batch of held-out prompts."""
        if not self._logs(trainer) or trainer.sanity_checking:
            return
        decides = next((name for name in scores if name != "reward"), "reward")
        numbers = {name: said.total for name, said in scores.items()}
        numbers |= {f"reward/{name}": values for name, values in scores["reward"].components.items()}
        means = scores[decides].total.nanmean(1).tolist()
        for group, (completion, *_) in enumerate(completions.groups()):
            before = self._validated.get(completion.prompt.index)
            self._now[completion.prompt.index] = means[group]
            change = _change(before, means[group])
            if len(self._same) < self.heldout or change:
                row = self._row(trainer, completion, {name: values[group, 0] for name, values in numbers.items()})
                row |= {f"{decides}_before": before}
                if len(self._same) < self.heldout:
                    self._same.append(row | {"chosen": "same"})
                if change:
                    self._changed.append((change, row))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the held-out table, and compare with these scores from now on: a run may be saved inside a validation."""
        self._validated |= {index: score for index, score in self._now.items() if not math.isnan(score)}
        self._log(trainer, "samples/heldout", [*self._same, *_most_changed(self._changed, self.heldout)])

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, record: RolloutRecord) -> None:
        """Log the table of a rollout and its histograms."""
        if not self._logs(trainer):
            return
        shown = record.step % self.every_n_rollouts == 0
        total, changed = record.scores.total, []
        for group, mean in enumerate(total.nanmean(1).tolist()):
            prompt = record.completions[group * record.completions.group_size].prompt
            before = self._rolled_out.get(prompt.index)
            if not math.isnan(mean):
                self._rolled_out[prompt.index] = mean
            if shown and (change := _change(before, mean)):
                best_or_worst = _place(total[group], largest=change > 0)
                changed.append((change, self._rollout_row(trainer, record, group, best_or_worst, before)))
        if not shown:
            return
        rows = [*self._extremes(trainer, record, largest=True), *self._extremes(trainer, record, largest=False)]
        self._log(trainer, "samples/rollout", [*rows, *_most_changed(changed, self.rollout)])
        lengths = torch.tensor([float(row.sampled_tokens) for row in record.completions])
        for name, values in (("samples/reward", total[~total.isnan()]), ("samples/completion_length", lengths)):
            for logger in trainer.loggers if len(values) else []:
                log_histogram(logger, name, values, _step(trainer))

    def _extremes(self, trainer: pl.Trainer, record: RolloutRecord, largest: bool) -> Iterable[Row]:
        """Yield one row of each of the prompts with the highest or lowest rewards."""
        total = record.scores.total
        known = (~total.isnan()).any(1).nonzero().flatten().tolist()
        places = {group: _place(total[group], largest) for group in known}
        sign = -1 if largest else 1
        for group in sorted(known, key=lambda group: sign * float(total[group, places[group]]))[: self.rollout]:
            row = self._rollout_row(trainer, record, group, places[group], None)
            yield row | {"chosen": "best" if largest else "worst"}

    def _rollout_row(
        self, trainer: pl.Trainer, record: RolloutRecord, group: int, place: int, before: float | None
    ) -> Row:
        scores = record.scores
        at = group * record.completions.group_size + place
        numbers = {"reward": scores.total} | {f"reward/{name}": one for name, one in scores.components.items()}
        row = self._row(trainer, record.completions[at], {name: one[group, place] for name, one in numbers.items()})
        advantage = float(record.rollout.advantages[at].mean())
        return row | {"advantage": advantage, "rollout": record.step, "mean_reward_before": before}

    def _row(self, trainer: pl.Trainer, completion: Completion, numbers: Mapping[str, Tensor]) -> Row:
        prompt = completion.prompt
        return {
            "step": _step(trainer),
            "chosen": "",
            "prompt_index": prompt.index,
            "prompt": _storable(prompt.text),
            "completion": _storable(completion.transcript),
            "expected": _storable(expected_answer(prompt, getattr(trainer, "datamodule", None))),
            **{name: None if value.isnan() else float(value) for name, value in numbers.items()},
            "stop_reason": completion.stop_reason,
            "tokens": completion.sampled_tokens,
        }

    def _logs(self, trainer: pl.Trainer) -> bool:
        return trainer.is_global_zero and bool(trainer.loggers)

    def _log(self, trainer: pl.Trainer, name: str, rows: list[Row]) -> None:
        for logger in trainer.loggers if rows and trainer.is_global_zero else []:
            log_table(logger, name, rows, _step(trainer))


def expected_answer(prompt: Prompt, data: Any) -> str:
    """Return the expected answer of a prompt: its answer column, else all columns of its row but the prompt's.

    Args:
        prompt: The prompt.
        data: The data module that it comes from.

    Example:
        >>> expected_answer(Prompt([1], "2+2=?", {"prompt": "2+2=?", "answer": 4}), None)
        '4'
        >>> expected_answer(Prompt([1], "Sort!", {"prompt": "Sort!", "numbers": [2, 1]}), None)
        '{"numbers": [2, 1]}'
    """
    answer = getattr(data, "answer_column", "answer")
    if answer in prompt.row:
        return str(prompt.row[answer])
    asked = getattr(data, "prompt_column", "prompt")
    others = {name: value for name, value in prompt.row.items() if name != asked}
    return json.dumps(others, ensure_ascii=False, default=str) if others else ""


def _step(trainer: pl.Trainer) -> int:
    """Return the step under which Lightning logs figures at this moment."""
    return trainer.fit_loop.epoch_loop._batches_that_stepped


def _storable(text: str) -> str:
    """Return text that every store can encode: half of a surrogate pair is none."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _change(before: float | None, now: float) -> float:
    return 0.0 if before is None or math.isnan(now) else now - before


def _place(rewards: Tensor, largest: bool) -> int:
    """Return the place of the highest or lowest reward in a group, ``(G,)``; NaN is neither."""
    filled = rewards.nan_to_num(nan=-math.inf if largest else math.inf)
    return int(filled.argmax() if largest else filled.argmin())


def _most_changed(changed: list[tuple[float, Row]], count: int) -> list[Row]:
    """Return the rows whose score changed most, at most as many of either kind."""
    better = sorted((one for one in changed if one[0] > 0), key=lambda one: -one[0])[:count]
    worse = sorted((one for one in changed if one[0] < 0), key=lambda one: one[0])[:count]
    return [row | {"chosen": "better" if change > 0 else "worse"} for change, row in [*better, *worse]]
