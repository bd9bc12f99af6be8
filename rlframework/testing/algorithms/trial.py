"""Runs of the algorithm under test: real training by Lightning, on a table, with everything written down."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework.algorithms.base import PolicyGradient
from rlframework.data.module import PromptDataModule
from rlframework.functional.logprobs import TokenLogProbs
from rlframework.loop.callback import RolloutCallback, RolloutRecord
from rlframework.policies.base import Policy
from rlframework.rewards.base import RewardModel
from rlframework.rollout import Rollout
from rlframework.samplers.base import GroupSampler
from rlframework.testing.algorithms.script import Script, ScriptedReward, ScriptedSampler
from rlframework.testing.report import Violation
from rlframework.testing.table import LETTERS, TablePolicy
from rlframework.utilities.lightning_log import lightning_log

V = len(LETTERS) + 3


def random_table(seed: int = 0) -> Tensor:
    """Return ``(V, V)`` float64 logits of a policy that prefers some tokens."""
    return torch.randn(V, V, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def table_of(policy: Policy) -> Tensor:
    """Return the weights of a policy of the kit, without gradient."""
    return cast(TablePolicy, policy).table.detach()


class WatchedTable(TablePolicy):
    """A table that keeps the log-probabilities that it was learned through, for their gradients."""

    def __init__(self, table: Tensor) -> None:
        super().__init__(table)
        self.scored: list[tuple[Rollout, Tensor]] = []

    def logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
        """Look up, and remember where gradients flow."""
        scored = super().logprobs(batch, entropy_gradient=entropy_gradient)
        if scored.logprobs.requires_grad:
            scored.logprobs.retain_grad()
            self.scored.append((batch, scored.logprobs))
        return scored


@dataclass
class Step:
    """An optimizer step on record: weights before it, gradient, minibatches and their slopes.

    Args:
        table: The weights that it starts from.
        gradient: ``(V, V)``, as the optimizer gets it.
        parts: Its minibatches.
        slopes: Of each of them the derivative of the step's loss by each token's log-probability, ``(B, T)``.
    """

    table: Tensor
    gradient: Tensor
    parts: list[Rollout]
    slopes: list[Tensor]


@dataclass
class Record(RolloutCallback):
    """The record of a run: its rollouts and optimizer steps.

    Args:
        steps: Every optimizer step.
        collected: Every rollout.
    """

    steps: list[Step] = field(default_factory=list)
    collected: list[RolloutRecord] = field(default_factory=list)

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: Any, collected: RolloutRecord) -> None:
        """Append the rollout to `collected`."""
        self.collected.append(collected)

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: Any, optimizer: Any) -> None:
        """Append the optimizer step to `steps`, with its gradient and minibatches."""
        policy = pl_module.policy
        slopes = [torch.zeros_like(scores) if scores.grad is None else scores.grad for _, scores in policy.scored]
        parts = [part for part, _ in policy.scored]
        gradient = torch.zeros_like(policy.table) if policy.table.grad is None else policy.table.grad.clone()
        self.steps.append(Step(policy.table.detach().clone(), gradient, parts, slopes))
        policy.scored = []

    @property
    def gradient(self) -> Tensor:
        """The gradient of the first step."""
        return self.steps[0].gradient

    @property
    def advantages(self) -> Tensor:
        """The advantages of the first rollout, ``(N, G)``."""
        rollout = self.collected[0].rollout
        return rollout.advantages.view(-1, rollout.group_size)

    @property
    def rewards(self) -> list[float]:
        """Mean reward of every rollout."""
        return [collected.scores.total.mean().item() for collected in self.collected]

    def __hash__(self) -> int:
        # Lightning counts callbacks in sets.
        return id(self)


class Drift(pl.Callback):
    """Makes a minibatch look as if the policy had moved since it was sampled.

    Args:
        shift: Of a minibatch, ``(B, T)`` or ``(B, 1)``: log pi - log pi_old of every token.
    """

    def __init__(self, shift: Callable[[Rollout], Tensor]) -> None:
        self.shift = shift

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Set the old log-probabilities."""
        with torch.no_grad():
            present = pl_module.policy.logprobs(batch).logprobs
        batch.old_logprobs = (present - self.shift(batch)).float().masked_fill(~batch.completion_mask, 0.0)


def uneven(batch: Rollout) -> Tensor:
    """Return a shift of up to 0.4 nats that depends on the row's tokens alone, ``(B, T)``."""
    ids = batch.completion_ids + 2 * batch.prompt_ids[:, -1:]
    return 0.4 * torch.sin(3.0 * ids + torch.arange(ids.shape[1]))


class Padded(pl.Callback):
    """Adds columns of padding to every minibatch: left of prompts, right of completions."""

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Widen every tensor with columns."""
        T = batch.completion_ids.shape[1]
        for name in (f.name for f in fields(batch)):
            value = getattr(batch, name)
            if not isinstance(value, Tensor) or value.ndim != 2 or (value.shape[1] != T and "prompt" not in name):
                continue
            # Any letter: nothing may look at the ids of padding.
            filling = V - 1 if name.endswith("ids") else 0
            width = (2, 0) if "prompt" in name else (0, 3)
            setattr(batch, name, torch.nn.functional.pad(value, width, value=filling))


@dataclass(frozen=True)
class Trial:
    """The algorithm under test: makes it afresh and trains it.

    Args:
        kind: The class.
        options: Constructor arguments that the user wants it tested with.
    """

    kind: type[PolicyGradient]
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(
        self, sampler: GroupSampler, reward: RewardModel, table: Tensor, moved: Tensor | None = None, **changes: Any
    ) -> PolicyGradient:
        """Return a new instance; ``moved`` are weights that it gets after its reference has been taken."""
        options = {"learning_rate": 0.1, "schedule": "constant", **copy.deepcopy(dict(self.options)), **changes}
        algorithm = self.kind(WatchedTable(table), reward, sampler, **options)
        if moved is not None:
            table_of(algorithm.policy).copy_(moved)
        return algorithm

    def follow(self, script: Script, **changes: Any) -> PolicyGradient:
        """Return a new instance whose every rollout is the script."""
        table = changes.pop("table", random_table())
        sizes = {"prompts_per_rollout": len(script.prompts)}
        return self.make(ScriptedSampler(script), ScriptedReward(), table, **{**sizes, **changes})

    def record(
        self, script: Script, callbacks: Sequence[pl.Callback] = (), steps: int = 1, accumulate: int = 1, **changes: Any
    ) -> Record:
        """Train on the script."""
        return train(self.follow(script, **changes), callbacks, steps, accumulate)

    def learning_record(self, script: Script, callbacks: Sequence[pl.Callback] = (), **changes: Any) -> Record:
        """Train on the script for one step, and see to it that there is something to learn.

        Raises:
            Violation: The gradient is 0 or not a number.
        """
        record = self.record(script, callbacks, **changes)
        if not (record.gradient.abs().max() > 0 and record.gradient.isfinite().all()):
            size = record.gradient.abs().max().item()
            raise Violation(
                f"the gradient of a rollout of different rewards is {size}",
                "check that advantages() keeps what differs within a group and that surrogate() depends on logprobs",
            )
        return record


def train(
    algorithm: PolicyGradient,
    callbacks: Sequence[pl.Callback] = (),
    steps: int = 1,
    accumulate: int = 1,
    checkpoint: str | None = None,
    rollouts_per_epoch: int = 1,
) -> Record:
    """Train for some optimizer steps, or from a checkpoint up to so many, and return what happened."""
    record = Record()
    with quiet():
        trainer = pl.Trainer(
            max_steps=steps,
            accelerator="cpu",
            devices=1,
            accumulate_grad_batches=accumulate,
            callbacks=[*callbacks, record],
            logger=False,
            enable_checkpointing=any(isinstance(callback, pl.callbacks.Checkpoint) for callback in callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        rows = [{"prompt": LETTERS[i % len(LETTERS)]} for i in range(algorithm.prompts_per_rollout)]
        trainer.fit(algorithm, PromptDataModule(rows * rollouts_per_epoch), ckpt_path=checkpoint)
    return record


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's remarks on a run of a few steps to itself."""
    with lightning_log(logging.ERROR), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def difference(one: Tensor, other: Tensor) -> float:
    """Return the largest difference, relative to the largest entry of the first."""
    return ((one - other).abs().max() / one.abs().max().clamp(min=1e-12)).item()
