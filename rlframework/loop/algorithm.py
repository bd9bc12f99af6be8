"""The Lightning side of training a policy on what it makes itself: loader, optimizer, logging, checkpoints."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch import Tensor

from rlframework.loop.checkpoint import check_base, leave_out_base
from rlframework.loop.loader import RolloutLoader, Sealed
from rlframework.loop.minibatches import balanced_order
from rlframework.loop.optimizer import adamw, check_schedule
from rlframework.loop.preflight import check_epoch, check_weights
from rlframework.loop.resume import restore_run_state, run_state
from rlframework.metrics import Tally
from rlframework.policies.base import Policy, eval_mode
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.utilities.arguments import Checked, at_least
from rlframework.utilities.distributed import from_all_ranks, replica
from rlframework.utilities.library_warnings import LEAF_SPEC, NO_VALIDATION, leave_out


class PolicyModule(Checked, pl.LightningModule, ABC):
    """A LightningModule whose batches are minibatches of rollouts that it makes itself, one rollout at a time.

    It knows when things happen and nothing of the objective, nor of where completions come from.

    Args:
        policy: What is trained.
        prompts_per_rollout: Prompts in a rollout over all ranks, ``N``.
        minibatches_per_rollout: Parts of whole groups that a rollout is cut into. With the Trainer's
            ``accumulate_grad_batches`` of as many (or 1 and 1) there is one optimizer step per rollout.
        passes_per_rollout: How often a rollout is used.
        learning_rate: Peak learning rate of AdamW.
        betas: AdamW's decay rates.
        weight_decay: Decoupled decay of the matrices (not of biases, norms and other vectors).
        schedule: Name of a transformers schedule, such as ``"linear"`` or ``"constant"``.
        warmup_steps: Optimizer steps of warm-up.
        seed: Seed of the order of prompts.

    Attributes:
        depends_on_minibatches: True states that the gradient depends on how a step is cut into minibatches, on purpose.
    """

    depends_on_minibatches: ClassVar[bool] = False

    def __init__(
        self,
        policy: Policy,
        *,
        prompts_per_rollout: int = 8,
        minibatches_per_rollout: int = 1,
        passes_per_rollout: int = 1,
        learning_rate: float = 1e-6,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        schedule: str = "linear",
        warmup_steps: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        at_least(self, 1, prompts_per_rollout=prompts_per_rollout, minibatches_per_rollout=minibatches_per_rollout)
        at_least(self, 1, passes_per_rollout=passes_per_rollout)
        at_least(self, 0, learning_rate=learning_rate, weight_decay=weight_decay, warmup_steps=warmup_steps, seed=seed)
        check_schedule(self, schedule, warmup_steps)
        self.policy = policy
        # Lightning would miss the base under an adapter; what else is missing `check_base` finds.
        self.strict_loading = not policy.frozen_base
        self.prompts_per_rollout = prompts_per_rollout
        self.minibatches_per_rollout = minibatches_per_rollout
        self.passes_per_rollout = passes_per_rollout
        first, second = map(float, betas)
        self.optimization = {"lr": learning_rate, "betas": (first, second), "weight_decay": weight_decay}
        self.schedule = {"name": schedule, "num_warmup_steps": warmup_steps}
        self.seed = seed
        self._tally = Tally()
        self._figures: dict[str, float] = {}
        self._unlogged: dict[str, float] = {}
        self._update_seconds = 0.0
        self._batch_started = 0.0
        self._run_state: dict[str, Any] | None = None
        self._saved_figures: dict[str, Any] | None = None

    @abstractmethod
    def collect(self, prompts: list[Prompt], step: int) -> Rollout:
        """Make one rollout from this rank's prompts, with the policy's present weights."""

    def prepare_step(self, minibatches: list[Rollout]) -> list[Rollout]:
        """Fix what an optimizer step needs to know of all its minibatches, with the weights that it starts from.

        Called before each optimizer step with this rank's minibatches; return as many.
        """
        return minibatches

    def after_step(self, tally: Tally) -> None:
        """Called after each optimizer step with its figures so far; what it changes is in the checkpoint of that step.

        ``tally.values(self.trainer)`` are the means over all ranks, which every rank has to ask for.
        """

    def minibatch_order(self, rollout: Rollout) -> Tensor:
        """Return the order in which the rows of a rollout are cut into minibatches, ``(B,)``; see `balanced_order`."""
        if self.depends_on_minibatches:
            return torch.arange(len(rollout), device=rollout.group.device)
        return balanced_order(rollout, self.minibatches_per_rollout, self.trainer.accumulate_grad_batches)

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
            gather=from_all_ranks,
            wrap=Sealed,
            prepare=self.prepare_step,
            step_minibatches=lambda: self.trainer.accumulate_grad_batches,
            order=self.minibatch_order,
        )

    def loss_of_minibatch(self, part: Tensor) -> Tensor:
        """Return what Lightning is to differentiate: a minibatch's part of the step's loss, and what the policy adds.

        Args:
            part: Scalar; those of all minibatches and ranks add up to the loss of the step.
        """
        # Lightning divides by the accumulation and averages over replicas; the part already holds every denominator.
        loss = part * self.trainer.accumulate_grad_batches * replica(self.trainer)[1]
        added = self.policy.auxiliary_loss()
        if added is None:
            return loss
        self._tally.mean("auxiliary_loss", added.detach())
        return loss + added

    def configure_optimizers(self) -> Any:
        """Return AdamW over the trainable parameters and its schedule; override it as in any LightningModule."""
        return adamw(self.policy, self.optimization, self.schedule, self.trainer)

    def setup(self, stage: str) -> None:
        """Refuse sizes that do not fit together before anything is loaded."""
        # Lightning's loops, which come next, cannot be wrapped.
        leave_out(LEAF_SPEC, NO_VALIDATION)
        if stage == "fit":
            _ = self.steps_per_pass

    @abstractmethod
    def describe(self) -> str:
        """Say what follows from the sizes; shown when a run starts."""

    def on_fit_start(self) -> None:
        """Say what follows from the sizes, and train: a model fresh from a checkpoint folder is in eval mode."""
        check_weights(self.policy)
        self.train()
        # A run that was stopped leaves half a step's.
        self._tally, self._figures, self._unlogged, self._update_seconds = Tally(), {}, {}, 0.0
        rank_zero_info(self.describe())

    def on_train_batch_start(self, batch: Rollout, batch_idx: int) -> None:
        """Start the clock of the update."""
        self._batch_started = time.perf_counter()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Measure the gradient before it is clipped."""
        gradients = [p.grad for p in self.policy.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self._tally.mean("grad_norm", norm.full_tensor() if hasattr(norm, "full_tensor") else norm)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take the step and sum it up at once: callbacks save and compare before ``on_train_batch_end`` is called."""
        super().optimizer_step(*args, **kwargs)
        self.after_step(self._tally)
        # DeepSpeed counts the minibatches of a step itself.
        if not self.trainer.fit_loop._should_accumulate():
            self._count_update_seconds()
            self._tally.mean("update_seconds", torch.tensor(self._update_seconds, device=self.device))
            self._show(self._tally.values(self.trainer))
            self._tally, self._update_seconds = Tally(), 0.0

    def on_train_batch_end(self, outputs: Any, batch: Rollout, batch_idx: int) -> None:
        """Log once per optimizer step, over all its minibatches and all ranks."""
        if self.trainer.fit_loop._should_accumulate():
            self._count_update_seconds()
            return
        for name, value in self._unlogged.items():
            self.log(f"train/{name}", value, prog_bar=name == "reward")
        self._unlogged = {}

    def _show(self, figures: dict[str, float]) -> None:
        """Hand figures to callbacks, which may compare them before they are logged."""
        self._figures |= figures
        self._unlogged |= figures
        shown = {f"train/{name}": torch.as_tensor(value) for name, value in figures.items()}
        for logged in (self.trainer._results or {}).values():
            if logged.meta.name in shown:
                logged.reset()  # Lightning would go on showing what the step before has logged
        self.trainer.callback_metrics.update(shown)
        self.trainer.progress_bar_metrics.update({n: v.item() for n, v in shown.items() if n == "train/reward"})

    def _count_update_seconds(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self._update_seconds += time.perf_counter() - self._batch_started

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save what Lightning does not, so that a resumed run is the same run, and not what never changes."""
        checkpoint["run_state"] = run_state(self.trainer)
        checkpoint["figures"] = {"logged": self._figures, "tallies": from_all_ranks(self._tally.state_dict())}
        leave_out_base(checkpoint, self.policy)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep it until training starts."""
        check_base(checkpoint, self)
        self._run_state = checkpoint.get("run_state")
        self._saved_figures = checkpoint.get("figures")

    def on_train_start(self) -> None:
        """Refuse an epoch that ends inside an optimizer step; go on where a resumed run was saved."""
        check_epoch(self.trainer)
        if self.trainer.ckpt_path and self._run_state is not None:
            restore_run_state(self.trainer, self._run_state)
            self._restore_figures()
        self._run_state = None

    def _restore_figures(self) -> None:
        """Take over what the run that was saved has logged, and what it had collected of a step that was not done."""
        if self._saved_figures is None:
            return
        rank, replicas = replica(self.trainer)
        if len(self._saved_figures["tallies"]) == replicas:
            self._tally.load_state_dict(self._saved_figures["tallies"][rank])
        # With the figures of a rollout that began before: loggers and callbacks of this run do not have them.
        self._show(self._saved_figures["logged"])
        self._saved_figures = None
