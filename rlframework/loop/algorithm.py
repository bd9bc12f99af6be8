"""The Lightning side of training a policy on what it makes itself: loader, optimizer, logging, checkpoints."""

from __future__ import annotations

import copy
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import field
from pathlib import Path
from typing import Any, NoReturn

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import BaseFinetuning, BatchSizeFinder, StochasticWeightAveraging
from pytorch_lightning.utilities.model_helpers import _restricted_classmethod
from pytorch_lightning.utilities.parsing import AttributeDict
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch import Tensor, nn

from rlframework.loop.accumulation import accumulation, accumulations
from rlframework.loop.averaging import averagers, refuse_sharded_averaging, resume_swa, spare_frozen
from rlframework.loop.checkpoint import check_base, leave_out_base
from rlframework.loop.checkpoint_files import check_checkpoint, use_safe_checkpoints
from rlframework.loop.checkpoint_folders import use_safe_folders
from rlframework.loop.checks import check_weights
from rlframework.loop.loader import RolloutLoader, Upcoming
from rlframework.loop.optimizer import adamw, check_schedule, follow_callbacks
from rlframework.loop.prompt_batches import PromptBatches
from rlframework.loop.rank_watch import RankWatch
from rlframework.loop.standing import Progress, Standing, settle
from rlframework.metrics import Tally
from rlframework.metrics.figure_names import figure_names, old_names
from rlframework.policies.base import Policy, eval_mode
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.utilities.arguments import at_least
from rlframework.utilities.distributed import average_shards, replica_rank, unsharded
from rlframework.utilities.fields import Fields
from rlframework.utilities.known_warnings import LEAF_SPEC, NO_VALIDATION, TRANSFER, leave_out
from rlframework.utilities.secrets import without_secrets
from rlframework.utilities.words import logged_words, path_of, recorded


class Algorithm(Fields, pl.LightningModule, ABC):
    """A LightningModule whose batches are minibatches of rollouts that it makes itself, one rollout at a time.

    It knows when things happen and nothing of the objective, nor of where completions come from.

    Attributes:
        step_figures: Metrics of the last optimizer step by name, over all its minibatches and all ranks. Those of a
            rollout are among them in its first step alone.
    """

    policy: Policy = field(kw_only=False)
    """The policy that is trained."""
    learning_rate: float = 1e-6
    """Peak learning rate of AdamW."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's decay rates."""
    weight_decay: float = 0.0
    """Decoupled decay of the matrices (not of biases, norms and other vectors)."""
    schedule: str = "linear"
    """Name of a transformers schedule, such as ``"linear"`` or ``"constant"``."""
    warmup_steps: int = 0
    """Optimizer steps of warm-up."""
    seed: int = 0
    """Seed of the order of prompts."""
    prompts_per_rollout: int = field(init=False)
    minibatches_per_rollout: int = field(init=False, default=1)
    passes_per_rollout: int = field(init=False, default=1)

    def before_fields(self) -> None:
        """Initialise the LightningModule, once, so that it can hold other modules."""
        if "_modules" not in self.__dict__:
            pl.LightningModule.__init__(self)

    def __post_init__(self) -> None:
        """Check sizes, optimizer and seed.

        Raises:
            ValueError: A number out of range, or a schedule that cannot be made by its name.
        """
        super().__post_init__()
        at_least(self, 1, prompts_per_rollout=self.prompts_per_rollout)
        at_least(self, 1, minibatches_per_rollout=self.minibatches_per_rollout)
        at_least(self, 1, passes_per_rollout=self.passes_per_rollout)
        at_least(self, 0, learning_rate=self.learning_rate, weight_decay=self.weight_decay)
        at_least(self, 0, warmup_steps=self.warmup_steps, seed=self.seed)
        check_schedule(self, self.schedule, self.warmup_steps)
        # Lightning would miss the base under an adapter; what else is missing `check_base` finds.
        self.strict_loading = not self.policy.frozen_base
        self._progress = Progress()
        self._tally = Tally()
        self._figure_names: dict[str, str] = {}
        self.step_figures: dict[str, float] = {}
        self._figures: dict[str, float] = {}
        self._unlogged: dict[str, float] = {}
        self._update_seconds = 0.0
        self._batch_started = 0.0
        self._run_state: dict[str, Any] | None = None
        self._saved_figures: dict[str, float] = {}
        self._say_arguments()

    def _say_arguments(self) -> None:
        """Set ``hparams`` to every argument in words, for loggers and for ``load_from_checkpoint``."""
        self._log_hyperparams = True
        arguments = copy.deepcopy(recorded(self) or {})
        self._set_hparams(arguments)
        # What loggers get says the algorithm, too; a checkpoint has the arguments alone, as constructors take them.
        logged = logged_words(without_secrets(arguments))
        self._hparams_initial = AttributeDict({"class_path": self._class_path, **logged})

    @property
    def _class_path(self) -> str:
        return path_of(type(self)) or type(self).__qualname__

    @abstractmethod
    def collect(self, prompts: list[Prompt], step: int) -> Rollout:
        """Make one rollout from this rank's prompts, with the policy's present weights.

        Args:
            prompts: Prompts of this rank.
            step: Number of the rollout.
        """

    def expect(self, upcoming: Iterator[Upcoming]) -> None:
        """Called before `collect` with the rollout that is collected next and those after it; by default nothing to do.

        Args:
            upcoming: In their order, without an end.
        """
        return

    def prepare_step(self, minibatches: list[Rollout]) -> list[Rollout]:
        """Fix what an optimizer step needs to know of all its minibatches, with the weights that it starts from.

        Called before each optimizer step with this rank's minibatches; return as many.
        """
        return minibatches

    def after_step(self, tally: Tally) -> None:
        """Called after each optimizer step with its metrics so far; changes made here are in that step's checkpoint.

        ``tally.values(self.trainer)`` are the means over all ranks, which every rank has to ask for.
        """

    @property
    def epoch_of_prompts(self) -> int:
        """Epoch that the order of prompts is a function of; 0 while overfitting, which repeats the same prompts."""
        return 0 if self.trainer.overfit_batches else self.trainer.current_epoch  # type: ignore[attr-defined]

    @property
    def minibatches_per_step(self) -> int:
        """Minibatches that the Trainer accumulates."""
        return self.trainer.accumulate_grad_batches

    @property
    def minibatches_per_epoch(self) -> float:
        """Minibatches after which Lightning ends an epoch, if the prompts last for as many."""
        return self.trainer.num_training_batches

    @property
    def minibatches_done(self) -> int | None:
        """Minibatches of the epoch that a checkpoint taken now counts as done; None between two epochs."""
        return self._standing().done

    def _standing(self) -> Standing:
        return self._progress.standing(self.trainer, in_loader=getattr(self.trainer.train_dataloader, "working", False))

    def begin_step(self, done: int) -> None:
        """Take down the state to which a checkpoint from inside the next rollout or optimizer step goes back.

        Args:
            done: Minibatches of the epoch that are done.
        """
        self._progress.begin_step(self.trainer, done, self._tally.state_dict())

    def begin_minibatch(self, done: int) -> None:
        """Take down which validations came before the minibatch that is handed out now.

        Args:
            done: Minibatches of the epoch that are done.
        """
        self._progress.begin_minibatch(self.trainer, done, self._tally.state_dict())

    @property
    def steps_per_pass(self) -> int:
        """Optimizer steps in one pass over a rollout.

        Raises:
            ValueError: The Trainer's accumulation does not divide the minibatches.
        """
        self._check_accumulation({self.minibatches_per_step})
        return self.minibatches_per_rollout // self.minibatches_per_step

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
        rank, replicas = replica_rank(self.trainer)
        sizes = self.prompts_per_rollout, self.minibatches_per_rollout, self.passes_per_rollout
        return RolloutLoader(prompts, self, *sizes, seed=self.seed, rank=rank, replicas=replicas)

    def prompt_loader(self, prompts: Sequence[Prompt], batch_size: int = 256) -> PromptBatches:
        """Return a loader of held-out prompts, shared out over ranks, for a ``val_dataloader`` of one's own.

        Args:
            prompts: All of them, the same on every rank.
            batch_size: Most prompts that a rank answers together.
        """
        return PromptBatches(prompts, batch_size, *replica_rank(self.trainer))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move rollouts; prompts are read where they are.

        Args:
            batch: A minibatch of a rollout, or prompts.
            device: The device of this rank.
            dataloader_idx: Number of the data loader; unused.
        """
        return batch if isinstance(batch, list) else batch.to(device)

    def loss_of_minibatch(self, part: Tensor) -> Tensor:
        """Return the scalar that Lightning differentiates: a minibatch's part of the step's loss, and the policy's own.

        Args:
            part: Scalar; those of all minibatches and ranks add up to the loss of the step.
        """
        # Lightning divides by the accumulation and averages over replicas; the part already holds every denominator.
        loss = part * self.minibatches_per_step * replica_rank(self.trainer).total
        added = self.policy.auxiliary_loss()
        if added is None:
            return loss
        self._tally.mean("auxiliary_loss", added.detach())
        return loss + added

    @property
    def _rank_watch(self) -> RankWatch | None:
        callbacks = self.trainer.callbacks  # type: ignore[attr-defined]
        return next((callback for callback in callbacks if isinstance(callback, RankWatch)), None)

    def together(self, interruptible: bool = True) -> AbstractContextManager[None]:
        """Return a context at whose end all ranks meet, and raise together what was raised in it on any of them.

        Args:
            interruptible: Leave it as soon as another rank wants to stop; see `RankWatch.together`.
        """
        return nullcontext() if self._rank_watch is None else self._rank_watch.together(interruptible)

    def configure_optimizers(self) -> Any:
        """Return AdamW over the trainable parameters and its schedule; override it as in any LightningModule."""
        schedule = {"name": self.schedule, "num_warmup_steps": self.warmup_steps}
        return adamw(self.policy, self.optimization, schedule, self.trainer)

    @property
    def optimization(self) -> dict[str, Any]:
        """Arguments of AdamW: learning rate, betas, weight decay."""
        first, second = map(float, self.betas)
        return {"lr": self.learning_rate, "betas": (first, second), "weight_decay": self.weight_decay}

    def configure_callbacks(self) -> Sequence[pl.Callback] | pl.Callback:
        """Return the callback that ends all ranks when one has failed, unless there is one rank or the run has one.

        Raises:
            ValueError: A callback averages weights of which ranks hold parts, or looks for a ``batch_size``: a rollout
                has several sizes.
        """
        if any(isinstance(callback, BatchSizeFinder) for callback in self.trainer.callbacks):  # type: ignore[attr-defined]
            raise ValueError(
                "BatchSizeFinder looks for a batch_size, and a rollout has none: what is in memory at once is "
                "prompts_per_rollout / minibatches_per_rollout groups. A run estimates its memory when it starts; if "
                "that is too much, raise minibatches_per_rollout and accumulate_grad_batches, which changes no gradient"
            )
        refuse_sharded_averaging(self.trainer)
        return [] if self.trainer.world_size == 1 or self._rank_watch is not None else [RankWatch()]

    def setup(self, stage: str) -> None:
        """Refuse sizes that do not fit together before anything is loaded."""
        # Lightning's loops, which come next, cannot be wrapped.
        leave_out(LEAF_SPEC, NO_VALIDATION, TRANSFER)
        use_safe_checkpoints(self.trainer)
        use_safe_folders(self.trainer)
        if stage == "fit":
            self._check_accumulation(accumulations(self.trainer))
        if self._compiler_ctx is not None:
            raise ValueError(
                f"torch.compile({type(self).__name__}(...)) would trace sampling and rewards, whose shapes change with "
                "every rollout; compile what is the same each time, the model: algorithm.policy.model.compile()"
            )

    def _check_accumulation(self, counts: Collection[int]) -> None:
        for accumulate in counts:
            if self.minibatches_per_rollout % accumulate:
                raise ValueError(
                    f"minibatches_per_rollout={self.minibatches_per_rollout} must be a multiple of "
                    f"accumulate_grad_batches={accumulate}: an optimizer step cannot reach into the next rollout"
                )

    @abstractmethod
    def describe(self) -> str:
        """Return in words the sizes of rollout and optimizer step; printed when training starts."""

    def on_fit_start(self) -> None:
        """Print the sizes, and switch to train mode: a model fresh from a checkpoint folder is in eval mode.

        Raises:
            ValueError: Part of what FSDP2 trains is not sharded, so that each rank would train it by itself.
        """
        check_weights(self.policy)
        if names := unsharded(self.policy):
            raise ValueError(
                f"FSDP2 shards parts of the model, and {names[0]} is in none of them ({len(names)} weights are not): "
                "each rank would train it by itself. After its layers, shard the model as a whole: "
                "fully_shard(self.policy.model, mesh=mesh)"
            )
        if average_shards(self.policy):
            rank_zero_info(
                f"gloo of torch {torch.__version__} adds up the gradients of shards where it should average them "
                "(pytorch issue 162338); FSDP2 divides them itself in this run."
            )
        for callback in averagers(self.trainer):
            spare_frozen(callback._average_model, self, "" if self.policy.frozen_base else "reference.")
        self._follow_finetuning()
        self.train()
        # A run that was stopped leaves half a step's.
        self._tally, self._figures, self._unlogged, self._update_seconds = Tally(), {}, {}, 0.0
        self._progress = Progress()
        rank_zero_info(self.describe())

    def _follow_finetuning(self) -> None:
        """Make a resumed run's schedules and weights fit the groups that a finetuning callback has given back to it.

        The callback freezes in ``setup`` and gives the groups back, and leaves what was thawed before frozen.
        """
        callbacks = self.trainer.callbacks  # type: ignore[attr-defined]
        if self.trainer.ckpt_path and any(isinstance(one, BaseFinetuning) for one in callbacks):
            for config in self.trainer.lr_scheduler_configs:
                follow_callbacks(config.scheduler)
            for optimizer in self.trainer.optimizers:
                for group in optimizer.param_groups:
                    for parameter in group["params"]:
                        parameter.requires_grad_(True)

    def on_train_batch_start(self, batch: Rollout, batch_idx: int) -> None:
        """Start the clock of the update."""
        self._batch_started = time.perf_counter()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Measure the gradient before it is clipped.

        Raises:
            RuntimeError: FSDP2 has not reduced the gradients, so that the step would change nothing.
        """
        if names := unsharded(self.policy):
            raise RuntimeError(
                f"FSDP2 has reduced no gradient of {names[0]} ({len(names)} weights): the optimizer would leave it as "
                "it is. Was the forward pass that of a part of the model, such as policy.model.model(...)? FSDP2 is "
                "told of policy.model(...) alone"
            )
        gradients = [p.grad for p in self.policy.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self._tally.mean("grad_norm", norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
        self._progress.begin_change(self.trainer)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take the step and sum it up at once: callbacks save and compare before ``on_train_batch_end`` is called."""
        changed = False
        try:
            super().optimizer_step(*args, **kwargs)
            self.after_step(self._tally)
            # DeepSpeed counts the minibatches of a step itself.
            if not self.trainer.fit_loop._should_accumulate():
                self._count_update_seconds()
                self._tally.mean("update_seconds", torch.tensor(self._update_seconds, device=self.device))
                self.step_figures = self._named(self._figures_of_step())
                self._show(self.step_figures)
                self._tally, self._update_seconds = Tally(), 0.0
                changed = True
        finally:
            self._progress.end_change(self.trainer, changed)

    def _figures_of_step(self) -> dict[str, float]:
        """Return the tally's values over all ranks; what ranks wish is added up with them, at no call of its own."""
        if self._rank_watch is None:
            return self._tally.values(self.trainer)
        names = ("ranks_that_stop", "ranks_that_requeue")
        for name, wish in zip(names, self._rank_watch.wishes(), strict=True):
            self._tally.sum(name, torch.tensor(wish))
        figures = self._tally.values(self.trainer)
        self._rank_watch.agree(*(figures.pop(name) for name in names))
        return figures

    def on_train_batch_end(self, outputs: Any, batch: Rollout, batch_idx: int) -> None:
        """Log once per optimizer step, over all its minibatches and all ranks."""
        self._progress.end_minibatch()
        if self.trainer.fit_loop._should_accumulate():
            self._count_update_seconds()
            return
        for name, value in self._unlogged.items():
            self.log(f"train/{name}", value)
        self._unlogged = {}

    def on_train_end(self) -> None:
        """Leave the Trainer's flags as they were given."""
        self._progress.validate_again(self.trainer)

    def _named(self, figures: dict[str, float]) -> dict[str, float]:
        """Return metrics under names that every logger takes."""
        known = self._figure_names
        if not figures.keys() <= known.keys():
            self._figure_names = known = figure_names(dict.fromkeys([*known, *figures]))
        return {known[name]: value for name, value in figures.items()}

    def _show(self, figures: dict[str, float]) -> None:
        """Hand metrics to callbacks, which may compare them before they are logged, by their old names too."""
        self._figures |= figures
        self._unlogged |= figures
        every = [(shown, value) for name, value in figures.items() for shown in (name, *old_names(name))]
        shown = {f"train/{name}": torch.as_tensor(value) for name, value in every}
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
        """Save the state that Lightning does not, so that a resumed run is the same run; leave out the frozen base.

        Raises:
            RuntimeError: This process has only started the ranks, as under ``ddp_spawn``, and has no run to save. What
                the ranks failed with is raised instead where it was the reason to save.
        """
        if self._trainer is None:
            self._refuse_to_save()
        standing = self._standing()
        if standing.lost:
            rank_zero_info(
                f"The checkpoint is taken inside an optimizer step and goes back to its start: a resumed run does "
                f"{standing.lost} minibatches again."
            )
        if standing.torn:
            rank_zero_warn(
                "The checkpoint is taken while the optimizer fails inside its step: its weights can be loaded, and no "
                "run can be resumed from it."
            )
        settle(checkpoint["loops"]["fit_loop"], standing)
        checkpoint["global_step"] = standing.steps
        checkpoint["run_state"] = self._progress.state_dict(self.trainer, standing, self._tally.state_dict())
        checkpoint["figures"] = self._figures
        checkpoint["class_path"] = self._class_path
        leave_out_base(checkpoint, self.policy)

    def _refuse_to_save(self) -> NoReturn:
        words = (
            "This process has saved no checkpoint: it holds the weights from before training, and the ranks that it "
            "started hold the run. Callbacks save there, on an exception too."
        )
        failed = sys.exc_info()[1]
        if failed is None:
            raise RuntimeError(words)
        failed.add_note(words)
        raise failed

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the state of the run until training starts.

        Raises:
            TypeError: ``load_from_checkpoint`` of another algorithm than the run's.
            ValueError: The checkpoint is of another adapter, or of one that was trained on another base.
        """
        known = checkpoint.get("class_path", self._class_path)
        if self._trainer is None and known not in [path_of(one) for one in type(self).__mro__] + [self._class_path]:
            name = known.rpartition(".")[2]
            raise TypeError(f"the checkpoint is of {known}, not {self._class_path}: use {name}.load_from_checkpoint")
        check_base(checkpoint, self)
        self._run_state = checkpoint.get("run_state")
        self._saved_figures = checkpoint.get("figures", {})

    @_restricted_classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """Make the module again, with the weights of a checkpoint, as Lightning does, unless the file is damaged.

        Args:
            checkpoint_path: The file.
            *args: As in Lightning's.
            **kwargs: As in Lightning's.

        Raises:
            DamagedCheckpointError: The file is not what was saved.
        """
        if isinstance(checkpoint_path, (str, Path)):
            check_checkpoint(checkpoint_path)
        return super().load_from_checkpoint(checkpoint_path, *args, **kwargs)

    def on_train_start(self) -> None:
        """Go on where a resumed run was saved.

        Raises:
            ValueError: The epoch ends inside an optimizer step: ``limit_train_batches`` is no multiple of the
                accumulation.
        """
        batches = self.trainer.num_training_batches
        for accumulate in accumulations(self.trainer):
            if batches % accumulate and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
                raise ValueError(
                    f"an epoch of {batches} minibatches ends inside an optimizer step of "
                    f"accumulate_grad_batches={accumulate}; choose a multiple in limit_train_batches"
                )
        # The callback sets it when an epoch starts, and the rest of one that is resumed has no start.
        self.trainer.accumulate_grad_batches = accumulation(self.trainer, self.trainer.current_epoch)
        self._refuse_averaging_untrained()
        if self.trainer.ckpt_path and self._run_state is not None:
            resume_swa(self.trainer, self)
            # With the figures of a rollout that began before: loggers and callbacks of this run do not have them.
            self._show(self._saved_figures)
            tally = self._progress.go_on(self.trainer, self._run_state)
            if tally is not None:
                self._tally.load_state_dict(tally)
        self._run_state, self._saved_figures = None, {}

    def _refuse_averaging_untrained(self) -> None:
        """Refuse an average over weights that have not learned anything yet, which would undo part of the training."""
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, StochasticWeightAveraging) and callback.swa_start == 0:
                raise ValueError(
                    "StochasticWeightAveraging averages the weights that each epoch begins with, and here it begins "
                    f"with the first of max_epochs={self.trainer.max_epochs}, whose weights are untrained (of one "
                    "epoch nothing else is left). Pass swa_epoch_start=2 or above, with as many epochs or more"
                )

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step a schedule, which follows what finetuning callbacks did to the optimizer.

        Args:
            scheduler: A schedule.
            metric: What it is steered by, or None.
        """
        follow_callbacks(scheduler)
        with self._progress.following(self.trainer):
            super().lr_scheduler_step(scheduler, metric)

    @property
    def backbone(self) -> nn.Module:
        """The policy's model without its head, which Lightning's ``BackboneFinetuning`` keeps frozen at first."""
        model = getattr(self.policy, "model", self.policy)
        return getattr(model, "base_model", model)


# Its name until 0.1.
PolicyModule = Algorithm
