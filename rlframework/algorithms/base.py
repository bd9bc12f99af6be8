"""What learns: the abstract policy-gradient algorithm, an ordinary LightningModule."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast, final

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch import Tensor, nn

from rlframework.algorithms.optimizer import adamw
from rlframework.algorithms.preflight import check_arguments, check_epoch, check_positions, describe
from rlframework.callbacks.base import RolloutCallback
from rlframework.collect import collect, tally_rollout
from rlframework.distributed import gather_objects, replica
from rlframework.functional.divergences import k3
from rlframework.loader import RolloutLoader, Sealed
from rlframework.metrics import MeanScore, Tally
from rlframework.policies.base import Policy, eval_mode
from rlframework.prompt import Prompt
from rlframework.resume import restore_run_state, run_state
from rlframework.rewards.base import RewardModel
from rlframework.rollout import Rollout
from rlframework.samplers.base import GroupSampler


class PolicyGradient(pl.LightningModule, ABC):
    """Samples groups of completions, scores them, and steps along a per-token surrogate.

    Override `advantages`, `surrogate` and `token_weights`: together they are the algorithm. Override `diagnostics` to
    log more, and any Lightning hook as usual; ``setup`` and the ``on_...`` hooks that this class has itself call for
    ``super()``. Do not override `collect` and `training_step`: they own the order of events and every denominator.

    The loss of an optimizer step is ``sum(token_weights * (surrogate + kl_coefficient * KL))`` over all rows of the
    step on all ranks. How those rows are cut into minibatches, accumulated or spread over ranks does not change it.

    Args:
        policy: What is trained.
        reward: What judges; compose several with ``+`` and ``*``.
        sampler: What samples; its ``group_size`` is ``G`` and its ``temperature`` that of every log-probability.
        prompts_per_rollout: Prompts in a rollout over all ranks, ``N``.
        minibatches_per_rollout: Parts of whole groups that a rollout is cut into. With the Trainer's
            ``accumulate_grad_batches`` of as many (or 1 and 1) there is one optimizer step per rollout.
        passes_per_rollout: How often a rollout is used.
        kl_coefficient: Weight of the KL divergence to `Policy.reference`: the policy as it is now, or of a policy with
            an adapter the model without it. 0 keeps no reference.
        learning_rate: Peak learning rate of AdamW.
        betas: AdamW's decay rates.
        weight_decay: Decoupled decay of the matrices (not of biases, norms and other vectors).
        schedule: Name of a transformers schedule, such as ``"linear"`` or ``"constant"``.
        warmup_steps: Optimizer steps of warm-up.
        validation: Measures of held-out completions by name, logged as ``val/<name>``; ``val/reward`` comes by itself.
        validation_sampler: Samples for validation; by default one greedy completion per prompt from ``sampler``.
        seed: Seed of the order of prompts.

    Raises:
        ValueError: Groups of one (no other row to compare with), a temperature of 0 (all rows of a group alike), or a
            negative coefficient.

    Example:
        REINFORCE with a constant baseline, in full:

        >>> class Reinforce(PolicyGradient):
        ...     def advantages(self, rewards):
        ...         return rewards - 0.5
        ...     def surrogate(self, logprobs, batch):
        ...         return -batch.advantages * logprobs
        ...     def token_weights(self, mask):
        ...         return mask / mask.sum()
    """

    def __init__(
        self,
        policy: Policy,
        reward: RewardModel,
        sampler: GroupSampler,
        *,
        prompts_per_rollout: int = 8,
        minibatches_per_rollout: int = 1,
        passes_per_rollout: int = 1,
        kl_coefficient: float = 0.0,
        learning_rate: float = 1e-6,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        schedule: str = "linear",
        warmup_steps: int = 0,
        validation: Mapping[str, RewardModel] | None = None,
        validation_sampler: GroupSampler | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_arguments(sampler, kl_coefficient)
        self.policy = policy
        self.reward = reward
        self.sampler = sampler
        self.prompts_per_rollout = prompts_per_rollout
        self.minibatches_per_rollout = minibatches_per_rollout
        self.passes_per_rollout = passes_per_rollout
        self.kl_coefficient = kl_coefficient
        self.reference = policy.reference() if kl_coefficient else None
        self.optimization = {"lr": learning_rate, "betas": tuple(betas), "weight_decay": weight_decay}
        self.schedule = {"name": schedule, "num_warmup_steps": warmup_steps}
        measures = {"reward": reward, **(validation or {})}
        self.validation_scores = nn.ModuleDict({name: MeanScore(measure) for name, measure in measures.items()})
        self.validation_sampler = validation_sampler or sampler.replace(group_size=1, temperature=0.0)
        self.seed = seed
        self._tally = Tally()
        self._update_seconds = 0.0
        self._batch_started = 0.0
        self._run_state: dict[str, Any] | None = None

    @abstractmethod
    def advantages(self, rewards: Tensor) -> Tensor:
        """Turn rewards ``(N, G)`` into advantages ``(N, G)``. A NaN reward has abstained and gets advantage 0."""

    @abstractmethod
    def surrogate(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Return the per-token loss to minimise, ``(B, T)`` or ``(B, 1)``, without any reduction.

        Args:
            logprobs: ``(B, T)`` of the present policy, with gradient; 0 outside the completion mask.
            batch: The rows; ``batch.advantages`` is ``(B, 1)``.
        """

    @abstractmethod
    def token_weights(self, mask: Tensor) -> Tensor:
        """Return what each token's loss counts for, ``(B, T)``, given all rows of one optimizer step on all ranks."""

    def diagnostics(self, logprobs: Tensor, batch: Rollout) -> dict[str, Tensor]:
        """Return per-token quantities ``(B, T)`` to be averaged over the step's tokens and logged under ``train/``."""
        return {}

    def log_ratio(self, logprobs: Tensor, batch: Rollout) -> Tensor:
        """Return log pi - log pi_old, ``(B, T)``; with one step per rollout pi_old is pi, and only gradients flow."""
        old = logprobs.detach() if batch.old_logprobs is None else batch.old_logprobs
        return logprobs - old

    @final
    def training_step(self, batch: Rollout, batch_idx: int) -> Tensor:
        """Return the loss of one minibatch: the weighted sum of surrogate and KL over its tokens."""
        mask = batch.completion_mask
        scored = self.policy.logprobs(batch)
        # Padding may hold any finite number; as 0 it cannot overflow in an exponential and poison a sum with 0 * inf.
        logprobs = scored.logprobs.masked_fill(~mask, 0.0)
        surrogate = self.surrogate(logprobs, batch).expand_as(logprobs)
        loss = (batch.weights * surrogate).sum()
        self._tally.sum("surrogate", loss)
        self._tally.mean("entropy", scored.entropy, mask)
        if batch.reference_logprobs is not None:
            divergence = k3(logprobs, batch.reference_logprobs)
            self._tally.mean("kl", divergence, mask)
            loss = loss + self.kl_coefficient * (batch.weights * divergence).sum()
        with torch.no_grad():
            for name, values in self.diagnostics(logprobs, batch).items():
                self._tally.mean(name, values.expand_as(logprobs), mask)
        # Lightning divides by the accumulation and averages over replicas; the weights already hold every denominator.
        return loss * self.trainer.accumulate_grad_batches * replica(self.trainer)[1]

    @final
    def collect(self, prompts: list[Prompt], step: int) -> Rollout:
        """Make one rollout from this rank's prompts, with the policy's present weights, and tell the callbacks."""
        started = time.perf_counter()
        self._tell("on_rollout_start", prompts)
        collected = collect(self, prompts, step)
        self._tell("on_rollout_end", collected)
        tally_rollout(self._tally, collected, time.perf_counter() - started)
        return collected.rollout

    @property
    def steps_per_pass(self) -> int:
        """Optimizer steps in one pass over a rollout.

        Raises:
            ValueError: The Trainer's accumulation does not divide the minibatches.
        """
        accumulate = self.trainer.accumulate_grad_batches
        if self.minibatches_per_rollout % accumulate:
            raise ValueError(
                f"minibatches_per_rollout={self.minibatches_per_rollout} must be a multiple of "
                f"accumulate_grad_batches={accumulate}: an optimizer step cannot reach into the next rollout"
            )
        return self.minibatches_per_rollout // accumulate

    @property
    def steps_per_rollout(self) -> int:
        """Optimizer steps on one rollout, over all passes; with 1 every step is on-policy."""
        return self.steps_per_pass * self.passes_per_rollout

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Sample and score as the policy is deployed: no dropout, no gradients, the Trainer's precision."""
        with eval_mode(self), torch.no_grad(), self.trainer.precision_plugin.forward_context():
            yield

    def rollout_loader(self, prompts: Sequence[Prompt]) -> RolloutLoader:
        """Return the training data loader over prompts; a datamodule returns it from ``train_dataloader``."""
        rank, replicas = replica(self.trainer)
        return RolloutLoader(
            prompts,
            self.collect,
            self.prompts_per_rollout,
            self.minibatches_per_rollout,
            self.passes_per_rollout,
            seed=self.seed,
            # Overfitting means the same prompts again and again.
            epoch=lambda: 0 if self.trainer.overfit_batches else self.trainer.current_epoch,  # type: ignore[attr-defined]
            rank=rank,
            replicas=replicas,
            gather=lambda state: gather_objects(self.trainer, state),
            wrap=Sealed,
        )

    def configure_optimizers(self) -> Any:
        """Return AdamW over the trainable parameters and its schedule; override it as in any LightningModule."""
        return adamw(self.policy, self.optimization, self.schedule, self.trainer)

    def setup(self, stage: str) -> None:
        """Refuse sizes that do not fit together before anything is loaded."""
        if stage == "fit":
            _ = self.steps_per_pass

    def on_fit_start(self) -> None:
        """Say what follows from the sizes, and train: a model fresh from a checkpoint folder is in eval mode."""
        self.train()
        check_positions(self)
        rank_zero_info(describe(self))

    def on_train_batch_start(self, batch: Rollout, batch_idx: int) -> None:
        """Start the clock of the update."""
        self._batch_started = time.perf_counter()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Measure the gradient before it is clipped."""
        gradients = [p.grad for p in self.policy.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self._tally.mean("grad_norm", norm.full_tensor() if hasattr(norm, "full_tensor") else norm)

    def on_train_batch_end(self, outputs: Any, batch: Rollout, batch_idx: int) -> None:
        """Log once per optimizer step, over all its minibatches and all ranks."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self._update_seconds += time.perf_counter() - self._batch_started
        if self.trainer.fit_loop._should_accumulate():
            return
        self._tally.mean("update_seconds", torch.tensor(self._update_seconds, device=self.device))
        metrics = self._tally.values(self.trainer)
        for name, value in metrics.items():
            self.log(f"train/{name}", value, prog_bar=name == "reward")
        self._tally = Tally()
        self._update_seconds = 0.0

    def validation_step(self, prompts: list[Prompt], batch_idx: int) -> None:
        """Measure held-out completions; logged as ``val/<name>`` over the whole set and all ranks."""
        # The last batch of a rank may be empty; it samples all the same, since a sharded policy needs every rank.
        sampled = prompts or self.trainer.datamodule.prompts["validation"][:1]  # type: ignore[attr-defined]
        with self.inference():
            completions = self.validation_sampler.sample(self.policy, sampled)
        if prompts:
            for score in self.validation_scores.values():
                cast(MeanScore, score).update(completions)
        for name, score in self.validation_scores.items():
            shown = name != "reward"
            self.log(f"val/{name}", cast(MeanScore, score), prog_bar=shown, on_epoch=True, batch_size=1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save what Lightning does not, so that a resumed run is the same run."""
        checkpoint["run_state"] = run_state(self.trainer)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep it until training starts."""
        self._run_state = checkpoint.get("run_state")

    def on_train_start(self) -> None:
        """Refuse an epoch that ends inside an optimizer step; go on where a resumed run was saved."""
        check_epoch(self.trainer)
        if self.trainer.ckpt_path and self._run_state is not None:
            restore_run_state(self.trainer, self._run_state)
        self._run_state = None

    def _tell(self, moment: str, *arguments: Any) -> None:
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, RolloutCallback):
                getattr(callback, moment)(self.trainer, self, *arguments)
