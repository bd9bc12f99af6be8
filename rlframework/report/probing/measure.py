"""`probe`, a policy measured before training: pass@k, spread, truncation, length, and the cost of a rollout."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np
import pytorch_lightning as pl

from rlframework.completions import Completions
from rlframework.data.module import PromptDataModule
from rlframework.loop.rollout_algorithm import RolloutAlgorithm
from rlframework.prompt import Prompt
from rlframework.report.evaluation import Evaluation, is_share, tries
from rlframework.report.probing.verdict import verdict
from rlframework.rewards.failure_limits import Counts, counts_of, warn_of_failures
from rlframework.utilities.peak_memory import PeakMemory


@dataclass(frozen=True)
class ProbeReport:
    """Rewards, pass@k, truncation, time and memory of a probe: the completions before any training.

    Args:
        evaluation: The completions, with scores under ``reward``, ``reward/<component>`` and the names of the
            algorithm's ``validation`` measures.
        judge: The measure of 0 and 1 that says what is right; None where there is none.
        max_tokens: Token budget of a completion.
        rollout_prompts: Prompts of a rollout, which the next three are figures of.
        tokens: Sampled in a rollout, on the average.
        seconds: That a rollout's sampling took, the median.
        peak_bytes: Of memory, above what there was before it; the largest.
    """

    evaluation: Evaluation
    judge: str | None
    max_tokens: int
    rollout_prompts: int
    tokens: float
    seconds: float
    peak_bytes: int

    @property
    def verdict(self) -> str:
        """One sentence: whether there is something to reinforce, and what to try if not."""
        found, judge = self.evaluation, self.judge
        size = found.completions.group_size
        spread = {name: found.groups_with_spread(name) for name in found.scores}
        return verdict(
            spread=spread["reward"],
            truncated=found.truncated,
            max_tokens=self.max_tokens,
            group_size=size,
            measure=judge,
            pass_1=found.pass_at_k(judge, 1) if judge else None,
            pass_all=found.pass_at_k(judge, size) if judge else None,
            components={name: share for name, share in spread.items() if name.startswith("reward/")},
            judged=float((~found.scores["reward"].isnan()).float().mean()),
        )

    @property
    def fit(self) -> bool:
        """Whether any group has spread, so that there is something to learn from."""
        return self.evaluation.groups_with_spread("reward") > 0

    def figures(self) -> dict[str, Any]:
        """Return everything as plain numbers, for a file of JSON."""
        found, size = self.evaluation, self.evaluation.completions.group_size
        measures: dict[str, dict[str, Any]] = {}
        for name, scores in found.scores.items():
            measures[name] = {
                "mean": found.share(name),
                "groups_with_spread": found.groups_with_spread(name),
                "abstained": scores.isnan().float().mean().item(),
            }
            if is_share(found, name):
                measures[name]["pass_at_k"] = {k: found.pass_at_k(name, k) for k in tries(size)}
        return {
            "prompts": found.completions.num_groups,
            "group_size": size,
            "max_tokens": self.max_tokens,
            "truncated": found.truncated,
            "length": found.length,
            "measures": measures,
            "rollout": {
                "prompts": self.rollout_prompts,
                "tokens": self.tokens,
                "seconds": self.seconds,
                "peak_mib": self.peak_bytes / 2**20,
            },
            "verdict": self.verdict,
        }


def probe(
    algorithm: RolloutAlgorithm,
    data: PromptDataModule,
    prompts: int = 64,
    group_size: int | None = None,
    trainer: pl.Trainer | None = None,
    ckpt_path: str | None = None,
) -> ProbeReport:
    """Sample the prompts of a run's first rollouts as it would, and say whether there is something to reinforce.

    Nothing is trained. A filter around the sampler, such as `DynamicSampling`, is set aside: what it leaves out counts.

    Args:
        algorithm: What would be trained, with its policy, sampler, reward and ``validation`` measures.
        data: Where the prompts come from; the training split is asked.
        prompts: How many of them, at most.
        group_size: Completions of a prompt, for pass@k of another k; by default the sampler's own ``G``.
        trainer: Says device and precision; by default a quiet one on one device.
        ckpt_path: A checkpoint to probe, instead of the policy as it is.

    Raises:
        RuntimeError: More checks of a reward failed than the algorithm's ``reward_limits`` allow, as in a run.
        TypeError: The algorithm samples nothing, such as `SFT`.
        ValueError: The trainer has several processes, or ``prompts`` is below 1.

    Example:
        >>> from rlframework import GRPO, SharedPrefixSampler, rewards
        >>> from rlframework.testing import letter_rows, tiny_policy
        >>> sampler = SharedPrefixSampler(group_size=4, max_tokens=8)
        >>> algorithm = GRPO(tiny_policy(), rewards.ExactFormat(), sampler)
        >>> report = probe(algorithm, PromptDataModule(letter_rows(8)))
        >>> report.evaluation.n, report.evaluation.groups_with_spread("reward")
        (32, 0.0)
    """
    if not isinstance(algorithm, RolloutAlgorithm):
        raise TypeError(f"{type(algorithm).__name__} samples nothing; probe what would be reinforced, such as GRPO")
    if prompts < 1:
        raise ValueError(f"prompts={prompts}: at least one has to be asked")
    runner = trainer or quiet_trainer()
    if runner.world_size > 1:
        raise ValueError(f"a probe runs in one process, and the trainer has {runner.world_size}; pass devices=1")
    asked = _first_prompts(algorithm, data, prompts)
    meter, own = _Meter(), algorithm.sampler
    # What evaluates has no filter around it.
    size = own.group_size if group_size is None else group_size
    sampler = own.for_evaluation().replace(group_size=size, temperature=own.temperature)

    def sample(prompts: list[Prompt], batch_idx: int) -> Completions:
        with algorithm.inference():
            return sampler.sample(algorithm.policy, prompts, step=batch_idx)

    # As a run would, and not as it predicts, which is as it validates.
    algorithm.predict_step = sample  # type: ignore[method-assign, assignment]
    runner.callbacks.append(meter)  # type: ignore[attr-defined]
    try:
        runner.predict(algorithm, _Batches(asked, algorithm.prompts_per_rollout), ckpt_path=ckpt_path)
    finally:
        del algorithm.predict_step
        runner.callbacks.remove(meter)  # type: ignore[attr-defined]
    completions = Completions([row for part in meter.rollouts for row in part], size)
    evaluation = _judged(algorithm, completions)
    names = [*(name for name in algorithm.validation_scores if name != "reward"), "reward"]
    # A last batch of fewer prompts is no rollout.
    whole = max(1, len(asked) // algorithm.prompts_per_rollout)
    return ProbeReport(
        evaluation=evaluation,
        judge=next((name for name in names if is_share(evaluation, name)), None),
        max_tokens=own.max_tokens,
        rollout_prompts=min(len(asked), algorithm.prompts_per_rollout),
        tokens=fmean(sum(row.sampled_tokens for row in part) for part in meter.rollouts[:whole]),
        seconds=median(meter.seconds[:whole]),
        peak_bytes=max(meter.peaks[:whole]),
    )


def quiet_trainer(**options: Any) -> pl.Trainer:
    """Return a Trainer of one device that logs, saves and shows nothing."""
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "devices": 1}
    return pl.Trainer(**{**quiet, "enable_model_summary": False, **options})


def _first_prompts(algorithm: RolloutAlgorithm, data: PromptDataModule, count: int) -> list[Prompt]:
    data.prepare_data()
    prompts = data.tokenize("train", algorithm.policy.tokenizer)
    # The order of a run's first epoch, as in RolloutLoader.
    order = np.random.default_rng((algorithm.seed, 0)).permutation(len(prompts))
    return [prompts[int(place)] for place in order[:count]]


def _judged(algorithm: RolloutAlgorithm, completions: Completions) -> Evaluation:
    scores = algorithm.reward.evaluate(completions)
    counts = {name: Counts.of(part) for name, part in scores.judgements.items()}
    measured = {"reward": scores.total}
    if len(scores.components) > 1:
        measured |= {f"reward/{name}": values for name, values in scores.components.items()}
    for name, measure in algorithm.validation_scores.items():
        if name != "reward":
            found = measure.reward.evaluate(completions)  # type: ignore[union-attr, operator]
            counts |= counts_of(name, {key: Counts.of(part) for key, part in found.judgements.items()})
            measured[name] = found.total
    warn_of_failures("probe", counts)
    algorithm.reward_limits.refuse(counts)
    return Evaluation("probe", completions, measured)


class _Asked:
    """Prompts that Lightning can move to a device, which they do not need."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self.prompts = list(prompts)

    def to(self, *args: Any, **kwargs: Any) -> list[Prompt]:
        return self.prompts


class _Batches:
    """Sized batches of the prompts of a rollout."""

    def __init__(self, prompts: Sequence[Prompt], size: int) -> None:
        self._batches = [_Asked(prompts[start : start + size]) for start in range(0, len(prompts), size)]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Any:
        return iter(self._batches)


class _Meter(pl.Callback):
    """Keeps what was sampled, how long it took and the most memory that it needed."""

    def __init__(self) -> None:
        self.rollouts: list[Completions] = []
        self.seconds: list[float] = []
        self.peaks: list[int] = []

    def on_predict_batch_start(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        self._memory = PeakMemory(pl_module.device)
        self._memory.__enter__()
        self._started = time.perf_counter()

    def on_predict_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, *args: Any) -> None:
        self.seconds.append(time.perf_counter() - self._started)
        self._memory.__exit__(None, None, None)
        self.peaks.append(self._memory.above)
        self.rollouts.append(outputs)
