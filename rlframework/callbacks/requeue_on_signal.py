"""RequeueOnSignal: saves and requeues a preempted job at a step boundary that all ranks agree on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.plugins.environments import SLURMEnvironment
from pytorch_lightning.utilities.exceptions import SIGTERMException
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn

from rlframework.loop.rank_watch import RankWatch
from rlframework.utilities.arguments import Checked

EXIT_STATUS = 75  # "try again later" of sysexits.h


class RequeueOnSignal(Checked, pl.Callback):
    """Saves a checkpoint, requeues the job (Slurm's preemption, a time limit) and stops, when any rank gets a signal.

    Lightning's own handler for Slurm saves at the line where the signal comes, and saving takes all ranks, which are
    elsewhere. Here the handler only sets a flag, which `RankWatch` adds up over ranks at the end of an optimizer step.
    Then all save ``hpc_ckpt_<n>.ckpt`` in the Trainer's ``default_root_dir``, rank 0 runs the command, and the run
    stops as on SIGTERM, but with exit status 75: not finished, to be started again. Under Slurm Lightning resumes from
    the newest of these files by itself; elsewhere give its path as ``ckpt_path``.

    `RankWatch` makes Lightning's handler wait for the step as well, where there is more than one rank. What differs
    here: it works on one rank and outside Slurm, with a command of your own, and it ends the run.

    The signal has to come earlier than the limit by the longest rollout and step: ``#SBATCH --signal=USR1@600``. One
    that comes before training starts has the effect that it had without this callback.

    Args:
        command: Words of what puts the job back in the queue; ``$NAME`` is a variable of the environment. None saves
            and stops.
        requeue_signal: Name of the signal.

    Raises:
        ValueError: The signal has no such name or is SIGTERM, Lightning's own handler is on, or a variable is not set.
        TypeError: The command is one string instead of its words, or the ranks' module is no algorithm of this library.
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
        self._watch: RankWatch | None = None
        self._came = False
        self._saved = False

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
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        self._watch = next((one for one in callbacks if isinstance(one, RankWatch)), None)
        if trainer.world_size > 1 and self._watch is None:
            raise TypeError(
                f"RequeueOnSignal on {trainer.world_size} ranks needs the sums over ranks of an algorithm of "
                f"rlframework, and {type(pl_module).__name__} is none; train it on one rank, or leave the callback out"
            )
        self._came = self._saved = False

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen."""
        self._listen()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen."""
        self._listen()
        if self._watch is not None:
            self._watch.requeue_by(lambda: self._save_and_requeue(trainer))

    def _listen(self) -> None:
        # Not earlier: Lightning has to have noted the handlers that it puts back when the run ends.
        signal.signal(signal.Signals[self.requeue_signal], self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True
        if self._watch is not None:
            self._watch.wish_requeue()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """On one rank, save, requeue and stop after an optimizer step, if told to; `RankWatch` does it on more."""
        if self._came and trainer.world_size == 1 and not trainer.fit_loop._should_accumulate():
            self._save_and_requeue(trainer)

    def _save_and_requeue(self, trainer: pl.Trainer) -> None:
        self._came = False
        path = str(trainer._checkpoint_connector.hpc_save_path(trainer.default_root_dir))
        path = trainer.strategy.broadcast(path)  # ranks that look for a free number later may see a file begun
        trainer.save_checkpoint(path)
        self._saved = True
        rank_zero_info(f"{self.requeue_signal}: saved {path}; the run stops with exit status {EXIT_STATUS}")
        if trainer.is_global_zero and self.command is not None:
            self._requeue(path)
        # Lightning looks at it when the figures of the step are logged.
        trainer._signal_connector.received_sigterm = True

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Say by the exit status that the run is saved to go on, which Lightning's stop calls a success."""
        if self._saved and isinstance(exception, SIGTERMException):
            exception.code = EXIT_STATUS

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
