"""Progress of a run at any moment, settled for a checkpoint: counters, random numbers and gradients as one state.

A checkpoint can be taken anywhere: between two minibatches, while a rollout is made, inside the backward pass. Weights
change in one place only, so a checkpoint from inside an optimizer step goes back to the step's start, and one from
after the change goes forward to the end of the minibatch. What Lightning counts is set to the same place.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loops.evaluation_loop import RestartStage as EvaluationStage
from pytorch_lightning.loops.training_epoch_loop import RestartStage as EpochStage
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from rlframework.loop.random_state import random_state, restore_random_state
from rlframework.utilities.distributed import all_gather_object, replica_rank

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")


@dataclass(frozen=True)
class Mark:
    """State of the run between two minibatches, apart from weights and optimizer; of one rank.

    Args:
        done: Minibatches of the epoch that are done.
        random_state: As `random_state` returns it.
        tally: State of the metrics of an optimizer step so far.
        gradients: By name of the parameter, where part of a step is accumulated; empty between two steps.
        validated: Whether the validation that is due at this place is done.
    """

    done: int
    random_state: dict[str, Any]
    tally: dict[str, Any]
    gradients: dict[str, Tensor]
    validated: bool


@dataclass(frozen=True)
class Standing:
    """Place of a run among epochs, minibatches and steps, at which it can go on.

    Args:
        epochs: Epochs that are done.
        done: Minibatches of the present epoch that are done; None between two epochs.
        batches: Minibatches done in all epochs.
        steps: Optimizer steps done.
        last: Whether ``done`` is the whole epoch.
        back: Whether this is the start of the present optimizer step, and not where the run is.
        lost: Minibatches that were done since that start.
        schedules_due: Arguments of the updates of learning rates that Lightning has still to make at this place.
        validated: Whether the validation that is due at this place is done.
        torn: Whether the optimizer was stopped while it changed the weights.
    """

    epochs: int
    done: int | None
    batches: int
    steps: int
    last: bool
    back: bool
    lost: int
    schedules_due: list[tuple[str, bool]]
    validated: bool
    torn: bool


class Progress:
    """Keeps of a run what Lightning's counters do not tell.

    Attributes:
        mark: State at the start of the present optimizer step, to which a checkpoint from inside it goes back.
    """

    def __init__(self) -> None:
        self.mark: Mark | None = None
        self._changing = self._changed = -1
        self._scheduled = 0
        self._followed = -1
        self._validated_before = 0
        self._handed_out = (-1, False)
        self._random_state: dict[str, Any] | None = None
        self._val_batches: int | float | None = None
        self._handlers: dict[int, Any] = {}
        self._came: list[int] = []

    def begin_step(self, trainer: pl.Trainer, done: int, tally: dict[str, Any]) -> None:
        """Take down the state at the start of an optimizer step, or of the rollout before it.

        Args:
            trainer: The Trainer.
            done: Minibatches of the epoch that are done.
            tally: State of the metrics of the step.
        """
        self.mark = Mark(done, random_state(), tally, {}, self._validated(trainer))

    def begin_minibatch(self, trainer: pl.Trainer, done: int, tally: dict[str, Any]) -> None:
        """Take down which validations came before a minibatch, and the state after one that fell inside a step.

        That one is not to be done again: callbacks have counted it, and what they have counted does not go back.

        Args:
            trainer: The Trainer.
            done: Minibatches of the epoch that are done.
            tally: State of the metrics of the step.
        """
        # A strategy that accumulates by itself keeps gradients where they cannot be saved.
        kept = done % trainer.accumulate_grad_batches and not trainer.strategy.handles_gradient_accumulation
        if kept and self._validated(trainer):
            self.mark = Mark(done, random_state(), tally, gradients_of(trainer.lightning_module), True)
        self._handed_out = _now(trainer), self._validated(trainer)
        self.validate_again(trainer)
        self._validated_before = trainer.fit_loop.epoch_loop.val_loop.batch_progress.total.completed

    def validate_again(self, trainer: pl.Trainer) -> None:
        """Allow validations, which wait after a resume until a minibatch is made or training ends."""
        if self._val_batches is not None:
            trainer.limit_val_batches, self._val_batches = self._val_batches, None

    def end_minibatch(self) -> None:
        """Take down the random state before a validation that may follow, which a checkpoint from inside it begins."""
        self._random_state = random_state()

    def begin_change(self, trainer: pl.Trainer) -> None:
        """Note that the optimizer is about to change the weights; signals wait until `end_change`."""
        self._changing = _now(trainer)
        self._hold_signals()

    def end_change(self, trainer: pl.Trainer, changed: bool) -> None:
        """Note that weights, optimizer and metrics belong together again, and answer the signals that came.

        Args:
            trainer: The Trainer.
            changed: Whether a step was taken.
        """
        if changed:
            self._changed = _now(trainer)
            self._scheduled = trainer.fit_loop.epoch_loop.scheduler_progress.total.ready
        self._release_signals()

    @contextmanager
    def following(self, trainer: pl.Trainer) -> Iterator[None]:
        """Note that a schedule follows the weights; signals wait until it has done so."""
        self._hold_signals()
        try:
            yield
            self._followed = trainer.fit_loop.epoch_loop.scheduler_progress.total.ready
        finally:
            self._release_signals()

    def standing(self, trainer: pl.Trainer, in_loader: bool) -> Standing:
        """Return where the run stands for a checkpoint taken now.

        Args:
            trainer: The Trainer.
            in_loader: Whether the next minibatch is being made.
        """
        loop = trainer.fit_loop.epoch_loop
        epoch: Any = trainer.fit_loop.epoch_progress.current
        now: Any = loop.batch_progress.current
        total: Any = loop.batch_progress.total
        whole = trainer.num_training_batches
        changed = self._changed == total.ready > 0
        in_minibatch = now.ready > now.processed
        inside_step = now.processed % trainer.accumulate_grad_batches > 0
        # A strategy that accumulates by itself keeps gradients where they cannot be saved.
        kept = inside_step and trainer.strategy.handles_gradient_accumulation
        back = in_loader or (in_minibatch and not changed) or (kept and not in_minibatch)
        done = now.processed + (in_minibatch and changed)
        lost = 0
        if back and self.mark is not None:
            done, lost = self.mark.done, done - self.mark.done
        # Lightning has counted the epoch, also where it was stopped before its end.
        counted = epoch.processed == epoch.started
        between = counted and (done in (0, whole) or epoch.ready > epoch.started or now.started < now.processed)
        taken = loop.automatic_optimization.optim_progress.optimizer.step.total
        steps = taken.ready if changed else taken.completed
        last = not between and done == whole
        due, scheduled = [], loop.scheduler_progress.total
        # Lightning counts a schedule when all of its hook is over.
        following = self._followed == scheduled.ready > scheduled.completed
        if changed and now.completed < now.ready and scheduled.completed + following == self._scheduled:
            due += [("step", False)] + [("epoch", False)] * last
        if not back and loop._batches_that_stepped < steps and not following:
            due.append(("step", True))
        if between and epoch.completed < epoch.processed and not following:
            due.append(("epoch", True))
        return Standing(
            epochs=epoch.processed - (counted and not between),
            done=None if between else done,
            batches=total.processed - now.processed + done,
            steps=steps,
            last=last,
            back=back,
            lost=lost,
            schedules_due=due,
            validated=self.mark.validated if back and self.mark else self._validated(trainer),
            torn=in_minibatch and not changed and self._changing == total.ready,
        )

    def _validated(self, trainer: pl.Trainer) -> bool:
        """Return whether a validation has ended since the last minibatch."""
        now, validated = self._handed_out
        if now == _now(trainer):  # The minibatch was handed out, and Lightning has not counted it yet.
            return validated
        loop = trainer.fit_loop.epoch_loop.val_loop
        validation = loop.batch_progress
        # It lets go of them after the hooks that end the epoch of validation.
        ended = validation.is_last_batch and not loop._logged_outputs
        ended = ended and validation.total.ready == validation.total.completed
        return ended and validation.total.completed > self._validated_before

    def state_dict(self, trainer: pl.Trainer, standing: Standing, tally: dict[str, Any]) -> dict[str, Any]:
        """Return every rank's random state, metrics and gradients where the run stands. Every rank has to call it.

        Args:
            trainer: The Trainer.
            standing: Where the run stands.
            tally: State of the metrics of the present optimizer step.
        """
        if standing.back and self.mark is not None:
            mark = self.mark
        else:
            inside = (standing.done or 0) % trainer.accumulate_grad_batches and not standing.last
            gradients = gradients_of(trainer.lightning_module) if inside else {}
            unfinished = trainer.validating and not standing.validated and self._random_state
            mark = Mark(standing.done or 0, unfinished or random_state(), tally, gradients, standing.validated)
        return {
            "random_states": all_gather_object(mark.random_state),
            "tallies": all_gather_object(mark.tally),
            "gradients": all_gather_object(mark.gradients),
            "accumulate_grad_batches": trainer.accumulate_grad_batches,
            "schedules_due": standing.schedules_due,
            "monitored": _monitored(trainer),
            "validated": standing.validated,
            "torn": standing.torn,
        }

    def go_on(self, trainer: pl.Trainer, state: Mapping[str, Any]) -> dict[str, Any] | None:
        """Continue where the state was taken, when training starts: setting up a run draws random numbers of its own.

        Args:
            trainer: The Trainer, whose training starts.
            state: As `state_dict` returned it.

        Returns:
            The state of the metrics of the present optimizer step; None on another number of ranks.

        Raises:
            ValueError: The checkpoint lies inside a rollout whose token weights are those of another accumulation, or
                the optimizer was stopped inside its step.
        """
        if state["torn"]:
            raise ValueError(
                "the checkpoint was taken when the optimizer had failed inside its step: some weights are a step ahead "
                "of the others; resume from the checkpoint before it"
            )
        # Lightning gives a loader its state when it makes it, and it makes it too early if `configure_optimizers` asks
        # for `estimated_stepping_batches`: before it has read the state. A second call finds nothing left to do.
        trainer.fit_loop._load_combined_loader_states()
        loader, saved = trainer.train_dataloader, state["accumulate_grad_batches"]
        if getattr(loader, "inside_rollout", False) and saved != trainer.accumulate_grad_batches:
            raise ValueError(
                f"accumulate_grad_batches={saved} is now {trainer.accumulate_grad_batches}, and the checkpoint lies "
                "inside a rollout whose token weights are those of its own accumulation; resume with that one, or from "
                "a checkpoint between two rollouts"
            )
        rank, replicas = replica_rank(trainer)
        trainer.callback_metrics.update(state["monitored"])
        self._place_loops(trainer, state["validated"], state["schedules_due"])
        if len(state["random_states"]) != replicas:
            rank_zero_warn(f"{len(state['random_states'])} ranks are now {replicas}: dropout draws other numbers")
            return None
        tally, gradients = state["tallies"][rank], state["gradients"][rank]
        set_gradients(trainer.lightning_module, gradients)
        restore_random_state(state["random_states"][rank])
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        self.mark = Mark(done, state["random_states"][rank], tally, gradients, state["validated"])
        return tally

    def _place_loops(self, trainer: pl.Trainer, validated: bool, schedules_due: list[tuple[str, bool]]) -> None:
        """Put Lightning's loops, which have loaded a settled state, where the run stood.

        They would guess from their counters which of Lightning's own moments a checkpoint was taken at, and leave out
        a validation and updates of the learning rate that were due.
        """
        fit, loop = trainer.fit_loop, trainer.fit_loop.epoch_loop
        self._validated_before = -1 if validated else loop.val_loop.batch_progress.total.completed
        missing = (
            loop.restarting
            and not validated
            and loop.batch_progress.current.ready > 0
            and loop._should_check_val_fx(fit._data_fetcher)  # type: ignore[arg-type]
        )
        for interval, plateau in schedules_due:
            # After the validation Lightning makes this one itself.
            if not (missing and (interval, plateau) == ("step", True)):
                loop.update_lr_schedulers(interval, update_plateau_schedulers=plateau)
        if not loop.restarting:
            return
        loop._restart_stage = EpochStage.RESTARTED_ON_LAST
        if missing:
            loop.val_loop._restart_stage = EvaluationStage.RESTARTED_MID_EVALUATION
            if not loop._should_accumulate():
                # It ends the last minibatch once more, with the validation, and counts its step.
                loop._batches_that_stepped -= 1
        else:
            # It would end the last minibatch once more without the validation.
            self._val_batches, trainer.limit_val_batches = trainer.limit_val_batches, 0
        # At the end of an epoch it would leave out schedulers that watch a metric, as it does not save metrics.
        fit._restarting = False

    def _hold_signals(self) -> None:
        """Put off signals: a handler that saves a checkpoint would find weights that are changed in part."""
        if threading.current_thread() is not threading.main_thread():
            return
        came: list[int] = []
        self._came = came

        def hold(number: int, frame: FrameType | None) -> None:
            came.append(number)

        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and callable(before := signal.getsignal(number)):
                self._handlers[number] = before
                signal.signal(number, hold)

    def _release_signals(self) -> None:
        """Put the handlers of signals back, and call them for the signals that were put off."""
        handlers, self._handlers = self._handlers, {}
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if handlers:
            for number in self._came:
                handlers[number](number, None)


def settle(loop: dict[str, Any], standing: Standing) -> None:
    """Set what Lightning has counted to where the run stands, so that it goes on there and nowhere else.

    Args:
        loop: State of the training loop, as Lightning saves it; it is changed.
        standing: Where the run stands.
    """
    begun = standing.done is not None
    _count(loop["epoch_progress"], standing.epochs, standing.epochs)
    for part in ("total", "current"):
        for kind in ("ready", "started"):
            loop["epoch_progress"][part][kind] += begun
    batches = loop["epoch_loop.batch_progress"]
    _count(batches, standing.batches, standing.done or 0)
    batches["is_last_batch"] = standing.last
    optimizer = loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
    step = optimizer["step"]
    earlier = step["total"]["completed"] - step["current"]["completed"]
    _count(step, standing.steps, standing.steps - earlier if begun else 0)
    _count(optimizer["zero_grad"], standing.steps, standing.steps - earlier if begun else 0)
    scheduler = loop["epoch_loop.scheduler_progress"]
    _count(scheduler, scheduler["total"]["completed"], scheduler["current"]["completed"] if begun else 0)
    validation = loop["epoch_loop.val_loop.batch_progress"]
    _count(validation, validation["total"]["completed"], 0)
    loop["epoch_loop.state_dict"]["_batches_that_stepped"] = standing.steps


def _count(progress: dict[str, Any], total: int, current: int) -> None:
    for part, number in (("total", total), ("current", current)):
        progress[part] = dict.fromkeys(progress[part], number)


def gradients_of(module: nn.Module) -> dict[str, Tensor]:
    """Return this rank's accumulated gradients by the names of their parameters, on the CPU."""
    found = {}
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            gradient = parameter.grad.to_local() if isinstance(parameter.grad, DTensor) else parameter.grad
            found[name] = gradient.detach().to("cpu", copy=True)
    return found


def set_gradients(module: nn.Module, gradients: Mapping[str, Tensor]) -> None:
    """Put accumulated gradients back, as `gradients_of` returned them on this rank."""
    parameters = dict(module.named_parameters())
    for name, gradient in gradients.items():
        parameter = parameters[name]
        value = gradient.to(parameter.device, copy=True)
        if isinstance(parameter, DTensor):
            value = DTensor.from_local(value, parameter.device_mesh, parameter.placements)
        parameter.grad = value


def _now(trainer: pl.Trainer) -> int:
    """Return the number of the present minibatch over all epochs."""
    return trainer.fit_loop.epoch_loop.batch_progress.total.ready


def _monitored(trainer: pl.Trainer) -> dict[str, Tensor]:
    """Return the metrics that schedulers of the learning rate watch."""
    watched = {config.monitor for config in trainer.lr_scheduler_configs if config.reduce_on_plateau}
    return {name: value.detach().cpu() for name, value in trainer.callback_metrics.items() if name in watched}
