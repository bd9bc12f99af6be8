"""RankWatch: ends every rank when one has failed, hangs, has gone or was told to stop, and says which and why."""

from __future__ import annotations

import faulthandler
import itertools
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from pytorch_lightning.trainer.call import _interrupt
from pytorch_lightning.trainer.states import TrainerFn, TrainerStatus
from pytorch_lightning.utilities.exceptions import SIGTERMException
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch.distributed.constants import default_pg_timeout

from rlframework.rewards.pool import end_workers
from rlframework.utilities.arguments import Checked
from rlframework.utilities.distributed import all_gather_object, sum_over_replicas
from rlframework.utilities.rank_board import STACK, WAKE, LastWords, Neighbours, Peer, RankBoard, place

LOOK_S = 0.5
LINGER_S = 3.0
FINALIZE_S = 5.0
# Seconds before the process group's own time-out at which a rank counts as hanging: afterwards there is only a message
# of sockets, of a rank that has done nothing wrong.
BEFORE_TIMEOUT_S = 10.0

STOP = f"{SIGTERMException.__module__}.{SIGTERMException.__name__}"

_RUNS = itertools.count()


class RankWatch(Checked, pl.Callback):
    """Ends all ranks together: on an exception, a hang, a killed process or SIGTERM of any one, with the reason.

    An algorithm adds it by itself where there is more than one rank; give one to the Trainer to set its times. A thread
    of each rank looks at what the ranks tell each other beside the process group (`RankBoard`), so that a rank that
    waits in a collective call learns of the others. Nothing is asked of the main thread but where sampling and scoring
    end, once a rollout, and a number in the sums that an optimizer step adds up over ranks anyway.

    What raises while completions are sampled or scored is raised on all ranks together, so that what saves on an
    exception can save. Elsewhere a rank fails alone: nothing is saved then, and processes that do not end by themselves
    are ended ``grace_s`` after the reason was known. SIGTERM on any rank stops all of them after the optimizer step
    they are in, or at once while they sample or score; Slurm's signal saves and requeues after the step.

    Args:
        hang_s: Seconds that a rank may keep the others waiting before it counts as hanging; more than a rollout, a
            reward or a callback of one rank ever takes longer than on the others. By default 10 s less than the
            ``timeout`` of the strategy, which is 1800 s.
        grace_s: Seconds that ranks have to end by themselves once one has failed.

    Raises:
        ValueError: A time that is not above 0.

    Example:
        >>> trainer = pl.Trainer(callbacks=[RankWatch(hang_s=1200.0)], logger=False)
        >>> [callback.hang_s for callback in trainer.callbacks if isinstance(callback, RankWatch)]
        [1200.0]
    """

    def __init__(self, hang_s: float | None = None, grace_s: float = 10.0) -> None:
        if not (grace_s > 0 and (hang_s is None or hang_s > 0)):
            raise ValueError(f"hang_s={hang_s} and grace_s={grace_s} must be above 0; inf waits for ever")
        self.hang_s = hang_s
        self.grace_s = grace_s
        self._active: _Watch | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Start the thread that watches the other ranks."""
        self._begin(trainer)
        if self._active is not None:
            self._active.meet()

    def _begin(self, trainer: pl.Trainer) -> None:
        self._end()
        if trainer.world_size > 1 and torch.distributed.is_initialized():
            self._active = _Watch(trainer, self._patience(trainer), self.grace_s)

    def _patience(self, trainer: pl.Trainer) -> float:
        """Return the seconds that a rank may keep the others waiting, which the process group has to wait, too."""
        given = getattr(trainer.strategy, "_timeout", default_pg_timeout) or default_pg_timeout
        timeout = given.total_seconds()
        if self.hang_s is None:
            return timeout - min(BEFORE_TIMEOUT_S, timeout / 3)
        if self.hang_s >= timeout:
            rank_zero_warn(
                f"RankWatch(hang_s={self.hang_s:g}) is not below the process group's timeout of {timeout:g} s: ranks "
                "that wait give up first, and cannot say for whom they waited. Give the strategy more, such as "
                f"DDPStrategy(timeout=timedelta(seconds={self.hang_s + BEFORE_TIMEOUT_S:.0f}))"
            )
        return self.hang_s

    def _end(self) -> None:
        if self._active is not None:
            self._active.close()
        self._active = None

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Watch until all ranks are here, and no longer."""
        if self._active is not None:
            trainer.strategy.barrier("RankWatch")
        self._end()

    def on_train_batch_start(self, *_: Any) -> None:
        """Note that this rank has got here."""
        self._mark()

    def on_train_batch_end(self, *_: Any) -> None:
        """Note that this rank has got here; save for Slurm if that was agreed on."""
        self._mark()
        if self._active is not None:
            self._active.requeue_if_agreed()

    def _mark(self) -> None:
        if self._active is not None:
            self._active.position += 1

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Tell the others, and see whether they have failed, too.

        Where they have not, callbacks do not save: that takes all ranks.
        """
        if self._active is None:  # before the watch began
            with suppress(RuntimeError):
                self._begin(trainer)
        if self._active is not None:
            self._active.fail(exception)

    @contextmanager
    def together(self, interruptible: bool = True) -> Iterator[None]:
        """Meet the other ranks at the end of what is inside, and raise there what was raised on any of them.

        Args:
            interruptible: Leave what is inside as soon as another rank wants to stop. Not where ranks call each other
                in there.

        Raises:
            RuntimeError: Another rank failed; the message says which and why.
            SIGTERMException: A rank was told to stop.
        """
        if self._active is None:
            yield
            return
        with self._active.together(interruptible):
            yield

    def wishes(self) -> tuple[float, float]:
        """Return, as 0 or 1, whether this rank was told to stop and to save for Slurm: to be added up over ranks."""
        if self._active is None:
            return 0.0, 0.0
        self._mark()
        return float(self._active.stop), float(self._active.requeue)

    def requeue_with(self, save: Callable[[], Any]) -> Callable[[], None]:
        """Take over what is done for Slurm's signal, and return what a handler calls to ask all ranks for it.

        Args:
            save: Called on all ranks together, after the optimizer step in which any of them was asked.

        Raises:
            RuntimeError: There is one rank, or the run has not been set up.
        """
        if self._active is None:
            raise RuntimeError("RankWatch watches no ranks: there is one, or the run has not been set up")
        return self._active.requeue_with(save)

    def agree(self, stop: float, requeue: float) -> None:
        """Do what any rank wishes.

        Args:
            stop: Of `wishes`, added up over all ranks.
            requeue: Of `wishes`, added up over all ranks.
        """
        if self._active is not None:
            self._active.agree(stop > 0, requeue > 0)


class _Watch:
    """A run's watch: its thread, its board and what it knows."""

    def __init__(self, trainer: pl.Trainer, hang_s: float, grace_s: float) -> None:
        self.trainer, self.hang_s, self.grace_s = trainer, hang_s, grace_s
        self.rank, self.ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
        self.position = 0
        self.stop = False
        self.requeue = False
        self._requeue_agreed = False
        self._interruptible = False
        self._error: BaseException | None = None
        self._words: dict[int, LastWords] = {}
        self._failed: set[int] = set()
        self._alone = False
        self._heard_at: float | None = None
        self._waited: tuple[tuple[int, int], float] = (0, 0), time.monotonic()
        self._called_at: float | None = None
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._board = RankBoard(self.rank, str(next(_RUNS)))
        self._neighbours = Neighbours([], self.rank)
        self._stack = os.memfd_create("stack") if hasattr(os, "memfd_create") else None
        self._handlers: list[Callable[[], Any]] = []
        self._take_signals()
        self._take_exceptions()
        self._thread = threading.Thread(target=self._run, name="rank watch", daemon=True)
        self._thread.start()

    def meet(self) -> None:
        """Learn the processes of all ranks. Every rank has to call it."""
        own = Peer(self.rank, place(), os.getpid(), f"/proc/{os.getpid()}/fd/{self._stack}")
        self._neighbours = Neighbours(all_gather_object(own), self.rank)

    def _take_signals(self) -> None:
        """Take over what Lightning does on SIGTERM and on Slurm's signal.

        Its handlers make collective calls at whatever line the signal comes, which no other rank answers.
        """
        connector: Any = self.trainer._signal_connector
        save = connector._slurm_sigusr_handler_fn
        self._save_and_requeue: Callable[[], Any] = lambda: save(signal.SIGUSR1, None)
        connector._sigterm_notifier_fn = self._told_to_stop
        connector._slurm_sigusr_handler_fn = self._told_to_requeue
        self._handlers.append(lambda: vars(connector).pop("_sigterm_notifier_fn", None))
        self._handlers.append(lambda: vars(connector).pop("_slurm_sigusr_handler_fn", None))
        if self._stack is not None:
            faulthandler.register(STACK, file=self._stack, all_threads=False)
            self._handlers.append(lambda: faulthandler.unregister(STACK))
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(WAKE, self._woken)
            self._handlers.append(lambda: signal.signal(WAKE, before))

    def _take_exceptions(self) -> None:
        """Tell callbacks of an exception in a rank that was spawned or forked, where Lightning tells its parent alone.

        The parent has no state to save, and cannot meet the other ranks. It waits for ever for the results of a rank
        that ends without an error, as one does on SIGTERM and SIGINT: the exit status has to tell it.
        """
        trainer: Any = self.trainer
        if not isinstance(trainer.strategy.launcher, _MultiProcessingLauncher):
            return
        run_stage = trainer._run_stage

        def run_and_tell() -> Any:
            try:
                return run_stage()
            except BaseException as exception:
                _interrupt(trainer, exception)
                if isinstance(exception, Exception):
                    raise
                number = signal.SIGINT if isinstance(exception, KeyboardInterrupt) else signal.SIGTERM
                raise SystemExit(getattr(exception, "code", None) or 128 + number) from exception

        trainer._run_stage = run_and_tell
        self._handlers.append(lambda: vars(trainer).pop("_run_stage", None))

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop = True

    def _told_to_requeue(self, number: int, frame: FrameType | None) -> None:
        self._ask_to_requeue()

    def _woken(self, number: int, frame: FrameType | None) -> None:
        if self._interruptible:
            self._interruptible = False
            raise self._error or SIGTERMException(128 + signal.SIGTERM)

    def _wake(self) -> None:
        if self._interruptible:
            with suppress(OSError):
                signal.pthread_kill(threading.main_thread().ident or 0, WAKE)

    @contextmanager
    def together(self, interruptible: bool) -> Iterator[None]:
        error: BaseException | None = None
        try:
            self._interruptible = interruptible
            if interruptible and (self.stop or self._words):
                raise SIGTERMException(128 + signal.SIGTERM)
            yield
        except BaseException as raised:
            error = raised
        finally:
            self._interruptible = False
        self.position += 1
        stopped = isinstance(error, SIGTERMException)
        said = None
        if error is not None and not stopped:
            said = self._of(error, "coming")
            self._publish(said)
        if stopped or said is not None or self._words:
            self._look()
        if error is not None and not stopped and (self._alone or self._failed):
            raise error
        if self._alone or self._failed:  # it has left, and does not come here
            raise RuntimeError(str(self._cause())) from None
        wish = stopped or self.stop
        # A number is cheap to add up; what was said is asked for only if there is something.
        if not sum_over_replicas(self.trainer, torch.tensor(float(wish or said is not None))):
            return
        answers = all_gather_object((said, wish))
        if error is not None and not stopped:
            raise error
        for words, _ in answers:
            if words is not None:
                raise RuntimeError(str(words)) from None
        raise SIGTERMException(128 + signal.SIGTERM)

    def requeue_with(self, save: Callable[[], Any]) -> Callable[[], None]:
        self._save_and_requeue = save
        return self._ask_to_requeue

    def _ask_to_requeue(self) -> None:
        self.requeue = True

    def agree(self, stop: bool, requeue: bool) -> None:
        self._requeue_agreed |= requeue
        if stop:
            self.trainer._signal_connector.received_sigterm = True

    def requeue_if_agreed(self) -> None:
        if self._requeue_agreed:
            self.requeue = self._requeue_agreed = False
            self._save_and_requeue()

    def fail(self, exception: BaseException) -> None:
        """Tell the others of an exception that leaves the run, and find out whether all have one.

        Lightning ends a run that was told to stop with status 0 where it noticed by itself: a launcher takes it for
        finished. Here the status is that of the signal, wherever the run was.
        """
        self._interruptible = False
        if isinstance(exception, SIGTERMException):
            exception.code = exception.code or 128 + signal.SIGTERM
        with suppress(RuntimeError):  # the store has gone with its process
            self._look(wait_s=0.0 if self._others() else LOOK_S)
            self._publish(self._of(exception, "failed"))
            until = time.monotonic() + LINGER_S
            while len(self._failed) < self.ranks and not self._alone and time.monotonic() < until:
                time.sleep(0.02)
                self._look()
            if len(self._failed) < self.ranks and not self._alone:
                self._alone = True
                self._board.raise_flag("alone")
        if not self._alone and len(self._failed) == self.ranks:
            return
        self._alone = True
        if self._others() and not isinstance(exception, SIGTERMException):
            exception.add_note(f"[rank {self.rank}] {self._cause()}")
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, Checkpoint):
                self._mute(callback)

    def _mute(self, callback: Any) -> None:
        callback.on_exception = lambda *_: None
        self._handlers.append(lambda: vars(callback).pop("on_exception", None))

    def _of(self, exception: BaseException, kind: Any) -> LastWords:
        lines = traceback.format_exception(exception)
        return LastWords(self.rank, kind, traceback.format_exception_only(exception)[-1].strip(), "".join(lines))

    def _others(self) -> list[LastWords]:
        return [words for rank, words in self._words.items() if rank != self.rank]

    def _cause(self) -> LastWords:
        """Return the last words of the rank that failed first."""
        return next(iter(self._words.values()))

    def _run(self) -> None:
        while not self._closed.wait(LOOK_S):
            try:
                self._look()
                self._find_hanging()
            except RuntimeError:
                if not self._closed.wait(2 * LOOK_S):
                    self._hear(LastWords(0, "gone", "the ranks' store, which it or the launcher keeps, has gone"))
                    self._alone = True
            self._end_after_grace()

    def _look(self, wait_s: float = 0.0) -> None:
        """Read the board, and see who is gone."""
        with self._lock:
            gone = [peer for peer in self._neighbours.gone(wait_s) if peer.rank not in self._words]
            if self.stop:
                self._board.raise_flag("stop")
            self._board.stand(self.position)
            for words in self._board.news():
                self._hear(words)
            for peer in gone:
                if peer.rank not in self._words and not self._closed.is_set():
                    reason = f"its process ({peer.pid}) was ended from outside, as SIGKILL does, or for want of memory"
                    self._publish(LastWords(peer.rank, "gone", reason))
            self._alone |= self._board.flag("alone")
            self.stop = self.stop or self._board.flag("stop")
            if self.stop and self.trainer.state.fn != TrainerFn.FITTING:  # no step follows that could agree on it
                self.agree(stop=True, requeue=False)
            if self.stop or self._others():
                self._wake()

    def _publish(self, words: LastWords) -> None:
        with self._lock:
            if words.kind == "gone":
                self._board.raise_flag("alone")
            self._board.publish(words)
            for heard in self._board.news():
                self._hear(heard)

    def _hear(self, words: LastWords) -> None:
        self._heard_at = self._heard_at or time.monotonic()
        known = words.rank in self._words
        self._words.setdefault(words.rank, words)
        if words.kind == "failed":
            self._failed.add(words.rank)
        # What comes to be raised by all is shown then, and so is a stop; what comes later follows from the first.
        shown = words.kind != "coming" and not words.text.startswith(STOP) and len(self._words) == 1 and not known
        # Rank 0 speaks for all; of rank 0 itself the next one does.
        if shown and self.rank == (0 if words.rank else 1):
            self._print(str(words))

    def _print(self, text: str) -> None:
        print(f"[rank {self.rank}] {text}", file=sys.stderr, flush=True)

    def _find_hanging(self) -> None:
        """Find out whether the next rank keeps this one waiting; answer if this one does."""
        if self._board.flag(f"called/{self.rank}") and self.rank not in self._words:
            self._answer()
        other = (self.rank + 1) % self.ranks
        standing, now = (self.position, self._board.position(other)), time.monotonic()
        if standing != self._waited[0] or standing[0] <= standing[1]:
            self._waited, self._called_at = (standing, now), None
        elif now - self._waited[1] > self.hang_s and other not in self._words:
            if self._called_at is None:
                self._called_at = now
                self._board.raise_flag(f"called/{other}")
            elif now - self._called_at > LINGER_S:
                # Its thread does not run: something in C keeps the interpreter.
                text = f"its interpreter does not turn, and {self._late()}"
                self._publish(LastWords(other, "hung", text, self._neighbours.stack(other)))

    def _answer(self) -> None:
        """Say what the main thread is in, and have it raise where it can."""
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        stack = "".join(traceback.format_stack(frame))
        self._publish(LastWords(self.rank, "hung", self._late(), stack))
        self._error = RuntimeError(f"{self._late()}; its lines then:\n{stack}")
        self._wake()

    def _late(self) -> str:
        return (
            f"it has kept the others waiting for {self.hang_s:g} s. If it only takes long, give the strategy a timeout "
            "of more, as in DDPStrategy(timeout=timedelta(seconds=...)), and leave out RankWatch(hang_s=...)"
        )

    def _end_after_grace(self) -> None:
        if self._heard_at is None or self._closed.is_set():
            return
        state: Any = self.trainer.state
        if state.status == TrainerStatus.INTERRUPTED and state.stage is None:  # the run was left
            self._closed.set()
            return
        together = len(self._failed) == self.ranks and not self._alone
        late = time.monotonic() - self._heard_at - self.grace_s
        if together or late < 0:
            return
        for words in self._words.values():
            if words.kind == "hung" and words.rank != self.rank:
                self._neighbours.kill(words.rank)
        if late > LINGER_S or self.rank in self._words:
            self._end()

    def _end(self) -> None:
        """End this process from here: its main thread does not come back."""
        self._print(f"ended, {self.grace_s:g} s after this was known: {self._cause()}")
        last = threading.Thread(target=self._finalize, daemon=True)
        last.start()
        last.join(FINALIZE_S)
        os._exit(1)

    def _finalize(self) -> None:
        end_workers()
        for logger in self.trainer.loggers:
            logger.finalize("failed")

    def close(self) -> None:
        """Stop the thread that watches the other ranks, and give back the handlers of signals."""
        self._closed.set()
        self._thread.join()
        for undo in self._handlers:
            undo()
        self._neighbours.close()
        if self._stack is not None:
            os.close(self._stack)
