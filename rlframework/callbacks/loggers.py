"""Tables and histograms for Lightning's loggers: TensorBoard, W&B, MLflow, and files beside a CSVLogger's figures."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from torch import Tensor

from rlframework.utilities.imports import require
from rlframework.utilities.whole_lines import append_lines, end_last_line, is_json

Row = dict[str, str | float | None]


@singledispatch
def log_table(logger: Logger, name: str, rows: Sequence[Row], step: int) -> None:
    """Add rows to a table of a run; a logger that takes no tables does nothing.

    ``log_table.register(MyLogger)`` teaches it another logger.

    Args:
        logger: A logger of Lightning.
        name: Name of the table, such as ``samples/heldout``.
        rows: Cells by column; the same columns in every row that the table gets.
        step: Step of the figures that the logger gets along with them.
    """


@singledispatch
def log_histogram(logger: Logger, name: str, values: Tensor, step: int) -> None:
    """Add a histogram to a run; a logger that takes none does nothing.

    Args:
        logger: A logger of Lightning.
        name: Name of the histogram.
        values: One or more finite numbers, of any shape.
        step: As in `log_table`.
    """


def takes_tables(logger: Logger) -> bool:
    """Return whether `log_table` knows this kind of logger."""
    return log_table.dispatch(type(logger)) is not log_table.dispatch(object)


@log_table.register
def _(logger: TensorBoardLogger, name: str, rows: Sequence[Row], step: int) -> None:
    logger.experiment.add_text(name, as_markdown(rows), global_step=step)


@log_histogram.register
def _(logger: TensorBoardLogger, name: str, values: Tensor, step: int) -> None:
    logger.experiment.add_histogram(name, values, global_step=step)


# The table of a run grows, and only the rows that are new are sent. By logger, and by name and columns.
_GROWING: WeakKeyDictionary[WandbLogger, dict[tuple[str, ...], Any]] = WeakKeyDictionary()


@log_table.register
def _(logger: WandbLogger, name: str, rows: Sequence[Row], step: int) -> None:
    tables, columns = _GROWING.setdefault(logger, {}), list(rows[0])
    if (key := (name, *columns)) not in tables:
        tables[key] = require("wandb", "wandb").Table(columns=columns, log_mode="INCREMENTAL")
    for row in rows:
        tables[key].add_data(*row.values())
    logger.log_metrics({name: tables[key]}, step)


@log_histogram.register
def _(logger: WandbLogger, name: str, values: Tensor, step: int) -> None:
    logger.log_metrics({name: require("wandb", "wandb").Histogram(values.flatten().tolist())}, step)


@log_table.register
def _(logger: MLFlowLogger, name: str, rows: Sequence[Row], step: int) -> None:
    columns = {column: [row[column] for row in rows] for column in rows[0]}
    logger.experiment.log_table(logger.run_id, columns, f"{name}.json")


@log_histogram.register
def _(logger: MLFlowLogger, name: str, values: Tensor, step: int) -> None:
    try:
        # Without pyplot: a run may have windows of its own open.
        figure = require("matplotlib.figure", "report").Figure(figsize=(4, 3))
    except ImportError:
        return
    axes = figure.subplots()
    axes.hist(values.flatten().tolist(), bins=30, histtype="stepfilled")
    axes.set_title(f"{name}, step {step}", fontsize=10)
    logger.experiment.log_figure(logger.run_id, figure, f"{name}/{step:06d}.png")


@log_table.register
def _(logger: CSVLogger, name: str, rows: Sequence[Row], step: int) -> None:
    path = Path(logger.log_dir, f"{name}.jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    end_last_line(path, is_json)  # A run that was killed may have left half a line.
    append_lines(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def as_markdown(rows: Sequence[Row]) -> str:
    r"""Return rows for people to read, one below the other: short cells in a line, long texts as they were written.

    Args:
        rows: Cells by column.

    Example:
        >>> print(as_markdown([{"reward": 1.0, "stop_reason": "stop", "completion": "It is 4,\nas 2 + 2 is."}]))
        **reward** 1 · **stop_reason** stop
        <BLANKLINE>
        completion:
        <BLANKLINE>
        ```
        It is 4,
        as 2 + 2 is.
        ```
    """
    return "\n\n---\n\n".join(_paragraphs(row) for row in rows)


def _paragraphs(row: Row) -> str:
    long = {column: cell for column, cell in row.items() if isinstance(cell, str) and not _WORD.fullmatch(cell)}
    short = [f"**{name}** {_shown(cell)}" for name, cell in row.items() if name not in long and cell is not None]
    texts = [f"{name}:\n\n{_fenced(text)}" for name, text in long.items()]
    return "\n\n".join([" · ".join(short), *texts])


_WORD = re.compile(r"[\w./-]{1,40}")


def _shown(cell: Any) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _fenced(text: str) -> str:
    # The fence is longer than any in the text, or the text would end it.
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"
