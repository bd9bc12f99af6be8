"""`replay`, a step of a past run again: completions on record, weights of a checkpoint, the run's own code."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BaseFinetuning, GradientAccumulationScheduler, StochasticWeightAveraging
from torch import Tensor

from rlframework.algorithms.base import PolicyGradient
from rlframework.callbacks.refresh_reference import RefreshReference
from rlframework.completions import Completions
from rlframework.data.module import PromptDataModule
from rlframework.export.read import load_checkpoint
from rlframework.functional.logprobs import TokenLogProbs
from rlframework.loop.averaging import averagers
from rlframework.loop.callback import RolloutCallback, RolloutRecord
from rlframework.loop.loader import RolloutLoader
from rlframework.prompt import Prompt
from rlframework.replay.pieces import pieces_of
from rlframework.replay.result import Pair, Replay, ReplayedCompletion
from rlframework.replay.stored import Record, RecordedSampler, stored_rollouts
from rlframework.rewards.base import Scores
from rlframework.rollout import Rollout
from rlframework.runs import RunFolder
from rlframework.samplers.check import SamplerCheck
from rlframework.utilities.known_warnings import Known, without

# Callbacks that have a part in what is learned; the others write, watch or stop.
_LEARNING = (BaseFinetuning, GradientAccumulationScheduler, RefreshReference, StochasticWeightAveraging)
_OURS = ("rlframework.", "pytorch_lightning.", "lightning.")
_LEFT_OUT = (
    Known(UserWarning, "Be aware that when using `ckpt_path`", r"pytorch_lightning\."),
    Known(UserWarning, "You defined a `validation_step` but have no", r"pytorch_lightning\."),
)
# Figures of a clock, and of an engine that had new weights: none of them comes again.
_OF_THEN = ("_seconds", "canary_gap")


def replay(
    trainer: pl.Trainer,
    algorithm: PolicyGradient,
    data: PromptDataModule,
    run: str | Path,
    step: int,
    *,
    nearest: bool = False,
) -> Replay:
    """Go through an optimizer step of a past run again, and hold it against what was logged.

    The run is gone on with from its last checkpoint before the step, with the completions on record where it sampled:
    rewards, advantages and the loss are computed by the algorithm, under the Trainer, as they were then. With a
    checkpoint at the step nothing has to be learned on the way there.

    Args:
        trainer: Made as for the run. Its loggers are taken away, and its callbacks but those that have a part in
            what is learned; it cannot be used again.
        algorithm: Made as for the run, and still untrained; afterwards it has the weights after the step.
        data: Made as for the run.
        run: Folder of the run, with the files of `RolloutWriter`, a CSV logger and ``ModelCheckpoint``.
        step: Optimizer steps that were done before it, as in ``metrics.csv`` and in the names of checkpoints.
        nearest: Take the weights of the nearest checkpoint instead of learning on from an earlier one. That is quick,
            and the figures are not those of the log.

    Raises:
        FileNotFoundError: There is no record of rollouts, or no checkpoint to be near to.
        LookupError: A rollout is not on record that the run would have to learn from on the way.
        TypeError: The algorithm learns from no rollouts.
        ValueError: The run did not come to this step, or the data are not those of the run.
    """
    if not isinstance(algorithm, PolicyGradient):
        raise TypeError(f"{type(algorithm).__name__} learns from no rollouts; replay is for algorithms that do")
    folder = RunFolder(run)
    rollouts = stored_rollouts(folder.path, algorithm.minibatches_per_rollout)
    number = _rollout_at(rollouts, step)
    records = rollouts[number]
    remarks = [*_quieten(trainer), *_without_logprobs(algorithm, records, trainer.accumulate_grad_batches)]
    begun = records[0]["step"]
    start: dict[str, Any] = {"datamodule": data}
    if nearest:
        at, path = _nearest(folder, begun)
        weights = f"those of {path.name}, after {_steps(at)}, for a rollout that was made after {begun}"
        _load(algorithm, path)
        trainer.fit_loop.epoch_loop.max_steps = step - begun + 1
        witness, start["datamodule"] = _Witness(step - begun, number), _OneRollout(data, number)
    elif before := _before(folder, step, rollouts):
        at, start["ckpt_path"] = before
        name = before[1].name
        weights = f"those of {name}" if at == step else f"learned on for {_steps(step - at)} from {name}"
        witness = _Witness(step, number)
    else:
        weights = f"learned on for {_steps(step)} from the start of the run, which has no checkpoint before the step"
        witness = _Witness(step, number)
    trainer.callbacks.append(witness)  # type: ignore[attr-defined]
    with _sampling(algorithm, RecordedSampler(algorithm.sampler, rollouts, number if nearest else None)):
        with without(*_LEFT_OUT):
            trainer.fit(algorithm, **start)
        if not witness.done:
            raise ValueError(f"the run ends after {_steps(trainer.global_step)}, before step {step} is done")
    return Replay(
        step,
        number,
        algorithm.sampler.group_size,
        weights,
        not nearest,
        witness.replayed(algorithm.policy.tokenizer, records),
        *_figures(folder.figures(), step, witness.figures, remarks),
    )


class _Witness(RolloutCallback):
    """Keeps what a step learned from, and stops the run after it."""

    def __init__(self, step: int, rollout: int) -> None:
        self.step = step
        self.rollout = rollout
        self.minibatches: list[tuple[Rollout, dict[str, Tensor]]] = []
        self.figures: dict[str, float] = {}
        self.done = False
        self.judged: tuple[Completions, Scores] | None = None

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, record: RolloutRecord) -> None:
        """Keep the completions and their scores."""
        self.judged, self.figures = (record.completions, record.scores), {}

    def on_minibatch_scored(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Rollout, scored: TokenLogProbs
    ) -> None:
        """Keep the terms of a minibatch of the step."""
        if trainer.global_step == self.step:
            terms = cast(PolicyGradient, pl_module).token_terms(scored, batch)
            self.minibatches.append((batch.to("cpu"), {name: values.cpu() for name, values in terms.items()}))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Rollout, batch_idx: int
    ) -> None:
        """Keep the figures of the step, with those that its rollout had in its first one; stop after it."""
        algorithm = cast(PolicyGradient, pl_module)
        self.figures |= algorithm.step_figures
        if trainer.global_step <= self.step:
            return
        self.done = True
        if self.judged is None:  # A checkpoint from inside the rollout has its tensors, and no text.
            loader = cast(RolloutLoader, trainer.train_dataloader)
            prompts = loader.prompts_of(algorithm.epoch_of_prompts, self.rollout % loader.rollouts_per_epoch)
            completions = algorithm.sampler.sample(algorithm.policy, prompts, step=self.rollout)
            self.judged = completions, algorithm.reward.evaluate(completions)
        trainer.should_stop = True

    def replayed(self, tokenizer: Any, records: Sequence[Record]) -> list[ReplayedCompletion]:
        """Return the completions of the step, with what is on record of them.

        Args:
            tokenizer: Of the policy.
            records: Of the whole rollout.
        """
        completions, scores = cast(tuple[Completions, Scores], self.judged)
        total = scores.total.flatten().tolist()
        components = {name: values.flatten().tolist() for name, values in scores.components.items()}
        found = []
        for batch, terms in self.minibatches:
            # Minibatches are slices of the rollout, and a group keeps its number in them.
            first = int(batch.group[0]) * batch.group_size
            for place, advantage in enumerate(batch.advantages.mean(1).tolist()):
                row, record = first + place, records[first + place]
                ids = completions[row].ids
                found.append(
                    ReplayedCompletion(
                        completions[row],
                        _pair(record, "reward", total[row]),
                        {name: _pair(record["rewards"], name, values[row]) for name, values in components.items()},
                        _pair(record, "advantage", advantage),
                        pieces_of(tokenizer, ids),
                        {name: values[place, : len(ids)].tolist() for name, values in terms.items()},
                    )
                )
        return found


class _Trusting(SamplerCheck):
    """Takes what is on record: weights that are not those of the run show in the figures."""

    def observe(self, *rollout: Any) -> None:
        """Leave the recorded log-probabilities unchecked."""


class _OneRollout(pl.LightningDataModule):
    """The prompts of one rollout, of data that have more."""

    def __init__(self, data: PromptDataModule, rollout: int) -> None:
        super().__init__()
        self.data = data
        self.rollout = rollout

    @property
    def prompts(self) -> dict[str, Sequence[Prompt]]:
        """All prompts of the data, by split."""
        return self.data.prompts

    def prepare_data(self) -> None:
        """Prepare the data module that has all prompts."""
        self.data.prepare_data()

    def setup(self, stage: str) -> None:
        """Tokenise all prompts, of which one rollout is shown."""
        self.data.trainer = self.trainer
        self.data.setup(stage)

    def train_dataloader(self) -> RolloutLoader:
        """Return the minibatches of the rollout."""
        trainer = cast(pl.Trainer, self.trainer)
        whole = self.data.train_dataloader()
        epoch, place = divmod(self.rollout, whole.rollouts_per_epoch)
        prompts = whole.prompts_of(0 if trainer.overfit_batches else epoch, place)  # type: ignore[attr-defined]
        return cast(PolicyGradient, trainer.lightning_module).rollout_loader(prompts)


def _rollout_at(rollouts: Mapping[int, Sequence[Record]], step: int) -> int:
    """Return the number of the rollout that a step learned from."""
    if not rollouts:
        raise ValueError("there is no completion on record: no line of rollouts.jsonl can be read")
    begun = {records[0]["step"]: number for number, records in rollouts.items()}
    if not (before := [first for first in begun if first <= step]):
        raise ValueError(f"step {step} lies before step {min(begun)}, at which the first rollout on record was made")
    return begun[max(before)]


def _before(folder: RunFolder, step: int, rollouts: Mapping[int, Sequence[Record]]) -> tuple[int, Path] | None:
    """Return the last checkpoint at or before a step that one process can go on from."""
    found = [checkpoint for checkpoint in folder.checkpoints() if checkpoint[0] <= step]
    # Files of earlier versions tell ranks by their names only.
    if any("ranks" in records[0] for records in rollouts.values()) or not (folder.path / "rollouts.jsonl").is_file():
        # Inside a rollout it has the share of each rank, and none goes on with those of others.
        between = {records[0]["step"] for records in rollouts.values()}
        found = [checkpoint for checkpoint in found if checkpoint[0] in between]
    return found[-1] if found else None


def _nearest(folder: RunFolder, step: int) -> tuple[int, Path]:
    if not (found := folder.checkpoints()):
        raise FileNotFoundError(f"there is no checkpoint in {folder.path} to take the weights of")
    return min(found, key=lambda checkpoint: abs(checkpoint[0] - step))


def _load(algorithm: PolicyGradient, path: Path) -> None:
    """Load the weights of a checkpoint, and what an algorithm keeps beside them."""
    checkpoint = load_checkpoint(path)
    algorithm.on_load_checkpoint(checkpoint)
    algorithm.load_state_dict(checkpoint["state_dict"], strict=algorithm.strict_loading)
    algorithm.policy_scores_rollouts = True  # What the sampler knew is of other weights.


def _quieten(trainer: pl.Trainer) -> list[str]:
    """Take away what writes, validates or stops; return remarks about what may be missed."""
    averaging = averagers(trainer)
    before = trainer.callbacks  # type: ignore[attr-defined]
    kept = [one for one in before if isinstance(one, _LEARNING) or one in averaging]
    strange = [type(one).__name__ for one in before if one not in kept and not type(one).__module__.startswith(_OURS)]
    trainer.callbacks, trainer.loggers = kept, []  # type: ignore[attr-defined]
    trainer.limit_val_batches = trainer.num_sanity_val_steps = 0
    trainer.fit_loop.min_epochs = trainer.fit_loop.epoch_loop.min_steps = None
    return [
        f"left out, as it may write or stop: {name}; the figures differ if it changes what is learned"
        for name in strange
    ]


def _without_logprobs(algorithm: PolicyGradient, records: Sequence[Record], accumulate: int) -> list[str]:
    """Return a remark where the sampler's log-probabilities would be compared with, and are not on record."""
    if "logprobs" in records[0]:
        return []
    if algorithm.sampler_correction is not None:
        raise ValueError(
            f"{type(algorithm.sampler_correction).__name__} compares with the sampler's log-probabilities, and they "
            "are not on record: an earlier version wrote it. Of such a run rewards can be computed again (rescore)"
        )
    if algorithm.minibatches_per_rollout * algorithm.passes_per_rollout == accumulate:  # one step
        return []
    return ["the sampler's log-probabilities are not on record; where a step compares with them, it is the policy's"]


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


@contextmanager
def _sampling(algorithm: PolicyGradient, sampler: RecordedSampler) -> Iterator[None]:
    """Give an algorithm another sampler, whose rows stand in the order of the minibatches already."""
    own, check = algorithm.sampler, algorithm.sampler_check
    algorithm.sampler, algorithm.sampler_check = sampler, _Trusting()
    algorithm.minibatch_order = lambda completions: torch.arange(len(completions))  # type: ignore[method-assign]
    try:
        yield
    finally:
        algorithm.sampler, algorithm.sampler_check = own, check
        del algorithm.minibatch_order


def _pair(record: Mapping[str, Any], name: str, now: float) -> Pair:
    """Return a number beside the recorded one, of which null is an abstention."""
    if name not in record:
        return Pair(None, now)
    return Pair(math.nan if record[name] is None else float(record[name]), now)


def _figures(
    log: Mapping[str, tuple[list[int], list[float]]], step: int, now: Mapping[str, float], remarks: Sequence[str]
) -> tuple[dict[str, Pair], list[str]]:
    """Return the figures of a step beside the log's, and the remarks with those of the log that have no counterpart."""
    # Of read_metrics, which counts the steps that are done.
    logged = {
        name.removeprefix("train/"): dict(zip(*points, strict=True)).get(step + 1)
        for name, points in log.items()
        if name.startswith("train/")
    }
    logged = {name: value for name, value in logged.items() if value is not None and not name.endswith(_OF_THEN)}
    pairs = {name: Pair(logged.get(name), value) for name, value in now.items() if not name.endswith(_OF_THEN)}
    if lacking := [name for name in logged if name not in pairs]:
        why = "of a rollout that began before the checkpoint, or of a callback"
        remarks = [*remarks, f"in the log and not computed again, as they are {why}: {', '.join(lacking)}"]
    return pairs, list(remarks)
