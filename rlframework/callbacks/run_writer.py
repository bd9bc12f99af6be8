"""RunWriter: a run's settings and events on disk: what it was made of, what was warned of, how it ended."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time
import warnings
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn

from rlframework.callbacks.sentinels.base import SentinelWarning
from rlframework.utilities.arguments import Checked
from rlframework.utilities.paths import writable_folder
from rlframework.utilities.processes import this_process
from rlframework.utilities.run_files import EVENTS, SETTINGS
from rlframework.utilities.secrets import command_without_secrets, without_secrets
from rlframework.utilities.versions import library_versions
from rlframework.utilities.warned import end_listening, listen
from rlframework.utilities.whole_lines import append_lines, end_last_line, is_json
from rlframework.utilities.words import in_words


class RunWriter(Checked, pl.Callback):
    """Writes ``run.json``, the settings of a run, and ``events.jsonl``, a JSON line for each thing that happened.

    ``run.json`` has the algorithm with its policy, sampler and rewards and the data, each in the words of YAML files,
    the number of held-out problems, the Trainer's numbers, the command, versions, the commit of the working folder,
    the process, and the machine. A resumed run replaces it. An event has its ``time`` (seconds since 1970), the
    optimizer ``step`` at which it happened, the ``source`` and a ``message``; its ``kind`` is one of

    - ``start``, or ``resume`` with the checkpoint;
    - ``warning``, of any library, and ``sentinel``, of a `Sentinel`; the source is the warning's class, or the
      sentinel's;
    - ``exception``, which ends a run, Ctrl+C among them; the source is its class;
    - ``end``. A run without an end or an exception goes on, or was killed.

    Rank 0 writes. Where the files cannot be written (a full disk), training goes on. In place of a secret are stars: of
    an argument or an option that is called a token, a key or a password, and of the user in a URL.

    Args:
        folder: Where the files go; by default the logger's folder, else the Trainer's ``default_root_dir``.

    Raises:
        PermissionError: The folder cannot be written to; raised before training starts.

    Example:
        >>> trainer = pl.Trainer(callbacks=[RunWriter("runs/mine")], logger=False)
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._events: _Events | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Try the folder, and hear what is warned of from here on; nothing in a ``fast_dev_run``."""
        if stage != "fit" or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        # On all ranks: the Trainer tells them which folder rank 0 has.
        folder = self.folder or trainer.log_dir or trainer.default_root_dir
        if not trainer.is_global_zero:
            return
        path = writable_folder(folder) / EVENTS
        end_last_line(path, is_json)
        self._events = _Events(path, trainer)
        listen(self._events.warned)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the settings, now that the Trainer's are all known."""
        if self._events is None:
            return
        path = self._events.path.with_name(SETTINGS)
        scratch = path.with_name(f".{SETTINGS}.unfinished")
        try:
            scratch.write_text(json.dumps(_settings(trainer, pl_module), indent=2) + "\n", encoding="utf-8")
            scratch.replace(path)
        except OSError as error:
            scratch.unlink(missing_ok=True)
            warnings.warn(
                f"{path} could not be written: {error.strerror}. What the run is made of is not on record; training "
                "goes on",
                stacklevel=2,
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say that the run begins, or goes on."""
        if trainer.ckpt_path:
            self._event("resume", "Trainer", f"goes on from {trainer.ckpt_path}")
        else:
            self._event("start", "Trainer", f"{type(pl_module).__name__} begins")

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Say what ended the run."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._event("exception", type(exception).__name__, str(exception))
            self._hear_no_more()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say that the run has ended."""
        why = "stopped before its time" if trainer.should_stop else "finished"
        self._event("end", "Trainer", f"{why} after {trainer.global_step} optimizer steps")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Hear no more warnings."""
        self._hear_no_more()

    def _event(self, kind: str, source: str, message: str) -> None:
        if self._events is not None:
            self._events.add(kind, source, message)

    def _hear_no_more(self) -> None:
        if self._events is not None:
            end_listening(self._events.warned)
            self._events = None


class _Events:
    """Events on their way to the file: any thread adds some, and one at a time writes."""

    def __init__(self, path: Path, trainer: pl.Trainer) -> None:
        self.path = path
        self._trainer = trainer
        self._unwritten: deque[bytes] = deque()
        self._writing = threading.Lock()

    def add(self, kind: str, source: str, message: str) -> None:
        head = {"time": time.time(), "step": self._trainer.global_step, "kind": kind, "source": source}
        self._unwritten.append(json.dumps({**head, "message": without_secrets(message)}).encode() + b"\n")
        # Nobody waits here: a warning of a signal's handler, or of garbage that is collected, may fall into a write of
        # its own thread. Who writes looks again after that, so that none is left.
        while self._unwritten and self._writing.acquire(blocking=False):
            try:
                append_lines(self.path, b"".join(self._unwritten.popleft() for _ in range(len(self._unwritten))))
            except (
                OSError
            ):  # What writes rollouts and figures says it, and a warning here would come back to this place.
                return
            finally:
                self._writing.release()

    def warned(self, category: type[Warning], text: str) -> None:
        if issubclass(category, SentinelWarning):
            self.add("sentinel", text.partition(",")[0], text)
        else:
            self.add("warning", category.__name__, text)


def _settings(trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
    data = getattr(trainer, "datamodule", None)
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command_without_secrets(sys.argv),
        "algorithm": without_secrets(in_words(pl_module)),
        "data": None if data is None else without_secrets(in_words(data)),
        "heldout_problems": _heldout_problems(trainer),
        "trainer": {
            "max_steps": trainer.max_steps,
            "max_epochs": trainer.max_epochs,
            "accelerator": type(trainer.accelerator).__name__,
            "strategy": type(trainer.strategy).__name__,
            "precision": trainer.precision,
            "ranks": trainer.world_size,
            "nodes": trainer.num_nodes,
            "accumulate_grad_batches": trainer.accumulate_grad_batches,
            "gradient_clip_val": trainer.gradient_clip_val,
            "val_check_interval": trainer.val_check_interval,
        },
        "versions": {"python": platform.python_version(), **library_versions()},
        "commit": _commit(),
        "process": this_process(),
        "hardware": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
    }


def _heldout_problems(trainer: pl.Trainer) -> int | None:
    """Return the problems of a validation, which say how sure its shares are; None where that is not known."""
    data = getattr(trainer, "datamodule", None)
    problems, batch = getattr(data, "prompts", {}).get("validation"), getattr(data, "validation_batch_size", None)
    limit = trainer.limit_val_batches
    if not problems:
        return None
    if limit == 1.0 and isinstance(limit, float):
        return len(problems)
    if isinstance(limit, int) and limit > 0 and batch is not None and trainer.world_size == 1:
        return min(len(problems), limit * batch)
    return None


def _commit() -> str | None:
    """Return the commit of the working folder, with a mark if files of it were changed since; None where none is."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
