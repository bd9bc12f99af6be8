"""RequeueOnSignal: saves and requeues a preempted job at a step boundary that all ranks agree on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

import pytorch_lightning as pl
from pytorch_lightning.plugins.environments import SLURMEnvironment
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from rlframework.loop.rank_watch import RankWatch
from rlframework.utilities.arguments import Checked

EXIT_STATUS = 75


class Requeued(SystemExit):
    """End of a run that was saved to go on later: the process exits with status 75, "try again later" of sysexits.h.

    Args:
        path: The checkpoint.
    """

    def __init__(self, path: str) -> None:
        super().__init__(EXIT_STATUS)
        self.path = path

    def __str__(self) -> str:
        return f"the run was told to stop and is saved in {self.path}; exit status {self.code}"


class RequeueOnSignal(Checked, pl.Callback):
    """Saves a checkpoint, requeues the job (Slurm's preemption, a time limit) and stops, when any rank gets a signal.

    Lightning's own handler for Slurm saves at the line where the signal comes. Saving takes all ranks, and the others
    are elsewhere. Here the handler only sets a flag. `RankWatch` adds the flags up over ranks in the sum that every
    optimizer step makes anyway; never inside a rollout. After that step all save ``hpc_ckpt_<n>.ckpt`` in the
    Trainer's ``default_root_dir``, rank 0 runs the command, and all raise `Requeued`: exit status 75. Under Slurm
    Lightning resumes from the newest of these files by itself; elsewhere give its path.

    The signal has to come earlier than the limit by the longest rollout and step: ``#SBATCH --signal=USR1@600``. One
    that comes before training starts has the effect that it had without this callback.

    Args:
        command: Words of what puts the job back in the queue; ``$NAME`` is a variable of the environment. None saves
            and stops.
        requeue_signal: Name of the signal.

    Raises:
        ValueError: The signal has no such name or is SIGTERM, Lightning's own handler is on, or a variable is not set.
        TypeError: The command is one string instead of its words.
        RuntimeError: Training does not run in the main thread, which alone is told of signals.

    Example:
        >>> from pytorch_lightning.plugins.environments import SLURMEnvironment
        >>> environment = SLURMEnvironment(auto_requeue=False)  # Trainer(plugins=[environment]) under Slurm
        >>> trainer = pl.Trainer(callbacks=[RequeueOnSignal()], logger=False)
    """

    def __init__(
        self,
        command: Sequence[str] | None = ("scontrol", "requeue", "$SLURM_JOB_ID"),
        requeue_signal: str = "SIGUSR1",
    ) -> None:
        if requeue_signal not in signal.Signals.__members__:
            raise ValueError(f"requeue_signal={requeue_signal!r} is no signal of this system; SIGUSR1 is one")
        if requeue_signal == "SIGTERM":
            raise ValueError(
                "SIGTERM is answered by Lightning and RankWatch, which stop the run; take SIGUSR1 or SIGUSR2"
            )
        self.command = None if command is None else list(command)
        self.requeue_signal = requeue_signal
        self._came = False
        self._step = 0
        self._ask: Callable[[], None] = self._ask_alone

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refuse a run with Lightning's own handler, or a command that cannot be said."""
        environment = trainer._accelerator_connector.cluster_environment
        if isinstance(environment, SLURMEnvironment) and environment.auto_requeue:
            raise ValueError(
                "Lightning's own requeueing is on beside RequeueOnSignal, and both would answer the signal; give "
                "Trainer(plugins=[SLURMEnvironment(auto_requeue=False)])"
            )
        for word in self._words():
            if missing := re.search(r"\$(\w+|\{\w+\})", word):
                raise ValueError(
                    f"{missing[0]} in command={self.command} is not set, so this is no job of that scheduler; "
                    "command=None saves and stops without it"
                )
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "RequeueOnSignal needs training in the main thread, for Python tells no other of signals; leave it out "
                "where a launcher trains in a thread, as Ray does"
            )

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install the signal handler."""
        self._listen(trainer)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install the signal handler."""
        self._listen(trainer)
        self._step = trainer.global_step

    def _listen(self, trainer: pl.Trainer) -> None:
        # After Lightning has noted the handlers that it puts back at the end of a run.
        number = signal.Signals[self.requeue_signal]
        if signal.getsignal(number) == self._note:
            return
        self._came = False
        self._ask = self._ask_alone
        if trainer.world_size > 1:
            callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
            watch = next(callback for callback in callbacks if isinstance(callback, RankWatch))
            self._ask = watch.requeue_with(lambda: self._save_and_stop(trainer))
        signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._ask()

    def _ask_alone(self) -> None:
        self._came = True

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """After an optimizer step of a run of one rank save, requeue and stop, if it was told to.

        Raises:
            Requeued: The run is saved.
        """
        stepped, self._step = trainer.global_step != self._step, trainer.global_step
        if stepped and self._came:
            self._save_and_stop(trainer)

    def _save_and_stop(self, trainer: pl.Trainer) -> NoReturn:
        path = str(trainer._checkpoint_connector.hpc_save_path(trainer.default_root_dir))
        path = trainer.strategy.broadcast(path)  # ranks may see a file that rank 0 is writing, and count on
        trainer.save_checkpoint(path)
        if trainer.is_global_zero and self.command is not None:
            self._requeue(path)
        raise Requeued(path)

    def _words(self) -> list[str]:
        return [os.path.expandvars(word) for word in self.command or []]

    def _requeue(self, path: str) -> None:
        words = self._words()
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603  # the user's own command
            failed = f"status {done.returncode}: {done.stderr.strip()}" if done.returncode else ""
        except OSError as error:
            failed = str(error)
        if failed:
            rank_zero_warn(f"{' '.join(words)} failed ({failed}); the run is saved: start it again from {path}")
