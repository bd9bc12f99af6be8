"""CSVLogger that keeps the rows of the run that it goes on with."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loggers.logger import rank_zero_experiment

from rlframework.utilities.whole_lines import append_lines, end_last_line


class AppendingCSVLogger(CSVLogger):
    """CSVLogger that appends to the ``metrics.csv`` of its folder, which Lightning's deletes when a run is resumed.

    Arguments are those of Lightning's ``CSVLogger``, and so is the file. A resumed run logs the steps since its
    checkpoint again: of a step that stands there twice the last row counts, and `read_metrics` takes that one. The
    recipes have this logger. With ``rlframework fit --ckpt_path runs/mine/version_0/checkpoints/last.ckpt`` it logs
    into ``runs/mine/version_0``; in Python name the ``version``, or call `resume`.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> for value in (0.5, 0.7):
        ...     logger = AppendingCSVLogger(folder, "mine", version=0)
        ...     logger.log_metrics({"reward": value}, step=1)
        ...     logger.save()
        >>> Path(logger.log_dir, "metrics.csv").read_text().split()
        ['reward,step', '0.5,1', '0.7,1']
    """

    def resume(self, checkpoint: str | Path) -> None:
        """Log into the version folder that a checkpoint lies in, if it is one of this logger's.

        To be called before anything is logged. A version that was named stays.

        Args:
            checkpoint: The file that the run goes on from.
        """
        root, place = Path(self.root_dir).resolve(), Path(checkpoint).resolve()
        if self._version is None and root in place.parents[1:]:
            folder = place.relative_to(root).parts[0]
            number = folder.removeprefix("version_")
            self._version = int(number) if number != folder and number.isdecimal() else folder

    @property
    @rank_zero_experiment
    def experiment(self) -> ExperimentWriter:
        """The writer of the files."""
        if self._experiment is None:
            os.makedirs(self.root_dir, exist_ok=True)
            self._experiment = _Rows(self.log_dir)
        return self._experiment  # type: ignore[return-value]  # Lightning says the same


class _Rows(ExperimentWriter):
    """Appends rows to ``metrics.csv``; for a new column the file is written again, in one step."""

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        end_last_line(self.metrics_file_path, lambda line: False)
        if os.path.exists(self.metrics_file_path):
            with open(self.metrics_file_path, newline="", encoding="utf-8") as file:
                self.metrics_keys = next(csv.reader(file), [])

    def _check_log_dir_exists(self) -> None:
        """Leave what is there, which Lightning deletes."""

    def save(self) -> None:
        """Append the rows since the last call; what cannot be written, as on a full disk, waits for the next one."""
        if not self.metrics:
            return
        try:
            if new := {name for row in self.metrics for name in row} - set(self.metrics_keys):
                self._rewrite(sorted([*self.metrics_keys, *new]))
            append_lines(self.metrics_file_path, self._rows(self.metrics))
        except OSError as error:
            warnings.warn(
                f"{len(self.metrics)} rows could not be written to {self.metrics_file_path}: {error.strerror}. They "
                "wait for the next ones; training goes on",
                stacklevel=2,
            )
            return
        self.metrics = []

    def _rewrite(self, columns: list[str]) -> None:
        """Write the file with other columns beside its place: a killed process leaves the older or the new one."""
        path, before = Path(self.metrics_file_path), self.metrics_keys
        scratch = path.with_name(".metrics.csv.unfinished")
        try:
            self.metrics_keys = columns
            with scratch.open("wb") as file:
                file.write(self._rows([{name: name for name in columns}]))
                if path.exists():
                    with path.open(newline="", encoding="utf-8") as rows:
                        file.writelines(self._rows([row]) for row in csv.DictReader(rows))
            scratch.replace(path)
        except OSError:
            self.metrics_keys = before
            scratch.unlink(missing_ok=True)
            raise

    def _rows(self, rows: Sequence[dict[str, Any]]) -> bytes:
        text = io.StringIO(newline="")
        csv.DictWriter(text, self.metrics_keys).writerows(rows)
        return text.getvalue().encode()
