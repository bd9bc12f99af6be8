"""Save the trained policy in a folder that other libraries read, however the run ends."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn

from rlframework.loop.checkpoint import base_digest
from rlframework.utilities.arguments import Checked
from rlframework.utilities.distributed import is_sharded
from rlframework.utilities.whole_folder import check_replaceable, whole_folder


class SavePolicy(Checked, pl.Callback):
    """Saves the policy when training ends or is stopped: its adapter, or the model if it has none, and the tokenizer.

    Stopped is a run by an exception wherever it was raised, a reward limit among them, by Ctrl+C, by SIGTERM, or by the
    end of its terminal (SIGHUP). Signals are answered in the midst of a rollout, with the exit status of a shell, 128
    and their number; on several ranks Lightning answers, after the minibatch. Weights that are not numbers are never
    saved. The folder is replaced as a whole, so that a save which is cut short leaves
    the last one; its ``saved_policy.json`` says after which step and why the run ended.

    A checkpoint of Lightning holds a run, to go on with; this holds the policy, for `CausalLMPolicy` (``model=`` or
    ``lora=``), transformers, PEFT or an engine.

    Args:
        folder: Folder to save to. What others put there stays.
        every_n_steps: Save after so many optimizer steps as well: against ``kill -9`` and power cuts, which nothing
            can answer.

    Raises:
        TypeError: While a run starts: the policy has no ``save_pretrained``.
        ValueError: While a run starts: ranks hold parts of the weights.
        PermissionError: While a run starts: the folder cannot be written to, or not be replaced.
        RuntimeError: When training ends: weights are NaN or infinite.

    Example:
        >>> trainer = pl.Trainer(callbacks=[SavePolicy("runs/primed")], logger=False)
    """

    def __init__(self, folder: str | Path, every_n_steps: int | None = None) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"every_n_steps={every_n_steps} must be at least 1, or None")
        self.folder = Path(folder)
        self.every_n_steps = every_n_steps
        self._training = False
        self._stepping = False
        self._signalled: int | None = None
        self._saved_step = 0
        self._frozen_base: str | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Refuse, before training, a policy that cannot be saved or a folder that cannot be written to."""
        self._training = False
        if not callable(getattr(pl_module.policy, "save_pretrained", None)):
            raise TypeError(
                f"SavePolicy calls save_pretrained, and {type(pl_module.policy).__name__} has no such method"
            )
        if is_sharded(pl_module.policy):
            raise ValueError(
                "the weights are sharded, and SavePolicy does not gather them; train with DDP, or convert a checkpoint"
            )
        check_replaceable(self.folder)

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Answer signals from here on, at once and not when a rollout is done: the weights are those of the run."""
        self._training, self._stepping, self._signalled = True, False, None
        self._saved_step = trainer.global_step
        self._frozen_base = base_digest(pl_module.policy) if pl_module.policy.frozen_base else None
        if trainer.world_size == 1 and threading.current_thread() is threading.main_thread():
            self._answer_signals()

    def on_before_optimizer_step(self, *args: Any) -> None:
        """Save nothing from here to the end of the step: a part of the weights may be old and a part new."""
        self._stepping = True

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        """Save after every ``every_n_steps`` optimizer steps, if asked for."""
        self._stepping = False
        if self._signalled is not None:
            raise SIGTERMException(128 + self._signalled)
        if self.every_n_steps is None or trainer.global_step - self._saved_step < self.every_n_steps:
            return
        self._saved_step = trainer.global_step
        if not trainer.is_global_zero:
            return
        if broken := _not_finite(pl_module.policy):
            rank_zero_warn(f"step {trainer.global_step}: {broken}. It is not saved, and {self._what_is_there()}")
        else:
            self._save(trainer, pl_module.policy, ended=None)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Save the policy of a run that reached its end."""
        if not trainer.is_global_zero:
            return
        if broken := _not_finite(pl_module.policy):
            self._training = False  # Nothing is left to be saved when this is raised.
            raise RuntimeError(f"{broken}: the policy is not saved, and {self._what_is_there()}")
        # Lightning has put the former handlers back, and a file half written is worth less than the whole training.
        self._stepping = True
        numbers = self._answer_signals() if threading.current_thread() is threading.main_thread() else {}
        try:
            self._save(trainer, pl_module.policy, ended="finished")
        finally:
            for number, former in numbers.items():
                signal.signal(number, former)
        self._training = self._stepping = False
        rank_zero_info(f"The policy is saved in {self.folder}")
        if self._signalled is not None:
            raise SIGTERMException(128 + self._signalled)

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Save the policy of a run that is stopped by an exception."""
        if trainer.state.fn != TrainerFn.FITTING or not self._training or not trainer.is_global_zero:
            return
        self._training = False
        why, step = type(exception).__name__, trainer.global_step
        if not step:
            rank_zero_warn(f"{why} before the first step: nothing was learned to be saved, and {self._what_is_there()}")
        elif broken := _not_finite(pl_module.policy):
            rank_zero_warn(f"{why} after step {step}: {broken}. It is not saved, and {self._what_is_there()}")
        else:
            try:
                self._save(trainer, pl_module.policy, ended=why)
            except Exception as error:  # The exception that ends the run is the one to be seen.
                rank_zero_warn(f"{why} after step {step}: the policy cannot be saved: {error}. {self._what_is_there()}")
            else:
                rank_zero_info(f"{why} after step {step}: the policy as it is then is saved in {self.folder}")

    def _save(self, trainer: pl.Trainer, policy: Any, ended: str | None) -> None:
        origin = {key: value for key, value in policy.origin().items() if key in ("base", "dtype", "quantized")}
        about = {"step": trainer.global_step, "ended": ended, **origin, "frozen_base": self._frozen_base}
        with whole_folder(self.folder, about) as folder:
            policy.save_pretrained(folder)

    def _what_is_there(self) -> str:
        there = self.folder.is_dir() and any(self.folder.iterdir())
        return f"{self.folder} holds what it held before" if there else f"there is no {self.folder}"

    def _answer_signals(self) -> dict[signal.Signals, Any]:
        """Raise on a signal what Lightning raises, after the step or the save; return the handlers that were there."""
        former = {signal.SIGTERM: self._answer(signal.SIGTERM)}
        # Where it is ignored, as under nohup, it goes on being ignored.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
            former[signal.SIGHUP] = self._answer(signal.SIGHUP)
        return former

    def _answer(self, number: signal.Signals) -> Any:
        before = signal.getsignal(number)

        def answer(received: int, frame: FrameType | None) -> None:
            if callable(before):
                before(received, frame)
            if self._training and self._stepping:
                self._signalled = received
            elif self._training:
                raise SIGTERMException(128 + received)

        return signal.signal(number, answer)


def _not_finite(policy: torch.nn.Module) -> str:
    """Return in words which trained weights are NaN or infinite; nothing if all are numbers."""
    trained = [(name, weight) for name, weight in policy.named_parameters() if weight.requires_grad]
    broken = [name for name, weight in trained if not bool(weight.isfinite().all())]
    if not broken:
        return ""
    return f"{len(broken)} of {len(trained)} trained weights are NaN or infinite (such as {broken[0]})"
